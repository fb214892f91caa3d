"""Cells that were undone, the history of steps, and files by their content, on every backend."""

from dataclasses import replace

import pytest

from filestore.errors import NoSuchSession
from filestore.records import HISTORY, CellRecord, Said
from filestore.store import Store
from tests.filestore.people import ANN

SESSION, PLACE = "u7", "dm"


def undone(entries: list[Said | CellRecord]) -> list[int]:
    """The numbers of the cells that are undone."""
    return [entry.seq for entry in entries if isinstance(entry, CellRecord) and entry.undone]


async def test_undone_cells_stay_and_are_told(store: Store, clock) -> None:
    """They can be marked and unmarked; words, other sessions and numbers that nothing has are left alone."""
    for session_id in (SESSION, "other"):
        for _ in range(3):
            await store.transcripts.begin_cell(session_id, PLACE, "Ann", "1", clock.now)
        await store.transcripts.say(session_id, PLACE, "Ann", "words", clock.now)
    before = await store.transcripts.entries(SESSION)
    await store.transcripts.mark(SESSION, [2, 3, 4, 99], True)
    marked = await store.transcripts.entries(SESSION)
    assert undone(marked) == [2, 3]
    assert undone(await store.transcripts.newest(SESSION)) == [3, 2]
    await store.transcripts.finish_cell(SESSION, 3, status="ok", outputs=[])
    await store.transcripts.mark(SESSION, [2], False)
    assert undone(await store.transcripts.entries(SESSION)) == [3]
    await store.transcripts.mark(SESSION, [], True)
    assert await store.transcripts.entries("other") == [replace(each, session_id="other") for each in before]
    assert marked[3] == before[3]


async def test_a_restored_cell_is_as_undone_as_it_was(store: Store, clock) -> None:
    """Adding it again changes nothing of a mark that it has got since."""
    cell = CellRecord(SESSION, 5, PLACE, "Ann", "1", (), "running", clock.now, undone=True)
    assert await store.transcripts.restore(cell) == 5
    assert await store.transcripts.entries(SESSION) == [cell]
    await store.transcripts.mark(SESSION, [5], False)
    assert await store.transcripts.restore(cell) == 5
    assert undone(await store.transcripts.entries(SESSION)) == []


async def test_sessions_are_found_by_a_part_of_their_history(store: Store, clock) -> None:
    """And no others."""
    for session_id in ("a", "b", "c"):
        await store.sessions.get_or_create(session_id, ANN, PLACE, clock.now)
    await store.sessions.set_history("c", 'many "steps.*"')
    await store.sessions.set_history("b", '"steps.*"')
    await store.sessions.set_history("b", None)
    await store.sessions.set_history("a", '"steps..."')
    found = await store.sessions.with_history('"steps.*"')
    assert [(record.session_id, record.history) for record in found] == [("c", 'many "steps.*"')]


async def test_a_session_keeps_its_history_until_it_is_deleted(store: Store, clock) -> None:
    """It is repaired like all text, bounded in bytes, and apart from what is noted of the kernel."""
    made = await store.sessions.get_or_create(SESSION, ANN, PLACE, clock.now)
    assert made.history is None
    await store.sessions.set_kernel(SESSION, "k")
    largest = "é" * (HISTORY // 2)
    for text, kept in (("a\x00\ud800", "a\ufffd\ufffd"), (largest, largest)):
        await store.sessions.set_history(SESSION, text)
        assert await store.sessions.get(SESSION) == replace(made, kernel="k", history=kept)
    with pytest.raises(ValueError, match="at most 65536"):
        await store.sessions.set_history(SESSION, largest + "x")
    assert [each.history for each in await store.sessions.of_user(ANN)] == [largest]
    await store.sessions.delete(SESSION)
    with pytest.raises(NoSuchSession):
        await store.sessions.set_history(SESSION, "again")
    assert (await store.sessions.get_or_create(SESSION, ANN, PLACE, clock.now)).history is None
    await store.sessions.set_history(SESSION, "x")
    await store.sessions.set_history(SESSION, None)
    assert await store.sessions.get(SESSION) == made
