"""The person's names, told apart from those of every kernel and of IPython."""

import json

from tests.kernels.inside.kernel_python import run

CODE = """
import json
from inside import program, shell
from inside.state.names import Names

program.prepare()
made = shell.Shell.instance()
names, told = Names(made), []
CELLS = ("rows, _own, __x__ = 1, 2, 3\\n_2024 = _007 = _i2024 = 4",
    "rows", "_own = _", "open = 5", "%reset -f", "after = 1")
for cell in CELLS:
    made.run_cell(cell, store_history=True)
    told.append(names.own())
made.run_cell("In = Out = 5")
made.push({"linspace": 1, "after": 2}, interactive=False)
globals_of_cell = made.user_ns
globals_of_cell[5] = globals_of_cell["\\0names"] = None
told.append(names.own())
told.append(names.hidden())
made.run_cell("before = 1", store_history=True)
made.run_cell("last = 2; before = 3", store_history=True)
told.append(sorted(names.of_last_cell()))
print(json.dumps(told))
"""


def test_all_names_that_the_person_has_made_are_theirs() -> None:
    """With an underscore too, and where they replace one of the kernel's; no results that IPython keeps."""
    made, shown, bound, replaced, reset, after, pushed, hidden, last = json.loads(run(CODE).splitlines()[-1])
    assert made == shown == bound == ["rows", "_own", "__x__", "_2024", "_007", "_i2024"]
    assert set(replaced) == {*made, "open"}
    assert reset == []
    assert after == ["after"]
    assert set(pushed) == {"after", "linspace", "In", "Out"}
    assert hidden == ["after", "linspace"]
    assert [name for name in last if name[0] != "_"] == ["last"]
