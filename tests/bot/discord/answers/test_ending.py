"""The note at the end of an answer: what its work returned, or why it stopped short."""

import asyncio

import pytest

from bot.discord.answers.ending import GOES_ON, NO_MORE, note_of
from bot.discord.context import CLOSING, Context
from bot.reply import Reply
from bot.wording.error_messages import sentence
from kernels.errors import GoesOn, KernelClosed
from tests.bot.discord.answers.fakes import OneSession, a_context, a_live_answer


async def note(
    context: Context, error: BaseException | None, *, runs: bool = False, several: bool = False
) -> str:
    """The note of an answer whose cell is running or has not begun, and whose work ends this way."""
    answer = a_live_answer(context)
    answer.several = several
    if runs:
        await answer.tell(Reply(3))

    async def work() -> str:
        if error is not None:
            raise error
        return "Done."

    try:
        return await note_of(context, answer, work())
    finally:
        answer.close()


async def test_work_that_returns_has_its_own_note() -> None:
    """Even while the bot is shutting down."""
    context = a_context(OneSession())
    assert await note(context, None) == "Done."
    context.closing = True
    assert await note(context, None) == "Done."


async def test_a_failure_of_ours_is_a_sentence() -> None:
    """Whether or not we know the error; it is not raised."""
    context = a_context(OneSession())
    assert "kernel" in await note(context, KernelClosed())
    assert await note(context, ZeroDivisionError("a / 0"))


async def test_a_bot_that_ends_says_whether_the_cell_goes_on() -> None:
    """Code that has not begun must be sent again; a replay or a model's turn does not continue."""
    context = a_context(OneSession())
    context.closing = True
    for error in (GoesOn(), KernelClosed(), asyncio.CancelledError()):
        assert await note(context, error) == CLOSING
        assert await note(context, error, runs=True) == GOES_ON
        assert await note(context, error, runs=True, several=True) == f"{GOES_ON} {NO_MORE}"


async def test_a_cancellation_while_the_bot_goes_on_is_one() -> None:
    """The cancellation is passed on to whoever cancelled the turn."""
    with pytest.raises(asyncio.CancelledError):
        await note(a_context(OneSession()), asyncio.CancelledError())


async def test_a_cell_that_is_let_go_while_the_bot_goes_on_is_not_said_to_be_told_later() -> None:
    """Its session is being deleted, and nobody is being restarted."""
    said = await note(a_context(OneSession()), GoesOn(), runs=True)
    assert said == sentence(KernelClosed())
