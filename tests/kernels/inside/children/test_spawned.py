"""Processes that `multiprocessing` spawns have what the cells have defined."""

from kernels.inside.children import spawned
from tests.kernels.inside.kernel_python import run

CODE = """
import multiprocessing, sys
from inside.children import spawned

spawned.follow()
cells = ["import math as m\\nfactor = 3\\ndef times(x):\\n    return m.floor(x) * factor",
    "def broken(x=missing):\\n    pass", "class Both:\\n    pass\\nlock = object()"]
_ih = [cells[0], cells[2]]
missing = 1
for cell in cells:
    exec(cell)
_ih = cells
del missing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(times, [1, 2.5]))
"""


def test_a_pool_calls_a_function_of_a_cell() -> None:
    """With the module and the value it uses; a definition that fails there does not affect the others."""
    assert run(CODE, ours=True) == "[3, 6]\n"


def test_the_last_definition_of_a_name_is_the_one() -> None:
    """Whatever else the cells contain or the person has made of the names."""
    cells = [
        "def f():\n    return 1",
        "broken(",
        "def g():\n    return 2\n\ndef f():\n    return 3",
        None,
        "x = 1",
    ]
    assert spawned._defined({"f", "g", "h"}, cells) == ["def g():\n    return 2", "def f():\n    return 3"]  # type: ignore[arg-type]


def test_imports_come_first_and_large_values_not_at_all() -> None:
    """Names that begin with an underscore do not count as the person's."""
    import json
    from pathlib import Path

    names = {
        "j": json,
        "P": Path,
        "n": 2,
        "text": "x" * spawned.LONGEST,
        "_hidden": 1,
        "data": [1],
        "_ih": [],
    }
    assert list(spawned._parts(names)) == [
        "import json, sys; j = sys.modules['json']",
        "from pathlib import Path as P",
        "n = 2",
    ]
