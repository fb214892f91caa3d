"""Transcripts, on every backend: numbered, durable, whole whatever their size."""

import asyncio
from typing import Any

import pytest

from filestore.errors import NoSuchCell
from filestore.records import ENTRY, CellRecord, MessageCell, Said
from filestore.store import Store

SESSION, PLACE = "user:7", "channel:1"
MIB = 1024 * 1024


def stream(text: str) -> dict[str, Any]:
    """Text that a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": text}


async def begin(store: Store, clock, code: str = "1 + 1", session_id: str = SESSION) -> CellRecord:
    """Begin a cell."""
    return await store.transcripts.begin_cell(session_id, PLACE, "Ann", code, clock.now)


async def cells(store: Store) -> list[CellRecord]:
    """The cells of the session."""
    return [entry for entry in await store.transcripts.entries(SESSION) if isinstance(entry, CellRecord)]


async def test_words_and_cells_share_one_counter(store: Store, clock) -> None:
    """What is returned equals what is read later, numbered from 1 in order of arrival."""
    said = await store.transcripts.say(SESSION, PLACE, "Ann", "please *add*", clock.now)
    cell = await begin(store, clock)
    answer = await store.transcripts.say(SESSION, PLACE, "model", "it is 2", clock.now)
    assert [said.seq, cell.seq, answer.seq] == [1, 2, 3]
    assert await store.transcripts.entries(SESSION) == [said, cell, answer]
    assert said == Said(SESSION, 1, PLACE, "Ann", "please *add*", clock.now)


async def test_every_entry_counts_for_its_person_however_short(store: Store, clock) -> None:
    """A notebook that is run again has thousands: what a row takes counts in addition to its text."""
    await store.sessions.get_or_create(SESSION, 7, PLACE, clock.now)
    for _ in range(10):
        await store.transcripts.say(SESSION, PLACE, "Ann", "", clock.now)
    await begin(store, clock, "1 + 1")
    await begin(store, clock, "x" * 5000)
    assert await store.files.used(7, clock.now) == 12 * ENTRY + 5 + 5000
    assert await store.files.recount() == 0
    await store.transcripts.clear(SESSION)
    assert await store.files.used(7, clock.now) == 0


async def test_begun_cell_is_running_until_finished(store: Store, clock) -> None:
    """A cell is recorded before its code runs, and is unfinished until it is reported as finished."""
    cell = await begin(store, clock)
    other = await begin(store, clock)
    assert (cell.status, cell.outputs, cell.execution_time) == ("running", (), None)
    assert await store.transcripts.unfinished(SESSION) == [cell, other]
    await store.transcripts.finish_cell(
        SESSION,
        cell.seq,
        status="ok",
        outputs=[stream("2")],
        execution_time=0.25,
        execution_count=4,
        file_ids=["a", "b"],
    )
    assert await store.transcripts.unfinished(SESSION) == [other]
    done = (await cells(store))[0]
    assert (done.status, done.outputs, done.execution_time) == ("ok", (stream("2"),), 0.25)
    assert (done.execution_count, done.file_ids, done.started_at) == (4, ("a", "b"), clock.now)


async def test_outputs_join_before_and_after_the_end(store: Store, clock) -> None:
    """Outputs come in order; finishing replaces what was appended before, late output joins it."""
    cell = await begin(store, clock)
    await store.transcripts.append_outputs(SESSION, cell.seq, [stream("1"), stream("2")], file_ids=["a"])
    await store.transcripts.append_outputs(SESSION, cell.seq, [stream("3")], file_ids=["b", "a"])
    assert [output["text"] for output in (await cells(store))[0].outputs] == ["1", "2", "3"]
    await store.transcripts.finish_cell(
        SESSION, cell.seq, status="error", outputs=[stream("x")], file_ids=["c"]
    )
    await store.transcripts.append_outputs(SESSION, cell.seq, [stream("late")], file_ids=["d"])
    await store.transcripts.append_outputs(SESSION, cell.seq, [], file_ids=["e"])
    done = (await cells(store))[0]
    assert [output["text"] for output in done.outputs] == ["x", "late"]
    assert (done.status, done.file_ids) == ("error", ("a", "b", "c", "d", "e"))


async def test_finish_without_outputs_keeps_those_appended(store: Store, clock) -> None:
    """A cell that a crash interrupted keeps what it had shown."""
    cell = await begin(store, clock)
    await store.transcripts.append_outputs(SESSION, cell.seq, [stream("so far")])
    await store.transcripts.finish_cell(SESSION, cell.seq, status="died")
    done = (await cells(store))[0]
    assert (done.status, done.outputs) == ("died", (stream("so far"),))


async def test_absent_cell_is_an_error(store: Store, clock) -> None:
    """Outputs for a cell that does not exist, or for words, are never silently accepted."""
    said = await store.transcripts.say(SESSION, PLACE, "Ann", "hi", clock.now)
    for seq in (said.seq, 99):
        with pytest.raises(NoSuchCell) as caught:
            await store.transcripts.append_outputs(SESSION, seq, [stream("x")])
        assert (caught.value.session_id, caught.value.seq) == (SESSION, seq)
        with pytest.raises(NoSuchCell):
            await store.transcripts.finish_cell(SESSION, seq, status="ok", outputs=[stream("x")])


async def test_twenty_mib_of_outputs_and_long_text_read_whole(store: Store, clock) -> None:
    """One huge output, many outputs and huge code are all accepted, and read back unchanged."""
    code = "# ünïcode\n" * (2 * MIB // 10)
    said = await store.transcripts.say(SESSION, PLACE, "Ann", "é" * 3 * MIB, clock.now)
    cell = await begin(store, clock, code)
    outputs = [stream("x" * 10 * MIB), *(stream(f"{number}" * MIB) for number in range(10))]
    late = stream("late" * MIB)
    await store.transcripts.append_outputs(SESSION, cell.seq, [late])
    await store.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=outputs)
    await store.transcripts.append_outputs(SESSION, cell.seq, [late])
    first, second = await store.transcripts.entries(SESSION)
    assert first == said
    assert isinstance(second, CellRecord)
    assert second.code == code
    assert second.outputs == (*outputs, late)


async def test_late_output_many_times_is_kept_in_order(store: Store, clock) -> None:
    """A thread that goes on printing long after its cell loses nothing."""
    cell = await begin(store, clock)
    await store.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=[])
    for number in range(40):
        await store.transcripts.append_outputs(SESSION, cell.seq, [stream(str(number))])
    assert [output["text"] for output in (await cells(store))[0].outputs] == [str(n) for n in range(40)]


async def test_hostile_text_is_stored(store: Store, clock) -> None:
    """Lone surrogates, NUL, and keys that a database could take for operators never fail a write."""
    said = await store.transcripts.say(SESSION, "p\x00", "A\ud800nn", "a\x00b\udfff", clock.now)
    assert (said.author, said.markdown) == ("A\ufffdnn", "a\ufffdb\ufffd")
    cell = await begin(store, clock, "print('\ud83d')\x00")
    hostile = {
        "output_type": "display_data",
        "data": {"$where": "1", "a.b": "\ud800\x00", "": None},
        "metadata": {},
    }
    await store.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=[hostile])
    first, second = await store.transcripts.entries(SESSION)
    assert first == said
    assert isinstance(second, CellRecord)
    assert second.outputs == (hostile,)


async def test_entries_come_in_pages_and_by_place(store: Store, clock) -> None:
    """A transcript can be read in pages after a number, and by place."""
    for number in range(5):
        await store.transcripts.say(SESSION, f"place {number % 2}", "Ann", str(number), clock.now)
    await store.transcripts.say("another session", "place 0", "Ann", "x", clock.now)
    page = await store.transcripts.entries(SESSION, limit=2)
    assert [entry.seq for entry in page] == [1, 2]
    assert [entry.seq for entry in await store.transcripts.entries(SESSION, after=2, limit=2)] == [3, 4]
    assert [entry.seq for entry in await store.transcripts.entries(SESSION, place="place 0")] == [1, 3, 5]
    assert await store.transcripts.entries(SESSION, after=5) == []


async def test_numbers_are_given_once_under_load(store: Store, clock) -> None:
    """Cells begun at the same time never share a number, and are read in the order of their numbers."""
    begun = await asyncio.gather(*(begin(store, clock, f"{number}") for number in range(20)))
    assert len({cell.seq for cell in begun}) == 20
    assert await store.transcripts.entries(SESSION) == sorted(begun, key=lambda cell: cell.seq)


async def test_clear_forgets_one_session_and_goes_on_counting(store: Store, clock) -> None:
    """After clear nothing of the session reads, and late output of an old cell cannot reach a new one."""
    cell = await begin(store, clock)
    await store.transcripts.append_outputs(SESSION, cell.seq, [stream("x" * 2 * MIB)])
    await store.message_cells.set(MessageCell(5, SESSION, cell.seq))
    other = await begin(store, clock, session_id="other")
    await store.transcripts.clear(SESSION)
    assert await store.transcripts.entries(SESSION) == []
    assert await store.message_cells.get(5) is None
    assert await store.transcripts.entries("other") == [other]
    new = await begin(store, clock)
    assert new.seq > cell.seq
    with pytest.raises(NoSuchCell):
        await store.transcripts.append_outputs(SESSION, cell.seq, [stream("late")])


async def test_transcript_read_while_its_cell_is_finished_again_is_whole(store: Store, clock) -> None:
    """A reader sees a cell's outputs from before or after, never none."""
    cell = await begin(store, clock)
    versions = [(stream(mark * MIB),) for mark in "abcd"]
    await store.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=versions[0])

    async def write() -> None:
        for outputs in versions * 2:
            await store.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=outputs)

    writing = asyncio.create_task(write())
    while not writing.done():
        assert (await cells(store))[0].outputs in versions
    await writing


