"""Files that people send: few of them are in memory at a time, whoever sends how many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.context import RECEIVED
from bot.discord.picture_room import PictureRoom
from bot.discord.uploads import Received, _store
from bot.request import Picture
from bot.scheduling.slots import Slots

PLACE = "dm-1"


class Attachment:
    """A file on Discord that can be read when `readable` is set."""

    content_type = "image/png"

    def __init__(self, discord: "DiscordFiles", filename: str, size: int) -> None:
        self._discord = discord
        self.filename = filename
        self.size = size

    async def read(self) -> bytes:
        self._discord.read += 1
        await self._discord.readable.wait()
        return bytes(self.size)


class DiscordFiles:
    """Discord's files, of which `read` were asked for, and a bot that stores them."""

    def __init__(self) -> None:
        self.readable = asyncio.Event()
        self.read = 0
        self.stored: list[str] = []

    def sent(self, *names: str, size: int = 10) -> list[Any]:
        return [Attachment(self, name, size) for name in names]

    async def session(self, user_id: int, _place: str) -> Any:
        async def upload(name: str, _data: bytes) -> Any:
            self.stored.append(f"{user_id} {name}")
            return SimpleNamespace(file_id=name)

        record = SimpleNamespace(user_id=user_id)
        return SimpleNamespace(upload=upload, record=record, files=None, scratch=None)

    @asynccontextmanager
    async def context(self, room: PictureRoom | None = None) -> AsyncIterator[Any]:
        sessions = SimpleNamespace(session=self.session, files=SimpleNamespace(max_file=100))
        yield SimpleNamespace(
            sessions=sessions, receiving=Slots(RECEIVED, each=1), picture_room=room or PictureRoom()
        )


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """No card is made: that takes a kernel."""

    async def none(_files: object, _scratch: object, stored: list[Any]) -> dict[str, str]:
        return {file.file_id: "" for file in stored}

    monkeypatch.setattr("bot.discord.uploads.file_cards", none)


async def steps() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_files_of_many_messages_are_received_one_by_one() -> None:
    """Of one person one at a time, and of many people a few: each may have 50 MiB."""
    discord = DiscordFiles()
    async with discord.context() as context:
        ann = [asyncio.create_task(_store(context, 1, PLACE, discord.sent("a", "b"))) for _ in range(20)]
        await steps()
        assert discord.read == 1
        others = [
            asyncio.create_task(_store(context, user, PLACE, discord.sent("a"))) for user in range(2, 9)
        ]
        await steps()
        assert discord.read == RECEIVED
        discord.readable.set()
        await asyncio.gather(*ann, *others)
    assert discord.read == len(discord.stored) == 47


async def test_pictures_that_wait_for_the_model_are_bounded() -> None:
    """What came with a question waits for those before it; when it is gone there is room again."""
    discord, room = DiscordFiles(), PictureRoom(person=25, everybody=45)
    discord.readable.set()
    async with discord.context(room) as context:
        first = await _store(context, 1, PLACE, discord.sent("a", "b", "c"))
        assert [len(picture.data) for picture in first.pictures] == [10, 10]
        assert first.notes == (
            "`c` is stored, but too many pictures wait for the model: it does not see this one.",
        )
        second = await _store(context, 2, PLACE, discord.sent("a", "b"))
        third = await _store(context, 3, PLACE, discord.sent("a"))
        assert (len(second.pictures), len(third.pictures)) == (2, 0)
        first = Received()
        assert len((await _store(context, 3, PLACE, discord.sent("a"))).pictures) == 1
    assert len(discord.stored) == 7


def test_pictures_that_come_with_code_do_not_wait_with_it() -> None:
    """The model does not see them, so they take up no room once the files are stored."""
    room, user = PictureRoom(person=10, everybody=10), SimpleNamespace(id=1, display_name="Ann")
    for code, waits in (("1", False), (None, True)):
        picture = Picture("image/png", bytes(10))
        assert room.take(1, picture)
        received = Received(pictures=(picture,))
        del picture
        request = received.request(cast(Any, user), PLACE, code, "words")
        del received
        assert len(request.pictures) == waits
        assert room.take(1, Picture("image/png", bytes(10))) is not waits


def test_equal_pictures_count_each() -> None:
    """Two that are the same for Python are two in memory."""
    room = PictureRoom(person=25, everybody=25)
    held = [Picture("image/png", bytes(10)) for _ in range(3)]
    assert [room.take(1, picture) for picture in held] == [True, True, False]
    held.clear()
    assert room.take(1, Picture("image/png", bytes(25)))
