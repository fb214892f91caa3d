"""The real program as a process, driven through `--json` as any script would drive it.

async with Program.start(data, "--timeout", "5s") as program:
    result = await program.run("1 + 1", user=7)
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from tests import sentences

ROOT = Path(__file__).resolve().parent.parent
MOST_OF_A_FILE = 1 << 20  # bytes that are looked at
PATIENCE = 50.0  # seconds for an answer on a loaded machine; more than any cell here needs
LINE = 256 * 1024 * 1024  # bytes; an answer can carry a large file

Answer = dict[str, Any]


class Program:
    """`python -m bot.console --json` in a process of its own; `seen` has all answers so far, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[Answer] = []
        self.user = 1  # who asks, where a request does not say
        self._new = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())
        self._next_id = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, data: Path, *flags: str, within: Sequence[str] = (), **settings: str
    ) -> AsyncIterator["Program"]:
        """Run the program on `data` with extra environment variables; it must exit with 0 unless killed.

        `within` is a command that is given the program's command line, and runs it.
        """
        process = await asyncio.create_subprocess_exec(
            *(*within, sys.executable),
            *("-m", "bot.console", "--json", "--log-level", "error", "--data", str(data), *flags),
            cwd=ROOT,
            env=os.environ | {"PRELOAD": "none"} | settings,  # a start of 0.5 s instead of 2
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE,
        )
        program = cls(process)
        try:
            yield program
            if process.returncode is None:
                assert await program.end() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await program._reader

    def send(self, **request: Any) -> int:
        """Send a request; returns its id, which the answers carry."""
        assert self.process.stdin is not None
        self._next_id += 1
        sentences.written(request, _sent_file(request))
        whole = {"id": self._next_id, "user": self.user} | request
        self.process.stdin.write(json.dumps(whole).encode() + b"\n")
        return self._next_id

    def send_raw(self, line: bytes) -> None:
        """Send a line as it is."""
        sentences.written(line)
        assert self.process.stdin is not None
        self.process.stdin.write(line)

    async def answer(self, **wanted: Any) -> Answer:
        """Return the first answer, past or future, that has all these fields."""

        def found() -> Answer | None:
            return next((one for one in self.seen if wanted.items() <= one.items()), None)

        async with asyncio.timeout(PATIENCE), self._new:
            await self._new.wait_for(lambda: found() or self._reader.done())
        answer = found()
        assert answer is not None, f"no answer {wanted} before the program ended"
        return answer

    async def run(self, code: str, **more: Any) -> Answer:
        """Run a cell and return its result."""
        sent = self.send(code=code, **more)
        return await self.answer(id=sent, event="result")

    async def saved(self, cell: int) -> None:
        """Wait until the variables are saved as of this cell: one that follows at once may be in the way."""
        async with asyncio.timeout(PATIENCE):
            while (await self.answer(id=self.send(variables=True), event="variables"))["saved"] != cell:  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0.02)

    def events(self, sent: int, kind: str) -> list[Answer]:
        """The answers of one kind that a request has had so far."""
        return [one for one in self.seen if one.get("id") == sent and one["event"] == kind]

    async def end(self) -> int:
        """Close its input and return its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def kill(self) -> None:
        """Kill it as a crash would."""
        self.process.kill()
        await self.process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._new:
                if line.endswith(b"\n"):  # a killed program's last line may be incomplete
                    answer = json.loads(line)
                    for name, value in answer.items():
                        sentences.read(f"--json, {answer['event']}, {name}", value, operator=name == "advice")
                    self.seen.append(answer)
                self._new.notify_all()
        async with self._new:
            self._new.notify_all()


def _sent_file(request: Answer) -> bytes:
    """The beginning of a file that a request hands over; it may be larger than the memory."""
    path = request.get("upload") or request.get("replay")
    try:
        with Path(path or "").open("rb") as file:
            return file.read(MOST_OF_A_FILE)
    except (OSError, TypeError, ValueError):  # it is to be refused
        return b""
