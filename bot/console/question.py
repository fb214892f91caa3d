"""What a cell asks by `input()`, put to the person at the keyboard for as long as the cell waits.

questions = Questions()
questions.put(session, InputRequest("name? "))
await questions.withdraw()      # the cell is over
"""

import asyncio
import contextlib

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from bot.errors import NothingRuns
from bot.failures import sentence
from bot.session import Session
from kernels import visible
from kernels.errors import NoQuestion, TooLarge
from kernels.events import END_OF_INPUT, InputRequest
from kernels.text import strip_ansi

__all__ = ["Questions"]


class Questions:
    """The prompt at which questions are answered, one at a time."""

    def __init__(self) -> None:
        self._prompt: PromptSession[str] = PromptSession(erase_when_done=True)  # the cell's output shows both
        self._asking: asyncio.Task[None] | None = None

    def put(self, session: Session, question: InputRequest) -> None:
        """Ask, and give the session's cell what is typed; what is shown meanwhile stands above."""
        self._asking = asyncio.create_task(self._ask(session, question), name="a cell's question")

    async def withdraw(self) -> None:
        """Take the prompt away if it still stands there: what is typed from now on is no answer."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
            self._asking = None

    async def _ask(self, session: Session, question: InputRequest) -> None:
        with contextlib.suppress(NoQuestion, NothingRuns):  # the cell was over before the answer came
            told = ""
            while True:
                try:
                    with patch_stdout(raw=True):
                        answer = await self._prompt.prompt_async(
                            told + visible.text(strip_ansi(question.prompt)),
                            is_password=question.password,
                            handle_sigint=False,
                        )
                except EOFError:
                    answer = END_OF_INPUT
                except KeyboardInterrupt:
                    await session.interrupt()
                    return
                try:
                    session.answer(answer)
                except TooLarge as error:  # the cell still waits
                    told = f"[{sentence(error)}]\n"
                else:
                    return
