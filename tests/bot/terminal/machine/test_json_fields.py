"""Events and results can be written as JSON, with all that a program needs of them."""

import json

from bot.reply import ExecutionResult
from bot.terminal.machine.json_fields import event_fields, result_fields, variables_fields
from kernels.cell.events import Restarted, UnsavedValue
from kernels.cell.result import Variable
from kernels.interface import State

CONN = UnsavedValue("conn", 7, "a database connection")
WRITTEN = {"name": "conn", "cell": 7, "what": "a database connection"}


def test_a_restart_says_what_is_back_and_what_is_not() -> None:
    """With the cell that a program may run again."""
    told = Restarted("it died", ("files",), ("x",), as_of=12, back=("df",), unsaved=(CONN,))
    fields = json.loads(json.dumps(event_fields(told)))
    assert (fields["as_of"], fields["back"], fields["unsaved"]) == (12, ["df"], [WRITTEN])
    assert fields["lost"] == ["x"]


def test_a_result_says_it_too() -> None:
    """For programs that only read results."""
    result = ExecutionResult(status="died", cell=13, return_code=1, as_of=12, unsaved=(CONN,))
    fields = json.loads(json.dumps(result_fields(result)))
    assert (fields["lost"], fields["as_of"], fields["unsaved"]) == ([], 12, [WRITTEN])


def test_variables_say_as_of_when_they_are_saved_and_what_is_not() -> None:
    """Also those that are new since then, and without a kernel."""
    new = UnsavedValue("y", 0, "")
    state = State(True, False, (Variable("df", "DataFrame", "5 x 3"),), 12, 2048, (CONN, new))
    assert json.loads(json.dumps(variables_fields(state))) == {
        "event": "variables",
        "alive": True,
        "variables": [{"name": "df", "type": "DataFrame", "detail": "5 x 3"}],
        "saved": 12,
        "saved_size": 2048,
        "unsaved": [WRITTEN, {"name": "y", "cell": 0, "what": ""}],
    }
    asleep = variables_fields(State(saved=12))
    assert (asleep["alive"], asleep["variables"], asleep["saved"]) == (False, [], 12)
