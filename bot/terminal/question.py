"""The prompt for what a cell asks with `input()`, and for whether to kill a cell that does not stop.

    questions = QuestionPrompt()
    questions.put_question(session, InputRequest("name? "))
    questions.put_question(session, Unstopped(...))
    await questions.withdraw()      # the cell is over

Only one question is asked at a time. Whether to kill the cell comes first, because a person who has pressed
Ctrl-C expects that question; the screen above says what killing would cost. Everything else waits until this
is decided. Nothing that was typed is lost: a half-typed answer stands at the prompt again after the decision.
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

# What can be typed, and whether it means to kill.
DECISIONS = {"w": False, "wait": False, "k": True, "kill": True}
DECIDE = "Type w to wait, k to kill, or press Ctrl-C to interrupt it again: "


class QuestionPrompt:
    """The prompt at which questions are answered, one at a time."""

    def __init__(self) -> None:
        # The cell's output repeats question and answer, so the prompt is erased.
        self._prompt: PromptSession[str] = PromptSession(erase_when_done=True)
        self._question: InputRequest | None = None  # not answered yet
        self._unstopped: Unstopped | None = None  # not decided yet
        self._half_typed: tuple[InputRequest | None, str] = (None, "")  # the answer to which question, so far
        self._asking: asyncio.Task[None] | None = None

    def put_question(self, session: Session, question: InputRequest | Unstopped) -> None:
        """Ask the person, and pass what they type on to the session's cell; output appears above."""
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
        """Remove the prompt if it is still there: what is typed from now on is no answer."""
        self._question = self._unstopped = None
        await stop(self._asking)
        self._asking = None
        self._half_typed = (None, "")

    async def _ask(self, session: Session, before: asyncio.Task[None] | None) -> None:
        await to_the_end(stop(before))  # there can only be one prompt at a time
        with contextlib.suppress(NoQuestion, NothingRuns):  # the cell ended before the answer came
            if self._unstopped is not None:
                try:
                    await self._decide(session)
                finally:  # also if the cell no longer wants a decision
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
        half_typed = self._half_typed[1] if self._half_typed[0] is question else ""
        self._half_typed = (None, "")
        while True:
            try:
                with patch_stdout(raw=True):
                    answer = await self._prompt.prompt_async(
                        told + visible.text(strip_ansi(question.prompt)),
                        default=half_typed,
                        is_password=question.password,
                        handle_sigint=False,
                    )
            except asyncio.CancelledError:
                self._half_typed = (question, self._prompt.default_buffer.text)
                raise
            except EOFError:
                answer = END_OF_INPUT
            except KeyboardInterrupt:
                await session.stop()
                return
            try:
                session.answer(answer)
            except TooLarge as error:  # the cell still waits for an answer
                told, half_typed = f"[{sentence(error)}]\n", ""
            else:
                return
