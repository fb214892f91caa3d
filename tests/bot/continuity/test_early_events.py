"""A cell's first event is requested ahead of time, and delivered in order."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.continuity.early_events import EarlyEvents
from kernels.cell.events import Event, Queued, Restarted, Stream

EVENTS = [Stream("stdout", "a"), Stream("stdout", "b")]


class Cell:
    """Shows its events once it is allowed to."""

    def __init__(self, *events: Event) -> None:
        self.begun = self.closed = False
        self.may = asyncio.Event()
        self._events = events

    async def __aiter__(self) -> AsyncIterator[Event]:
        self.begun = True
        try:
            await self.may.wait()
            for event in self._events:
                yield event
        finally:
            self.closed = True


@pytest.mark.parametrize("many", [0, 1, 2])
@pytest.mark.parametrize("early", [True, False])
async def test_the_events_are_those_of_the_cell(many: int, early: bool) -> None:
    """None twice, none left out, whether or not the cell was begun ahead."""
    cell = Cell(*EVENTS[:many])
    async with EarlyEvents(cell, print) as events:
        assert not cell.begun
        if early:
            events.begin()
        assert cell.begun == early
        cell.may.set()
        assert [event async for event in events] == EVENTS[:many]


async def test_a_cell_that_is_left_before_its_first_event_is_free_to_be_closed() -> None:
    """Even by a caller that is cancelled twice: nothing is left waiting in it."""
    cell, inside = Cell(*EVENTS), asyncio.Event()

    async def leave() -> None:
        async with EarlyEvents(cell, print) as events:
            events.begin()
            inside.set()
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    leaving = asyncio.create_task(leave())
    await inside.wait()
    leaving.cancel()
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert cell.closed
    assert asyncio.all_tasks() == before


async def test_what_fails_ahead_is_told_to_who_takes_the_first_event() -> None:
    """And to nobody if something else has ended the block."""

    async def fails() -> AsyncIterator[Event]:
        raise ConnectionResetError
        yield

    async with EarlyEvents(fails(), print) as events:
        events.begin()
        with pytest.raises(ConnectionResetError):
            await anext(events)

    async def leave() -> None:
        async with EarlyEvents(fails(), print) as events:
            events.begin()
            raise KeyError

    with pytest.raises(KeyError):
        await leave()


BEFORE = [Queued(2), Queued(1), Restarted("it was idle", ("files",), ("x",)), Queued(0)]


async def test_what_comes_before_the_code_does_not_keep_it_from_being_sent() -> None:
    """A restarted kernel says so first; the code is sent even though nobody has taken that event yet."""
    sent = False

    async def cell() -> AsyncIterator[Event]:
        nonlocal sent
        for event in BEFORE:
            await asyncio.sleep(0)
            yield event
        sent = True
        for event in EVENTS:
            yield event

    async with EarlyEvents(cell(), print) as events, asyncio.timeout(10):
        events.begin()
        while not sent:  # noqa: ASYNC110  nobody takes any
            await asyncio.sleep(0)
        assert [event async for event in events] == BEFORE + EVENTS


@pytest.mark.parametrize("taken", range(5))
async def test_each_event_that_nobody_has_taken_is_missed(taken: int) -> None:
    """In order, and without those that were taken."""
    missed: list[Event] = []
    told: list[Event] = []
    waits = asyncio.Event()

    async def cell() -> AsyncIterator[Event]:
        for event in BEFORE:
            yield event
        waits.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10), EarlyEvents(cell(), missed.append) as events:
        events.begin()
        told += [await anext(events) for _ in range(taken)]
        await waits.wait()
    assert (told, missed) == (BEFORE[:taken], BEFORE[taken:])
