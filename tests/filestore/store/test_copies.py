"""Copies of transcripts, on every backend: whole, counted, and independent of the original."""

from dataclasses import replace
from typing import Any

import pytest

from filestore.errors import NoSuchSession
from filestore.records import ENTRY, CellRecord, MessageCell
from filestore.store import Store
from tests.filestore.people import ANN, BOB

SESSION, TO, PLACE = "u7", "u7-2", "dm"


def stream(text: str) -> dict[str, Any]:
    """Text that a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": text}


@pytest.fixture
async def filled(store: Store, clock) -> Store:
    """A store in which Ann has two sessions, the first with words and cells of all kinds."""
    for session_id in (SESSION, TO):
        await store.sessions.get_or_create(session_id, ANN, PLACE, clock.now)
    await store.transcripts.say(SESSION, PLACE, "Ann", "w" * 300_000, clock.now)
    for number in range(3):
        cell = await store.transcripts.begin_cell(SESSION, PLACE, "Ann", f"# {number}", clock.now)
        clock.advance(seconds=1)
        await store.transcripts.finish_cell(
            SESSION,
            cell.seq,
            status="error",
            outputs=[stream("x" * 300_000 * number), stream("y")],
            execution_time=0.5,
            execution_count=number,
            file_ids=["a", "b"],
        )
        await store.transcripts.append_outputs(SESSION, cell.seq, [stream("late")], batch="b" * 24)
    await store.transcripts.mark(SESSION, [3], True)
    await store.transcripts.begin_cell(SESSION, PLACE, "Ann", "runs", clock.now)
    await store.message_cells.set(MessageCell(1, SESSION, 2))
    return store


async def test_a_copy_is_the_same_under_another_name(filled: Store, clock) -> None:
    """Words, code, outputs, numbers and marks; what its messages are does not come along."""
    transcripts = filled.transcripts
    original = await transcripts.entries(SESSION)
    assert await transcripts.copy(SESSION, TO, 4) == 4
    assert await transcripts.entries(TO) == [replace(each, session_id=TO) for each in original[:4]]
    assert [entry.seq for entry in await transcripts.newest(TO, limit=2)] == [4, 3]
    assert await transcripts.unfinished(TO) == []
    assert await transcripts.entries(SESSION) == original
    assert [found.session_id for found in await filled.message_cells.of_cell(SESSION, 2)] == [SESSION]
    assert await filled.message_cells.of_cell(TO, 2) == []
    assert (await transcripts.begin_cell(TO, PLACE, "Ann", "next", clock.now)).seq == 5


async def test_a_copy_counts_and_neither_goes_with_the_other(filled: Store, clock) -> None:
    """The sums are right at each step, however often they are recounted."""
    used = await filled.files.used(ANN, clock.now)
    takes = (await filled.transcripts.copyable(SESSION, TO, 99)).size
    assert takes == used
    assert await filled.transcripts.copy(SESSION, TO, 99) == 5
    assert await filled.files.used(ANN, clock.now) == 2 * used
    assert await filled.files.recount() == 0
    copied = await filled.transcripts.entries(TO)
    await filled.sessions.delete(SESSION)
    assert await filled.files.used(ANN, clock.now) == used
    assert await filled.transcripts.entries(TO) == copied
    await filled.sessions.get_or_create(SESSION, ANN, PLACE, clock.now)
    await filled.sessions.delete(TO)
    assert await filled.transcripts.entries(TO) == []
    assert await filled.files.used(ANN, clock.now) == 0
    assert await filled.files.recount() == 0


async def test_late_outputs_reach_the_cell_that_made_them(filled: Store) -> None:
    """A copy gets nothing that its original shows afterwards, nor the other way round."""
    transcripts = filled.transcripts
    await transcripts.copy(SESSION, TO, 2)
    for session_id, text in ((SESSION, "an original"), (TO, "copy")):
        for _ in range(2):  # the second time it is there
            await transcripts.append_outputs(session_id, 2, [stream(text)], batch=text[0] * 24)
    for session_id, text in ((SESSION, "an original"), (TO, "copy")):
        (cell,) = await transcripts.entries(session_id, after=1, limit=1)
        assert isinstance(cell, CellRecord)
        assert [output["text"] for output in cell.outputs] == ["", "y", "late", text]


async def test_numbers_go_on_after_the_cell_that_was_asked_for(store: Store, clock) -> None:
    """Also if no entry is left of it, because the transcript was cleared."""
    for session_id in (SESSION, TO):
        await store.sessions.get_or_create(session_id, ANN, PLACE, clock.now)
    for _ in range(4):
        await store.transcripts.say(SESSION, PLACE, "Ann", "x", clock.now)
    await store.transcripts.clear(SESSION)
    for nothing in (-1, 0):
        assert await store.transcripts.copy(SESSION, TO, nothing) == 0
    assert await store.transcripts.copy(SESSION, TO, 3) == 0
    assert (await store.transcripts.say(TO, PLACE, "Ann", "next", clock.now)).seq == 4
    assert await store.files.used(ANN, clock.now) == ENTRY + 4


async def test_a_long_transcript_is_copied_whole(
    store: Store, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part by part, with none left out in between."""
    for module in ("sqlite", "mongo"):
        monkeypatch.setattr(f"filestore.{module}.copies.AT_ONCE", 3)
    for session_id in (SESSION, TO):
        await store.sessions.get_or_create(session_id, ANN, PLACE, clock.now)
    for number in range(9):
        await store.transcripts.begin_cell(SESSION, PLACE, "Ann", f"{number}", clock.now)
    assert await store.transcripts.copy(SESSION, TO, 7) == 7
    assert [entry.seq for entry in await store.transcripts.entries(TO)] == list(range(1, 8))
    assert await store.files.recount() == 0


async def test_only_into_a_session_of_the_same_person_that_has_nothing(filled: Store, clock) -> None:
    """What is refused changes nothing."""
    await filled.sessions.get_or_create("u8", BOB, PLACE, clock.now)
    for session_id, to, named in ((SESSION, "u8", "u8"), (SESSION, "no", "no"), ("no", TO, "no")):
        for refused in (filled.transcripts.copy, filled.transcripts.copyable):
            with pytest.raises(NoSuchSession) as caught:
                await refused(session_id, to, 9)
            assert caught.value.session_id == named
    await filled.transcripts.say(TO, PLACE, "Ann", "x", clock.now)
    for to in (TO, SESSION):
        with pytest.raises(ValueError, match="entries of its own"):
            await filled.transcripts.copy(SESSION, to, 9)
    await filled.transcripts.clear(TO)
    with pytest.raises(ValueError, match="or had"):
        await filled.transcripts.copy(SESSION, TO, 9)
    assert [await filled.transcripts.entries(to) for to in (TO, "u8", "no")] == [[], [], []]
    assert len(await filled.transcripts.entries(SESSION)) == 5
