"""Requests from many users on one standard input: who waits for whom."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

from bot.sessions import Sessions
from bot.terminal.machine.jsonl import JsonLines
from filestore.records import EPOCH, SessionRecord, StoredFile
from kernels.cell.events import END_OF_INPUT
from kernels.errors import KernelClosed


class OneSession:
    """A session whose cell asks."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def answer(self, text: str) -> None:
        """Take it."""
        self.answers.append(text)

    async def interrupt(self) -> None:
        """Stop."""


class NoFiles:
    """Files of people who have none."""

    async def all_of(self, _user_id: int) -> AsyncIterator[StoredFile]:
        """None."""
        for file in ():
            yield file


class Slow:
    """Sessions, of which user 2's is slow to open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.one = OneSession()
        self.files = NoFiles()

    async def session(self, user_id: int, _place: str) -> OneSession:
        """The session."""
        if user_id == 2:
            await self.open.wait()
        return self.one

    def id_of(self, user_id: int, _place: str) -> str:
        """The same for everybody."""
        return f"u{user_id}"

    def opened(self, _session_id: str) -> OneSession:
        """The same for all."""
        return self.one


class Lines:
    """A front on such sessions, with its input and its output."""

    def __init__(self) -> None:
        self.sessions = Slow()
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.read = asyncio.Event()  # by whoever reads the answers
        self.read.set()
        self.front = JsonLines(
            cast("Sessions", self.sessions), lambda text: self.told.put_nowait(json.loads(text)), self.room
        )
        self.serving = asyncio.create_task(self.front.serve(self._read()))

    async def room(self) -> None:
        """Until the answers are read."""
        await self.read.wait()

    def send(self, **request: Any) -> None:
        """A line."""
        self._lines.put_nowait(json.dumps(request).encode())

    def end(self) -> None:
        """The end of the input."""
        self._lines.put_nowait(b"")

    async def _read(self) -> AsyncIterator[bytes]:
        while line := await self._lines.get():
            yield line


async def test_nobody_waits_for_another_user() -> None:
    """A session that hangs while it opens, for an interrupt too, holds up its own user alone."""
    lines = Lines()
    async with asyncio.timeout(30):
        lines.send(user=2, interrupt=True)
        lines.send(user=2, reset=True)
        lines.send(user=1, files=True, id="a")
        assert (await lines.told.get())["id"] == "a"
        lines.send(user=2, files=False)
        assert "files is true" in (await lines.told.get())["message"]
        lines.sessions.open.set()
        lines.end()
        await lines.serving


async def test_while_the_answers_are_not_read_no_request_begins() -> None:
    """They wait in order, but what is said to a cell does not; read on, and all are carried out."""
    lines = Lines()
    async with asyncio.timeout(30):
        lines.sessions.open.set()
        lines.read.clear()
        for number in range(3):
            lines.send(user=1, files=True, id=number)
        lines.send(user=2, input=7, id="urgent")
        assert (await lines.told.get())["id"] == "urgent"
        assert lines.told.empty()
        lines.read.set()
        lines.end()
        await lines.serving
    assert [lines.told.get_nowait()["id"] for _ in range(3)] == [0, 1, 2]


async def test_answers_that_were_sent_come_before_the_end_of_the_input() -> None:
    """In order, and a cell that asks once more gets the end of the input."""
    lines = Lines()
    async with asyncio.timeout(30):
        lines.sessions.open.set()
        for text in "abc":
            lines.send(user=2, input=text)
        lines.end()
        await lines.serving
    assert lines.sessions.one.answers[:3] == ["a", "b", "c"]
    assert set(lines.sessions.one.answers[3:]) <= {END_OF_INPUT}


async def test_each_request_that_the_programs_end_leaves_undone_has_an_error() -> None:
    """The one that waits, those that come later, and the one under way once it is given up."""
    lines = Lines()
    async with asyncio.timeout(30):
        lines.send(user=2, reset=True, id="under way")
        lines.send(user=2, upload="a.csv", id="queued")
        lines.send(user=1, files=True, id="done")
        assert (await lines.told.get())["event"] == "files"
        assert lines.front.end()
        lines.send(user=2, upload="a.csv", id="later")
        lines.send(user=3, code="1", id="of somebody else")
        told = [await lines.told.get() for _ in range(3)]
        lines.serving.cancel()
        await asyncio.wait([lines.serving])
        told.append(await lines.told.get())
    assert [fields["id"] for fields in told] == ["queued", "later", "of somebody else", "under way"]
    assert {fields["error"] for fields in told} == {"KernelClosed"}


async def test_nothing_is_kept_of_users_whose_requests_are_done() -> None:
    """Thousands of users come and go on one input."""
    lines = Lines()
    async with asyncio.timeout(30):
        for user in range(100, 200):
            lines.send(user=user, files=True)
            lines.send(user=user, input="x")
        for _ in range(100):
            await lines.told.get()
        lines.send(user=1, files=True)
        await lines.told.get()
        assert lines.front._queues == {}
        lines.end()
        await lines.serving


async def test_a_cell_of_before_that_comes_to_no_result_is_an_error_of_its_own() -> None:
    """It names its person and cell number, so that nobody waits for the result for ever."""
    told: list[str] = []
    front = JsonLines(cast("Sessions", None), told.append, partial(asyncio.sleep, 0))
    record = SessionRecord("u7", 7, "json", None, EPOCH, EPOCH)
    await front.fail_resumed(record, 3, KernelClosed())
    fields = json.loads(told[0])
    assert (fields["user"], fields["cell"], fields["event"]) == (7, 3, "error")
    assert fields["message"].startswith("The kernel is being shut down")
