"""What was asked before a person had everything deleted does not begin afterwards."""

import asyncio
import gc
from contextvars import copy_context
from pathlib import Path

import pytest

from bot.continuity.deletions import Deletions
from bot.errors import DeletedSince
from tests.bot.worlds import Program, World
from tests.live.cells import until


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one."""
    return World(tmp_path)


async def test_what_was_asked_before_is_known_in_all_that_it_begins() -> None:
    """A task that waits belongs to the event that began it, unlike later events and our own work."""
    deletions = Deletions()
    go = asyncio.Event()
    found: dict[str, bool] = {}

    async def wait(name: str, user_id: int) -> None:
        await go.wait()
        found[name] = deletions.since(user_id)

    async def ask(name: str, user_id: int) -> None:
        await asyncio.create_task(wait(name, user_id))

    def asked(name: str, user_id: int) -> asyncio.Task[None]:
        deletions.asked()
        return asyncio.create_task(ask(name, user_id))

    tasks = [asyncio.create_task(wait("ours", 1))]
    tasks += [copy_context().run(asked, f"before, {user_id}", user_id) for user_id in (1, 2)]
    await asyncio.sleep(0)
    deletions.note(1)
    tasks.append(copy_context().run(asked, "after", 1))
    go.set()
    await asyncio.gather(*tasks)
    assert found == {"ours": False, "before, 1": True, "before, 2": False, "after": False}
    tasks.clear()
    await asyncio.sleep(0)  # the loop lets go of them
    gc.collect()
    assert len(deletions._moments) == 0


async def test_nothing_is_opened_or_noted_for_what_was_asked_before(world: World) -> None:
    """It may wait for the deletion itself: the person's next session must know nothing of it."""
    async with Program(world) as sessions:
        await sessions.session(1, "dm")
        sessions.deletions.asked()
        async with sessions._locks.one(1, sessions.id_of(1, "dm")):
            waiting = [
                asyncio.create_task(sessions.session(1, "dm")),
                asyncio.create_task(sessions.add_record(1, "dm")),
            ]
            deleting = asyncio.create_task(sessions.forget_person(1))
            await until(lambda: sessions.deletions.since(1))
        await deleting
        for task in waiting:
            with pytest.raises(DeletedSince):
                await task
        assert await sessions.store.sessions.of_user(1) == []
        assert (await sessions.execute_code("x", 2)).success
        sessions.deletions.asked()
        assert (await sessions.execute_code("x", 1)).success
