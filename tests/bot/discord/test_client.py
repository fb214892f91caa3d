"""The client, without Discord."""

from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord.client import Client
from filestore.errors import BytesStay


async def test_a_deletion_that_fails_forgets_what_would_begin_by_itself() -> None:
    """Messages that could be edited, late output and displays that wait to be shown again."""
    forgotten: list[tuple[str, int]] = []

    def part(name: str) -> Any:
        return SimpleNamespace(forget_person=lambda user_id: forgotten.append((name, user_id)))

    async def refuses(_user_id: int) -> None:
        raise BytesStay("see the log")

    sessions = SimpleNamespace(forget_person=refuses)
    client: Any = SimpleNamespace(
        _context=SimpleNamespace(sessions=sessions, updates=part("updates")),
        _chat=part("chat"),
        _late=part("late"),
    )
    with pytest.raises(BytesStay):
        await Client.forget_person(client, 7)
    assert forgotten == [("chat", 7), ("late", 7), ("updates", 7)]
