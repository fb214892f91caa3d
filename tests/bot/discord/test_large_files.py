"""How answers are sent: files are in memory only meanwhile, and few answers with large ones at a time."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord.answers import answer as module
from bot.discord.answers.answer import LARGE, LiveAnswer
from bot.discord.context import SENT
from bot.discord.format.answer import AnswerPage, Draft
from bot.discord.format.attachments import MessageLimits
from bot.scheduling.slots import Slots


class GeneratedFiles:
    """Files of cells, which are read when an answer is sent."""

    def __init__(self) -> None:
        self.read = 0

    def file(self, size: int) -> Any:
        async def data() -> bytes:
            self.read += 1
            return b""

        return SimpleNamespace(size=size, data=data, filename="a.bin", file_id="k7m3q9x2va")


class SlowDelivery:
    """Discord takes nothing before `taken` is set."""

    taken: asyncio.Event
    begun = 0

    def __init__(self, *_: object) -> None:
        pass

    async def deliver(self, *_: object) -> tuple[list[Any], bool]:
        SlowDelivery.begun += 1
        await self.taken.wait()
        return [], True


def finishing(context: Any, user_id: int, page: AnswerPage) -> "asyncio.Task[bool]":
    """An answer that has come to its end."""

    async def final_page(*_: object) -> AnswerPage:
        return page

    context.pages = SimpleNamespace(final_page=final_page)
    answer = LiveAnswer(context, user_id, "dm-1", [], Draft())
    return asyncio.create_task(answer.finish())


async def test_few_answers_with_large_files_are_sent_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one person one, of many people a few; an answer with small files waits for none of them."""
    monkeypatch.setattr(module, "Delivery", SlowDelivery)
    SlowDelivery.taken, SlowDelivery.begun = asyncio.Event(), 0
    sessions = SimpleNamespace(id_of=lambda user_id, _place: f"u{user_id}", opened=lambda _: None)
    tasks = SimpleNamespace(finishing=lambda: None)
    context: Any = SimpleNamespace(
        sessions=sessions, tasks=tasks, limits=MessageLimits(), sending=Slots(SENT, each=1), closing=False
    )
    context.live_answers = {}
    files = GeneratedFiles()

    async def read_of(users: list[int], size: int) -> list["asyncio.Task[bool]"]:
        page = AnswerPage(("done",), files=(files.file(size),))
        begun = []
        for user_id in users:
            begun.append(finishing(context, user_id, page))
            for _ in range(20):
                await asyncio.sleep(0)
        return begun

    sent = await read_of([1] * 20, LARGE + 1)
    assert files.read == 1
    sent += await read_of(list(range(2, 9)), LARGE + 1)
    assert files.read == SENT
    sent += await read_of([1], LARGE)
    assert files.read == SlowDelivery.begun == SENT + 1
    sent += await read_of([1], context.limits.file + 1)  # is not sent, so it waits for nothing
    assert (files.read, SlowDelivery.begun) == (SENT + 1, SENT + 2)
    SlowDelivery.taken.set()
    assert await asyncio.gather(*sent) == [True] * 29
    assert files.read == 28
