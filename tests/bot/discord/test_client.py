"""The client, without Discord."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from bot.continuity.deletions import Deletions
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


async def test_what_a_start_finds_does_not_begin_after_a_deletion() -> None:
    """Answers of an earlier program wait for Discord, and must not bring a deleted person's record back."""
    deletions, deleted = Deletions(), asyncio.Event()
    told: list[asyncio.Task[bool]] = []

    async def tell() -> bool:
        await deleted.wait()
        return deletions.since(7)

    def begin(*_: object) -> None:
        told.append(asyncio.create_task(tell()))

    async def resume() -> None:
        begin()

    async def none(_since: int) -> list[object]:
        return []

    store = SimpleNamespace(message_cells=SimpleNamespace(going_on=none))
    sessions = SimpleNamespace(deletions=deletions, resume=resume, store=store)

    def spawn(work: Any, _name: str) -> None:
        work.close()
        begin()

    context = SimpleNamespace(sessions=sessions, tasks=SimpleNamespace(spawn=spawn))
    client: Any = SimpleNamespace(
        user="me", _has_resumed=False, _began=datetime.now(UTC), _context=context, _resumed=None
    )
    await asyncio.create_task(Client.on_ready(client))
    deletions.note(7)
    deleted.set()
    assert await asyncio.gather(*told) == [True, True]
