"""The person's stored files, as a node's broker sees them: the bot has them, and is asked over the websocket.

    source = BotFiles(tell)             # `tell` sends a question to the bot, if there is one
    source.answer(answer)               # the bot's answer: a refusal, a list, a name
    source.opened(number, opened)       # the bytes of a file that the bot was asked for
    source.pending()                    # the open questions, for a bot that has come (back)

Without a bot a question waits for a while and is then refused, so that no cell hangs on it.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from kernels.broker import BOT_TIME, FileRow, FileUnavailable, Opened
from kernels.node.messages import FileQuestion, FilesAnswer

__all__ = ["BotFiles"]


class BotFiles:
    """kernels.broker.FileSource of one session. Raises ConnectionError if no bot answers in `time`."""

    def __init__(self, tell: Callable[[FileQuestion], None], time: float = BOT_TIME) -> None:
        self._tell = tell
        self._time = time
        self._numbers = count(1)
        self._open: dict[int, tuple[FileQuestion, asyncio.Future[Any]]] = {}

    async def open(self, wanted: str) -> Opened:
        opened = await self._ask("open", wanted)
        assert isinstance(opened, Opened)
        return opened

    async def place(self, wanted: str) -> str:
        """Have the bot put the file into the workspace. Raises: FileUnavailable, ConnectionError."""
        answer: FilesAnswer = await self._ask("place", wanted)
        return answer.name

    async def list(self) -> Sequence[FileRow]:
        answer: FilesAnswer = await self._ask("list")
        return answer.files

    def pending(self) -> tuple[FileQuestion, ...]:
        """The questions without an answer."""
        return tuple(question for question, _ in self._open.values())

    def answer(self, answer: FilesAnswer) -> None:
        """Pass on the bot's answer; one that nobody waits for any more is ignored."""
        future = self._waiting(answer.ask)
        if future is None:
            return
        if answer.refused is not None:
            future.set_exception(FileUnavailable(answer.refused, answer.number))
        elif answer.failed is not None:
            future.set_exception(ConnectionError(answer.failed))
        else:
            future.set_result(answer)

    def opened(self, number: int, opened: Opened) -> bool:
        """Pass on the file that was asked for; False when nobody waits for it: the caller closes it."""
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
        question = FileQuestion(number, op, wanted)
        future = asyncio.get_running_loop().create_future()
        self._open[number] = question, future
        try:
            self._tell(question)
            async with asyncio.timeout(self._time):
                return await future
        except TimeoutError:
            raise ConnectionError("no bot has answered") from None
        finally:
            del self._open[number]
