"""Edits that can wait: one at a time in each channel, with pauses, and after the channel's live answers."""

import asyncio

import pytest

from bot.discord.answers.traffic import Traffic

FOREVER = 1000.0  # seconds
HERE, THERE = 1, 2


class Edits:
    """Edits, each in its own task; `done` lists the finished ones in order."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.done: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, name: str, channel_id: int) -> None:
        """Begin one, and let it get as far as it can without time passing."""
        self.tasks.append(asyncio.create_task(self._edit(name, channel_id)))
        await self.settle()

    async def settle(self) -> None:
        """Let all of them get as far as they can."""
        for _ in range(20):
            await asyncio.sleep(0)  # one iteration of the event loop

    async def _edit(self, name: str, channel_id: int) -> None:
        async with self.traffic.edit(channel_id):
            self.done.append(name)


async def test_edits_of_a_channel_come_one_after_the_other_with_a_pause() -> None:
    """Whoever makes them; other channels do not wait. Without pauses, all of them come in order."""
    edits = Edits(Traffic(FOREVER))
    for name, channel_id in (("a", HERE), ("b", HERE), ("c", HERE), ("d", THERE)):
        await edits.begin(name, channel_id)
    assert edits.done == ["a", "d"]
    edits.traffic.hurry()
    await asyncio.gather(*edits.tasks)
    assert edits.done == ["a", "d", "b", "c"]


async def test_answers_that_move_go_first() -> None:
    """All those in the same channel, even once there are no more pauses."""
    edits = Edits(Traffic(0.0))
    edits.traffic.begin(HERE)
    edits.traffic.begin(HERE)
    edits.traffic.hurry()
    await edits.begin("here", HERE)
    await edits.begin("there", THERE)
    edits.traffic.end(HERE)
    await edits.settle()
    assert edits.done == ["there"]
    edits.traffic.end(HERE)
    await asyncio.gather(*edits.tasks)
    assert edits.done == ["there", "here"]


async def test_an_answer_that_moves_without_end_does_not_keep_an_edit_for_ever() -> None:
    """After the longest wait it goes between two states of the answer."""
    edits = Edits(Traffic(0.0, longest=0.01))
    edits.traffic.begin(HERE)
    await edits.begin("here", HERE)
    await asyncio.gather(*edits.tasks)
    assert edits.done == ["here"]


async def test_an_edit_that_fails_or_is_cancelled_lets_the_next_one_go() -> None:
    """A channel in which nothing is going on is forgotten."""
    edits = Edits(Traffic(0.0))
    with pytest.raises(ValueError, match="x"):
        async with edits.traffic.edit(HERE):
            raise ValueError("x")
    edits.traffic.begin(HERE)
    await edits.begin("cancelled", HERE)
    edits.tasks.pop().cancel()
    await edits.begin("next", HERE)
    edits.traffic.end(HERE)
    await asyncio.gather(*edits.tasks)
    assert edits.done == ["next"]
    assert not edits.traffic._channels
