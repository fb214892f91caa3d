"""Finds what a test has left behind and later tests would run into.

before = asyncio.all_tasks()
...
assert not await tasks_left(before)
assert not await cells_left(data, known)       # and kernels of new sessions are ended
assert len(await cells_left(data)) == 1        # in a test that leaves one on purpose
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import quote

import aiohttp

from filestore.records import RUNNING
from kernels.client.spawn import recorded
from kernels.workspace.folder import scratch_id

ENDING = 5.0  # seconds that a cancelled task may take to end
DATABASE = "kernelcord.db"
# nextcord's timers for rate limits, views and forms, which its client does not stop.
TIMERS = ("RateLimit.reset_remaining", "View.__timeout_task_impl", "Modal.__timeout_task_impl")


async def tasks_left(before: set[asyncio.Task[None]]) -> list[str]:
    """The tasks started since `before` that are still running, such as a bot or a waiting person."""
    current = asyncio.current_task()
    new = {task for task in asyncio.all_tasks() if task is not current} - before
    left = {task for task in new if _what(task) not in TIMERS}
    if left:
        _, left = await asyncio.wait(left, timeout=ENDING)
    return sorted(f"{task.get_name()}: {_what(task)}" for task in left)


async def cells_left(data: Path, known: set[str] | None = None) -> list[str]:
    """The unfinished cells in a bot's data folder, which the next bot would go on with.

    They are marked as interrupted and their kernels ended. If `known` is given, the kernels of all sessions
    that are not in it are ended instead, and these sessions are added to it.
    """
    if not (data / DATABASE).exists():
        return []
    with closing(sqlite3.connect(data / DATABASE)) as database, database:
        sessions = {row[0] for row in database.execute("SELECT session_id FROM sessions")}
        unfinished = "SELECT session_id, text FROM entries WHERE status = ?"
        found = database.execute(unfinished, [RUNNING]).fetchall()
        if found:
            database.execute("UPDATE entries SET status = 'interrupted' WHERE status = ?", [RUNNING])
    ending = {session for session, _ in found} if known is None else sessions - known
    async with node(data) as http:
        for session in sorted(ending) if http else ():
            for kernel in (session, scratch_id(session)):
                async with http.delete(f"kernelcord/sessions/{quote(kernel)}"):
                    pass
    if known is not None:
        known |= sessions
    return [f"{session}: {text}" for session, text in found]


@asynccontextmanager
async def node(data: Path) -> AsyncIterator[aiohttp.ClientSession | None]:
    """An HTTP session for the node of a data folder; None if no node is running."""
    found = recorded(data / "node")
    if found is None:
        yield None
        return
    place, _ = found
    async with aiohttp.ClientSession(
        "http://node/",
        connector=aiohttp.UnixConnector(place.address),
        headers={"Authorization": f"token {place.token}"},
    ) as http:
        yield http


def _what(task: asyncio.Task[None]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")