async def test_a_cell_can_be_given_a_higher_number(store: Store, clock) -> None:
    """Numbering continues from there; a number that is taken is never given again."""
    numbers = [
        (await store.transcripts.begin_cell("s", PLACE, "Ann", "1", clock.now, least=least)).seq
        for least in (3, 2, 4, 9, 1)
    ]
    assert numbers == [3, 4, 5, 9, 10]
    assert await store.transcripts.last_seq("s") == 10


async def test_what_was_written_in_the_same_moment_is_not_taken_for_the_same(store: Store, clock) -> None:
    """The number of what waited was taken by other words, or by another person: it gets a new one."""
    there = await store.transcripts.say(SESSION, PLACE, "Ann", "x" * 300_000, clock.now)  # in pieces
    assert await store.transcripts.restore(there) == 1
    others = [
        Said(SESSION, 1, PLACE, "Ann", "other words", clock.now),
        Said(SESSION, 1, PLACE, "Bob", there.markdown, clock.now),
        CellRecord(SESSION, 1, PLACE, "Ann", "code", (), "running", clock.now),
    ]
    for _ in range(2):  # the second time they are there
        assert [await store.transcripts.restore(other) for other in others] == [2, 3, 4]
    assert len(await store.transcripts.entries(SESSION)) == 4
