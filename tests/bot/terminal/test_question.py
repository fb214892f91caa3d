"""Typing at a prompt while more questions come: nothing is lost, and each answer goes where it belongs."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

from bot.session import Session
from bot.terminal.question import DECIDE, QuestionPrompt
from kernels.cell.events import InputRequest, Unstopped
from kernels.errors import NoQuestion

ENTER, CTRL_C = "\r", "\x03"
UNSTOPPED = Unstopped((), limited=True, asks=False)
NAME = InputRequest("name? ", password=False)


class Cell:
    """A session's cell: records decisions and answers in order; once `over`, it wants neither."""

    def __init__(self) -> None:
        self.told: list[bool | str] = []
        self.over = False

    def decide(self, *, kill: bool) -> None:
        if self.over:
            raise NoQuestion
        self.told.append(kill)

    def answer(self, text: str) -> None:
        self.told.append(text)

    async def stop(self) -> None:
        self.told.append("stopped")


class Prompt:
    """Somebody at the prompt of one cell."""

    def __init__(self, keyboard: PipeInput, drawn: io.StringIO) -> None:
        self.type = keyboard.send_text
        self.cell = Cell()
        self.questions = QuestionPrompt()
        self._drawn = drawn

    def put(self, question: InputRequest | Unstopped) -> None:
        """Put a question from the cell, or about it."""
        self.questions.put_question(cast("Session", self.cell), question)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this is true."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  the screen tells nobody
                await asyncio.sleep(0.01)

    async def sees(self, text: str) -> None:
        """Wait until this is drawn."""
        await self.until(lambda: text.strip() in self._drawn.getvalue())

    async def has_typed(self, text: str) -> None:
        """Wait until this is what has been typed after the prompt."""
        await self.until(lambda: self.questions._prompt.default_buffer.text == text)


@asynccontextmanager
async def _prompt() -> AsyncIterator[Prompt]:
    drawn = io.StringIO()
    with (
        create_pipe_input() as keyboard,
        create_app_session(input=keyboard, output=PlainTextOutput(drawn)),
    ):
        prompt = Prompt(keyboard, drawn)
        try:
            yield prompt
        finally:
            await prompt.questions.withdraw()


@pytest.mark.parametrize("comes", [UNSTOPPED, NAME])
async def test_what_is_typed_at_a_decision_stays_when_more_is_asked(comes: InputRequest | Unstopped) -> None:
    """Ctrl-C at the decision brings `Unstopped` again two seconds later, in the middle of a word."""
    async with _prompt() as prompt:
        prompt.put(UNSTOPPED)
        await prompt.sees(DECIDE)
        prompt.type(CTRL_C)
        await prompt.until(lambda: prompt.cell.told == ["stopped"])
        prompt.type("ki")
        await prompt.has_typed("ki")
        prompt.put(comes)
        for _ in range(20):
            await asyncio.sleep(0)
        prompt.type("ll" + ENTER)
        await prompt.until(lambda: prompt.cell.told == ["stopped", True])
        if comes is NAME:  # it was waiting for the decision
            await prompt.sees(NAME.prompt)
            prompt.type("Ada" + ENTER)
            await prompt.until(lambda: prompt.cell.told == ["stopped", True, "Ada"])


async def test_a_half_typed_answer_is_there_again_after_the_decision() -> None:
    """The person was typing when the cell turned out not to stop. A later question begins empty."""
    async with _prompt() as prompt:
        prompt.put(NAME)
        await prompt.sees(NAME.prompt)
        prompt.type("Ad")
        await prompt.has_typed("Ad")
        prompt.put(Unstopped((), limited=True, asks=True))
        await prompt.sees(DECIDE)
        prompt.type("w" + ENTER)
        await prompt.has_typed("Ad")
        prompt.type("a" + ENTER)
        await prompt.until(lambda: prompt.cell.told == [False, "Ada"])
        prompt.put(NAME)
        prompt.type("Bob" + ENTER)
        await prompt.until(lambda: prompt.cell.told == [False, "Ada", "Bob"])


@pytest.mark.parametrize("steps", range(12))
async def test_a_whole_line_is_taken_whenever_more_is_asked(steps: int) -> None:
    """Even if that comes between the key and the decision."""
    async with _prompt() as prompt:
        prompt.put(UNSTOPPED)
        await prompt.sees(DECIDE)
        prompt.type("k" + ENTER)
        for _ in range(steps):
            await asyncio.sleep(0)
        prompt.put(UNSTOPPED)
        await prompt.until(lambda: prompt.cell.told == [True])


async def test_a_decision_that_comes_too_late_is_not_asked_for_again() -> None:
    """The line typed next answers the cell's own question, and is not taken as a decision."""
    async with _prompt() as prompt:
        prompt.cell.over = True
        prompt.put(UNSTOPPED)
        await prompt.sees(DECIDE)
        prompt.type("k" + ENTER)
        await prompt.until(lambda: prompt.questions._unstopped is None)
        prompt.put(NAME)
        await prompt.sees(NAME.prompt)
        prompt.type("wait" + ENTER)
        await prompt.until(lambda: prompt.cell.told == ["wait"])
