"""A waiting transcript already reads as it will in the end, with numbers that no other entry gets."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from filestore.errors import StoreUnavailable
from filestore.records import CellRecord, MessageCell, Waiting
from tests.filestore.faults import full, locked
from tests.filestore.spool.conftest import PLACE, SESSION, Opened, printed


@pytest.mark.parametrize("fault", [full, locked])
async def test_what_is_refused_waits_and_comes_in_its_order(
    store: Opened, fault: Callable[[Path], AbstractAsyncContextManager[None]]
) -> None:
    """Cells begun before, between and during outages read the same while they wait and afterwards."""
    transcripts, now = store.kept.transcripts, store.clock()
    before = await transcripts.begin_cell(SESSION, PLACE, "Ann", "before", now)
    async with fault(store.data):
        said = await transcripts.say(SESSION, PLACE, "Ann", "words", now)
        inside = await transcripts.begin_cell(SESSION, PLACE, "Ann", "inside", now)
        await transcripts.finish_cell(
            SESSION, before.seq, status="error", outputs=[printed("1")], file_ids=["a"]
        )
        await transcripts.append_outputs(SESSION, before.seq, [printed("late")], file_ids=["b"])
        await transcripts.append_outputs(SESSION, inside.seq, [printed("so far")])
        assert [before.seq, said.seq, inside.seq] == [1, 2, 3]
        assert transcripts.waiting(SESSION) == Waiting(full=fault is full, durable=True)
        assert await transcripts.unfinished(SESSION) == [
            entry for entry in await transcripts.entries(SESSION) if entry.seq == inside.seq
        ]
        seen = await transcripts.entries(SESSION)
        assert not await store.kept.catch_up.bring_in()
    assert await store.kept.catch_up.bring_in()
    assert transcripts.waiting(SESSION) is None
    assert await store.raw.transcripts.entries(SESSION) == seen
    first, second, third = seen
    assert isinstance(first, CellRecord)
    assert ([output["text"] for output in first.outputs], first.status) == (["1", "late"], "error")
    assert (first.file_ids, second, third.seq) == (("a", "b"), said, 3)
    assert (await transcripts.say(SESSION, PLACE, "Ann", "after", now)).seq == 4
    assert list(store.folder.iterdir()) == []


async def test_a_page_of_a_transcript_that_waits_has_its_limits(store: Opened) -> None:
    """Waiting entries are filtered by number, place and page length as well."""
    transcripts, now = store.kept.transcripts, store.clock()
    for number in range(3):
        await transcripts.say(SESSION, f"place {number % 2}", "Ann", str(number), now)
    async with full():
        for number in range(3, 6):
            await transcripts.say(SESSION, f"place {number % 2}", "Ann", str(number), now)
        seqs = [entry.seq for entry in await transcripts.entries(SESSION, after=1, limit=3)]
        assert seqs == [2, 3, 4]
        assert [entry.seq for entry in await transcripts.entries(SESSION, place="place 1")] == [2, 4, 6]
        assert await transcripts.entries(SESSION, after=6) == []


async def test_nobody_gets_a_number_twice(store: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session goes on counting; in one that cannot be looked up, some numbers are skipped."""
    for _ in range(3):
        await store.raw.transcripts.say("u8", PLACE, "Bob", "earlier", store.clock())
    async with full():
        assert (await store.cell(session_id="u8")).seq == 4
    await store.raw.transcripts.say("u9", PLACE, "Cid", "earlier", store.clock())

    async def unreadable(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(store.raw.transcripts), "last_seq", unreadable)
    async with full():
        begun = await asyncio.gather(*(store.cell(session_id="u9") for _ in range(3)))
    assert [cell.seq for cell in begun] == [5, 6, 7]
    await store.kept.catch_up.bring_in()
    assert [entry.seq for entry in await store.raw.transcripts.entries("u9")] == [1, 5, 6, 7]
    assert (await store.cell(session_id="u9")).seq == 8


async def test_a_number_that_another_entry_has_is_given_up(store: Opened) -> None:
    """Nothing of either is lost; the cell's later outputs and its messages follow it to its new number."""
    async with full():
        cell = await store.kept.transcripts.begin_cell(SESSION, PLACE, "Ann", "mine", store.clock())
        await store.kept.message_cells.set(MessageCell(1, SESSION, cell.seq, 9))
    other = await store.raw.transcripts.begin_cell(SESSION, PLACE, "Ann", "other", store.clock())
    assert cell.seq == other.seq
    await store.kept.catch_up.bring_in()
    await store.kept.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=[])
    await store.kept.message_cells.set(MessageCell(2, SESSION, cell.seq, 9))
    assert [found.message_id for found in await store.raw.message_cells.of_cell(SESSION, 2)] == [1, 2]
    entries = await store.raw.transcripts.entries(SESSION)
    assert [(entry.seq, entry.code, entry.status) for entry in entries if isinstance(entry, CellRecord)] == [
        (1, "other", "running"),
        (2, "mine", "ok"),
    ]
