"""What a cell asks by `input()`, and whether one that does not stop is killed, put to whoever types.

    questions = QuestionPrompt()
    questions.put(session, InputRequest("name? "))
    questions.put(session, Unstopped(...))
    await questions.withdraw()      # the cell is over

There is one prompt. Whether to kill is asked first: who has pressed Ctrl-C expects that, and no answer. What
it would cost is on the screen above. Once it is asked, whatever comes waits for the decision, so that nothing
that was typed is lost.
"""

import asyncio
import contextlib

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from bot.errors import NothingRuns
from bot.session import Session
from bot.wording.error_messages import sentence
from kernels.cell.events import END_OF_INPUT, InputRequest, Unstopped
from kernels.concurrency.cancellation import stop, to_the_end
from kernels.errors import NoQuestion, TooLarge
from kernels.text import visible
from kernels.text.clipping import strip_ansi

__all__ = ["QuestionPrompt"]

DECISIONS = {"w": False, "wait": False, "k": True, "kill": True}  # whether to kill, by what is typed
DECIDE = "Type w to wait, k to kill, or press Ctrl-C to interrupt it again: "


class QuestionPrompt:
    """The prompt at which questions are answered, one at a time."""

    def __init__(self) -> None:
        self._prompt: PromptSession[str] = PromptSession(erase_when_done=True)  # the cell's output shows both
        self._question: InputRequest | None = None  # that is not answered yet
        self._unstopped: Unstopped | None = None  # likewise
        self._asking: asyncio.Task[None] | None = None

    def put(self, session: Session, question: InputRequest | Unstopped) -> None:
        """Ask, and tell the session's cell what is typed; what is shown meanwhile stands above."""
        deciding = self._unstopped is not None and self._asking is not None and not self._asking.done()
        if isinstance(question, InputRequest):
            self._question = question
        else:
            self._unstopped = question
            if not question.asks:
                self._question = None
        if not deciding:
            asking = self._ask(session, self._asking)
            self._asking = asyncio.create_task(asking, name="a cell's question")

    async def withdraw(self) -> None:
        """Take the prompt away if it still stands there: what is typed from now on is no answer."""
        self._question = self._unstopped = None
        await stop(self._asking)
        self._asking = None

    async def _ask(self, session: Session, before: asyncio.Task[None] | None) -> None:
        await to_the_end(stop(before))  # two prompts at a time would disturb each other
        with contextlib.suppress(NoQuestion, NothingRuns):  # the cell was over before the answer came
            if self._unstopped is not None:
                try:
                    await self._decide(session)
                finally:  # what comes after it is another question, also where nobody wanted this answer
                    self._unstopped = None
            if self._question is not None:
                await self._answer(session, self._question)
                self._question = None

    async def _decide(self, session: Session) -> None:
        while True:
            try:
                with patch_stdout(raw=True):
                    typed = await self._prompt.prompt_async(DECIDE, is_password=False, handle_sigint=False)
            except EOFError:
                typed = "wait"
            except KeyboardInterrupt:
                await session.stop()
                continue
            kill = DECISIONS.get(typed.strip().lower())
            if kill is not None:
                session.decide(kill=kill)
                return

    async def _answer(self, session: Session, question: InputRequest) -> None:
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
                await session.stop()
                return
            try:
                session.answer(answer)
            except TooLarge as error:  # the cell still waits
                told = f"[{sentence(error)}]\n"
            else:
                return
