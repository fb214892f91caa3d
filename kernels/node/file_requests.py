"""The person's stored files, as a node's broker sees them: the bot has them, and is asked over the websocket.

    source = BotFiles(tell)             # `tell` gives a question to the bot, when there is one
    source.answer(number, fields)       # what the bot says: a refusal, a list, a name
    source.opened(number, opened)       # the bytes of a file that it was asked for
    source.pending()                    # for a bot that has come (back)

Without a bot a question waits for a while and is then refused: a cell must not hang on it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import count
from typing import Any

from kernels.broker import BOT_TIME, FileRow, FileUnavailable, Opened

__all__ = ["BotFiles"]

FILE_ROW = tuple(field.name for field in fields(FileRow))  # what else a bot says of a file is ignored

Question = dict[str, Any]


class BotFiles:
    """kernels.broker.FileSource of one session. Raises ConnectionError where the bot does not answer."""

    def __init__(self, tell: Callable[[Question], None]) -> None:
        self._tell = tell
        self._numbers = count(1)
        self._open: dict[int, tuple[Question, asyncio.Future[Any]]] = {}

    async def open(self, wanted: str) -> Opened:
        """The file. Raises: FileUnavailable, ConnectionError."""
        opened = await self._ask("open", wanted)
        assert isinstance(opened, Opened)
        return opened

    async def place(self, wanted: str) -> str:
        """Have the bot put the file into the workspace. Raises: FileUnavailable, ConnectionError."""
        return str((await self._ask("place", wanted))["name"])

    async def list(self) -> Sequence[FileRow]:
        """The files that the person can load. Raises: ConnectionError."""
        rows = (await self._ask("list"))["files"]
        return [FileRow(**{name: row[name] for name in FILE_ROW}) for row in rows]

    def pending(self) -> tuple[Question, ...]:
        """The questions without an answer."""
        return tuple(question for question, _ in self._open.values())

    def answer(self, number: int, fields: dict[str, Any]) -> None:
        """The bot's answer; one that nobody waits for any more is no error."""
        future = self._waiting(number)
        if future is None:
            return
        if "refused" in fields:
            future.set_exception(FileUnavailable(fields["refused"]))
        elif "failed" in fields:
            future.set_exception(ConnectionError(fields["failed"]))
        else:
            future.set_result(fields)

    def opened(self, number: int, opened: Opened) -> bool:
        """The bytes that were asked for; False when nobody waits for them: the caller closes them."""
        future = self._waiting(number)
        if future is None:
            return False
        future.set_result(opened)
        return True

    def _waiting(self, number: int) -> asyncio.Future[Any] | None:
        _, future = self._open.get(number, (None, None))
        return future if future is not None and not future.done() else None

    async def _ask(self, op: str, wanted: str = "") -> Any:
        number = next(self._numbers)
        question = {"ask": number, "op": op, "wanted": wanted}
        future = asyncio.get_running_loop().create_future()
        self._open[number] = question, future
        try:
            self._tell(question)
            async with asyncio.timeout(BOT_TIME):
                return await future
        except TimeoutError:
            raise ConnectionError("no bot has answered") from None
        finally:
            del self._open[number]
