"""Events and results can be written as JSON, with all that a program needs of them."""

import json

from bot.reply import ExecutionResult
from bot.terminal.machine.json_fields import event_fields, result_fields
from kernels.cell.events import Restarted, UnsavedValue

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
