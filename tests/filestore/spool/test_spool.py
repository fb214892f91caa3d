"""One person's waiting writes take no room from others."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from filestore.errors import SpoolFull
from filestore.records import EPOCH, CellRecord, UsageRecord, Waiting
from filestore.spool import spool as spooling
from filestore.spool import spooled
from filestore.spool.file_names import theirs
from filestore.spool.spool import SpoolRoom
from tests.filestore.faults import full
from tests.filestore.people import ANN
from tests.filestore.spool.conftest import PLACE, SESSION, Opened, printed


@pytest.mark.parametrize("store", [SpoolRoom(40_000, 60_000, spare=10_000)], indirect=True)
async def test_one_person_fills_neither_the_spool_nor_the_share_of_others(store: Opened) -> None:
    """Over the limits, outputs are left out, with a note; far over, that person's writes are refused."""
    large = printed("x" * 30_000)
    async with full():
        for session_id in ("u7-a", "u7-b"):
            await store.kept.sessions.get_or_create(session_id, ANN, PLACE, store.clock())
        kept = await store.cell("1", large)
        cut = await store.cell("2", large, session_id="u7-a")
        assert store.kept.transcripts.waiting(SESSION) == Waiting(full=True, durable=True)
        assert store.kept.transcripts.waiting("u7-a") == Waiting(True, True, frozenset({cut.seq}))

        async def go_on() -> None:
            for _ in range(1000):
                await store.cell("3" * 2000, session_id="u7-b")

        with pytest.raises(SpoolFull):
            await go_on()
        for _ in range(20):
            await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
        assert (await store.kept.usage.total(ANN, EPOCH)).turns == 20  # usage counts even without room
        others = await store.cell("4", session_id="u8")
        assert store.kept.transcripts.waiting("u8") == Waiting(full=True, durable=True)
        await store.cell("5", large, session_id="u8")  # the spool as a whole has no room for this
    await store.kept.catch_up.bring_in()
    (whole,) = await store.raw.transcripts.entries(SESSION)
    (without,) = await store.raw.transcripts.entries("u7-a")
    assert isinstance(whole, CellRecord)
    assert isinstance(without, CellRecord)
    assert (whole.seq, whole.outputs) == (kept.seq, (large,))
    assert without.status == "ok"
    assert "too large to be kept" in without.outputs[0]["text"]
    fourth, fifth = await store.raw.transcripts.entries("u8")
    assert fourth.seq == others.seq
    assert isinstance(fifth, CellRecord)
    assert "too large to be kept" in fifth.outputs[0]["text"]


async def test_who_is_cancelled_has_written_it(store: Opened) -> None:
    """A cancelled write is done once, in the database or the spool, and later writes stay in order."""
    async with full():
        for number in range(10):
            saying = asyncio.create_task(
                store.kept.transcripts.say(SESSION, PLACE, "Ann", str(number), store.clock())
            )
            for _ in range(number + 1):
                await asyncio.sleep(0)
            saying.cancel()
            await asyncio.wait([saying])
    await store.kept.catch_up.bring_in()
    entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "markdown", "") for entry in entries] == [str(number) for number in range(10)]


async def test_what_is_written_while_a_person_is_forgotten_keeps_its_file(
    store: Opened, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next line would follow a hole, and a kill would lose both, although they are durable."""
    usage = UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5)
    loop = asyncio.get_running_loop()

    def looking(*given: Any) -> Any:
        asyncio.run_coroutine_threadsafe(store.kept.usage.add(usage), loop).result()
        return theirs(*given)

    monkeypatch.setattr(spooling, "theirs", looking)
    spool = store.kept.transcripts._spool
    async with full():
        await spool.forget_person(ANN)
        path = spool.journal(f"person {ANN}").path
        assert len(path.read_bytes().splitlines()) == 2
        await store.kept.usage.add(replace(usage, input_tokens=5))
    assert [json.loads(line).get("write") for line in path.read_bytes().splitlines()[1:]] == [
        "UsageAdded"
    ] * 2


async def test_a_journal_whose_file_was_removed_is_written_anew(store: Opened, clock: Any) -> None:
    """Its next line does not follow a hole: all that waits is on the disk again."""
    path = store.kept.transcripts._spool.journal(f"session {SESSION}").path
    async with full():
        await store.cell("first")
        path.unlink()
        await store.cell("second")
        assert store.kept.transcripts.waiting(SESSION) == Waiting(full=True, durable=True)
    async with spooled(store.raw, store.data / "spool", clock=clock):
        entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "code", "") for entry in entries] == ["first", "second"]


@pytest.mark.parametrize("store", [SpoolRoom(person=10_000)], indirect=True)
async def test_what_cannot_wait_is_not_even_made_a_line(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred megabytes as JSON would hold everybody up for a second."""
    made: list[int] = []
    encode = spooling.encode

    def counted(write: Any) -> bytes:
        made.append(len(line := encode(write)))
        return line

    monkeypatch.setattr(spooling, "encode", counted)
    picture = {"output_type": "display_data", "data": {"image/png": "x" * 20_000}, "metadata": {}}
    async with full():
        for output in (printed("x" * 20_000), picture):
            await store.cell("1", output)
            cell = await store.kept.transcripts.begin_cell(SESSION, PLACE, "Ann", "2", store.clock())
            await store.kept.transcripts.append_outputs(SESSION, cell.seq, [output])
        state = store.kept.transcripts.waiting(SESSION)
        assert state is not None
        assert state.cut == {1, 2, 3, 4}
    assert max(made) < 1000
