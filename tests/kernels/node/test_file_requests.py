"""Stored files that a cell asks for, with a bot and without."""

import asyncio
from io import BytesIO

import pytest

from kernels.broker import FileUnavailable, Opened
from kernels.node.file_requests import BotFiles
from kernels.node.messages import FileQuestion, FilesAnswer


async def test_a_question_without_a_bot_ends_in_time() -> None:
    """A cell must not hang because the bot is away: the broker turns this into a sentence."""
    source = BotFiles(lambda _: None, time=0.05)
    for asking in (source.open("a"), source.place("a"), source.list()):
        with pytest.raises(ConnectionError):
            await asking
    assert source.pending() == ()


async def test_questions_are_pending_until_they_are_answered() -> None:
    """A new bot is told of them; answers find their question, and late ones do no harm."""
    told: list[FileQuestion] = []
    source = BotFiles(told.append)
    opening, placing = (asyncio.ensure_future(work) for work in (source.open("a"), source.place("b")))
    await asyncio.sleep(0)
    assert (
        list(source.pending())
        == told
        == [
            FileQuestion(1, "open", "a"),
            FileQuestion(2, "place", "b"),
        ]
    )
    source.answer(FilesAnswer(ask=2, refused="no room for b", number=122))
    with pytest.raises(FileUnavailable, match="no room for b") as refused:
        await placing
    assert refused.value.number == 122
    opened = Opened("id", "a", "data", 1, BytesIO(b"x"))
    assert source.opened(1, opened)
    assert await opening is opened
    assert not source.opened(1, opened)
    source.answer(FilesAnswer(ask=2, name="b"))
