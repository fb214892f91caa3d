"""The shell does less work per cell than IPython's, and shows errors without our own code."""

import json
from typing import Any

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import json, sys, types
from inside import program, shell

prepared = program.prepare()
ours = shell.Shell.instance()
told = {}

calls = []
transform = shell.ZMQInteractiveShell.transform_cell
shell.ZMQInteractiveShell.transform_cell = lambda self, cell: calls.append(cell) or transform(self, cell)
ours.coming = "%time 1"
told["same"] = ours.transform_cell("%time 1") == ours.transform_cell("%time 1")
told["once"] = len(calls)
ours.transform_cell("2")
ours.transform_cell("2")
told["others"] = len(calls) - told["once"]

class Bad(Exception):
    def __str__(self):
        raise ValueError("no")
bad = Bad()
told["bad"] = [type(shell._with_text(bad)).__name__, str(shell._with_text(bad))]
fine = KeyError("a")
told["fine"] = shell._with_text(fine) is fine
told["no failure"] = [shell._is_no_failure(error) for error in
    (SystemExit(), SystemExit(0), SystemExit(1), ValueError(), None)]

def frames(error):
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return found
def called(function):
    try:
        exec(compile("function()", "<cell>", "exec"), {"function": function})
    except Exception as error:
        shell._leave_out_ours(error.__traceback__)
        return frames(error)
def failing():
    raise ValueError
inside_file = compile("def wrap(f):\\n    return lambda: f()\\ndef fail():\\n    raise ValueError",
    shell.OURS[0] + "x.py", "exec")
names = {}
exec(inside_file, names)
told["ends"] = called(names["fail"])
told["comes again"] = called(names["wrap"](failing))

warned = []
shell.warnings.warn = lambda message, *_, **__: warned.append(message)
shell._warn("To exit: use 'exit'")
shell._warn("other")
told["warned"] = warned
told["module"] = shell.Shell.__module__
with ours._tee("stdout") as nothing:
    told["tee"] = nothing
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the code above reports, from the kernels' own Python."""
    found: dict[str, Any] = json.loads(run(CODE))
    return found


def test_the_cell_that_comes_is_transformed_once(told: dict[str, Any]) -> None:
    """The kernel and the shell both ask for it; a request by the person may find other transformers."""
    assert told["same"]
    assert told["once"] == 1
    assert told["others"] == 2


def test_an_error_without_a_text_says_so(told: dict[str, Any]) -> None:
    """It shows the error's name; any other error stays as it is."""
    assert told["bad"] == ["Bad", "[no text: its __str__ raised ValueError]"]
    assert told["fine"]


def test_only_a_successful_exit_is_no_failure(told: dict[str, Any]) -> None:
    """As in a script."""
    assert told["no failure"] == [True, True, False, False, False]


def test_a_traceback_has_none_of_our_own_frames(told: dict[str, Any]) -> None:
    """It ends where our code begins; if the person's code follows, only ours is left out."""
    assert told["ends"][-1] == "<cell>"
    assert told["comes again"][-2:] == ["<cell>", "<string>"]


def test_libraries_take_it_for_jupyters_shell(told: dict[str, Any]) -> None:
    """They check the name of its class; no output is kept, and no advice that does not apply is shown."""
    assert told["module"] == "ipykernel.zmqshell"
    assert told["tee"] is None
    assert told["warned"] == ["other"]
