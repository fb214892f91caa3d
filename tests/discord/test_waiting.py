"""What waits to be shown again is dropped only once it was looked for."""

from datetime import UTC, datetime
from typing import Any, cast

from bot.front.updated import _Waiting
from bot.session import Session
from filestore.records import CellRecord


def cell(seq: int, *names: str) -> CellRecord:
    """A cell that has shown these displays."""
    outputs: tuple[dict[str, Any], ...] = tuple(
        {"output_type": "display_data", "data": {}, "metadata": {}, "transient": {"display_id": name}}
        for name in names
    )
    return CellRecord(
        "s", seq, "place", "ada", "1", outputs=outputs, status="ok", started_at=datetime.now(UTC)
    )


def test_a_display_that_is_updated_while_others_are_looked_up_is_looked_up_next() -> None:
    """Whether the others were found or not."""
    for found in ([], [cell(1, "a")]):
        waiting = _Waiting(cast(Session, None))
        waiting.note(5, {"a"})
        waiting.shown[1] = 1
        waiting.note(6, {"b"})
        assert waiting.settle(found, 1)
        assert list(waiting.names) == ["b"]
        assert waiting.stale(cell(2, "b"))
        waiting.shown[2] = 2
        assert not waiting.stale(cell(2, "b"))
        assert not waiting.settle([cell(2, "b")], 2)
