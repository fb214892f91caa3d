"""Marks of undone cells, histories and copies while the database is away."""

import pytest

from filestore.errors import SpoolFull, StoreUnavailable
from filestore.records import HISTORY, CellRecord
from filestore.spool.spool import SpoolRoom
from tests.filestore.faults import full
from tests.filestore.people import ANN
from tests.filestore.spool.conftest import PLACE, SESSION, Opened, opened, printed


async def undone(store: Opened) -> list[int]:
    """The numbers of the cells that are undone, as they read now."""
    entries = await store.kept.transcripts.entries(SESSION)
    return [entry.seq for entry in entries if isinstance(entry, CellRecord) and entry.undone]


async def test_marks_wait_in_their_order_and_read_at_once(store: Opened) -> None:
    """Of cells that are in the database and of cells that wait; the last mark is the one that holds."""
    await store.cell()
    async with full():
        await store.cell()
        await store.cell()
        await store.kept.transcripts.mark(SESSION, [1, 2, 3], True)
        assert await undone(store) == [1, 2, 3]
        await store.kept.transcripts.mark(SESSION, [2, 9], False)
        assert await undone(store) == [1, 3]
        newest = await store.kept.transcripts.newest(SESSION, limit=2)
        assert [getattr(entry, "undone", None) for entry in newest] == [True, False]
        seen = await store.kept.transcripts.entries(SESSION)
    assert await store.kept.catch_up.bring_in()
    assert await store.raw.transcripts.entries(SESSION) == seen
    assert list(store.folder.iterdir()) == []


async def test_what_waits_outlives_the_program(tmp_path, clock) -> None:
    """The next one brings in the marks, and the history, which has room for its largest text."""
    history = '"\n' * (HISTORY // 2)
    async with opened(tmp_path, clock, first_pause=1000.0) as store, full():
        await store.cell()
        await store.kept.transcripts.mark(SESSION, [1], True)
        await store.kept.sessions.set_history(SESSION, history)
    async with opened(tmp_path, clock) as store:
        assert await undone(store) == [1]
        record = await store.raw.sessions.get(SESSION)
        assert record is not None
        assert record.history == history


async def test_sessions_are_found_by_a_history_that_waits(store: Opened) -> None:
    """One that was set, and not one that was taken away."""
    await store.cell()
    sessions = store.kept.sessions
    async with full():
        await sessions.set_history(SESSION, "steps")
        assert [record.history for record in await sessions.with_history("step")] == ["steps"]
        assert await sessions.with_history("x") == []
        await sessions.set_history(SESSION, None)
        assert await sessions.with_history("step") == []


async def test_a_mark_follows_its_cell_to_its_new_number(store: Opened) -> None:
    """Whether it waits already when the cell gets its number, or comes after that."""
    async with full():
        first = await store.cell("first")
        second = await store.cell("second")
        await store.kept.transcripts.mark(SESSION, [first.seq], True)
    for _ in range(2):
        await store.raw.transcripts.say(SESSION, PLACE, "Ann", "other", store.clock())
    await store.kept.catch_up.bring_in()
    assert await undone(store) == [3]
    await store.kept.transcripts.mark(SESSION, [second.seq], True)
    assert await undone(store) == [3, 4]


async def test_marks_of_a_transcript_that_is_cleared_are_dropped(store: Opened) -> None:
    """Nothing of it waits any more."""
    await store.cell()
    async with full():
        await store.kept.transcripts.mark(SESSION, [1], True)
        with pytest.raises(StoreUnavailable):
            await store.kept.transcripts.clear(SESSION)
        assert list(store.folder.iterdir()) == []


async def test_of_histories_the_last_one_waits(store: Opened) -> None:
    """It reads at once, beside what is noted of the kernel, also in the list of a person's sessions."""
    await store.kept.sessions.set_kernel(SESSION, "old")
    async with full():
        for number in range(50):
            await store.kept.sessions.set_history(SESSION, f"{number}" * 1000)
        await store.kept.sessions.set_kernel(SESSION, "new")
        await store.kept.sessions.get_or_create("u7-2", ANN, PLACE, store.clock())
        await store.kept.sessions.set_history("u7-2", "of one that waits")
        sizes = [journal.stat().st_size for journal in store.folder.iterdir()]
        assert max(sizes) < 10_000
        record = await store.kept.sessions.get(SESSION)
        assert record is not None
        assert (record.history, record.kernel) == ("49" * 1000, "new")
        listed = {each.session_id: each.history for each in await store.kept.sessions.of_user(ANN)}
        assert listed == {SESSION: "49" * 1000, "u7-2": "of one that waits"}
        with pytest.raises(ValueError, match="at most"):
            await store.kept.sessions.set_history(SESSION, "x" * (HISTORY + 1))
    assert await store.kept.catch_up.bring_in()
    assert await store.raw.sessions.get(SESSION) == record


@pytest.mark.parametrize("store", [SpoolRoom(person=20_000, spare=10_000)], indirect=True)
async def test_a_history_without_room_does_not_take_that_of_before_along(store: Opened) -> None:
    """Its writer is told, and what was noted last is what reads, now and later."""
    async with full():
        await store.kept.sessions.set_history(SESSION, "last" * 1000)
        with pytest.raises(SpoolFull):
            await store.kept.sessions.set_history(SESSION, "x" * 20_000)
        record = await store.kept.sessions.get(SESSION)
        assert record is not None
        assert record.history == "last" * 1000
    assert await store.kept.catch_up.bring_in()
    assert await store.raw.sessions.get(SESSION) == record


async def test_a_copy_has_all_that_waited_or_is_refused(store: Opened) -> None:
    """It cannot wait, as nobody knows whether it fits; numbers go on after it even if the database goes."""
    await store.kept.sessions.get_or_create("u7-2", ANN, PLACE, store.clock())
    await store.cell("1", printed("before"))
    async with full():
        await store.cell("2", printed("waits"))
        await store.kept.transcripts.mark(SESSION, [1], True)
        with pytest.raises(StoreUnavailable):
            await store.kept.transcripts.copy(SESSION, "u7-2", 2)
    assert await store.kept.transcripts.copy(SESSION, "u7-2", 2) == 2
    first, second = await store.raw.transcripts.entries("u7-2")
    assert isinstance(first, CellRecord)
    assert isinstance(second, CellRecord)
    assert (first.undone, second.outputs) == (True, (printed("waits"),))
    async with full():
        assert (await store.cell("3", session_id="u7-2")).seq == 3


async def test_a_copy_up_to_a_cell_that_has_moved_has_that_cell(store: Opened) -> None:
    """Its number was taken while it waited: its caller knows only the one that it had."""
    await store.kept.sessions.get_or_create("u7-2", ANN, PLACE, store.clock())
    async with full():
        cell = await store.cell("mine")
    await store.raw.transcripts.say(SESSION, PLACE, "Ann", "other", store.clock())
    assert await store.kept.transcripts.copy(SESSION, "u7-2", cell.seq) == 2
    assert [getattr(each, "code", "") for each in await store.raw.transcripts.entries("u7-2")] == ["", "mine"]
