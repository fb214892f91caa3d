"""Which cells may run before they are recorded, and the numbers that they get."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.errors import SpoolFull, StoreUnavailable
from filestore.files import QUOTA
from filestore.outputs.large import LARGE, with_large_outputs
from filestore.records import CellRecord
from filestore.spool import SpooledStore, spooled
from filestore.spool import transcripts as spooled_transcripts
from filestore.spool.spool import SpoolRoom
from filestore.store import Store
from tests.filestore.conftest import Clock
from tests.filestore.faults import full
from tests.filestore.people import ANN

SESSION = "u7"


@pytest.fixture
async def raw(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    """A database that stores large outputs outside their records."""
    async with open_store(tmp_path) as raw:
        yield with_large_outputs(raw, Blobs(tmp_path / "files"), quota=QUOTA, clock=clock)


@pytest.fixture
async def kept(raw: Store, tmp_path: Path, clock: Clock) -> AsyncIterator[SpooledStore]:
    """The same with a spool in front of it; writes are brought in only when a test says so."""
    async with spooled(raw, tmp_path / "spool", clock=clock, first_pause=1000.0) as kept:
        await kept.sessions.get_or_create(SESSION, ANN, "dm", clock.now)
        yield kept


class Begun:
    """Begins cells, and notes which of them could have run before they were recorded."""

    def __init__(self, kept: SpooledStore, clock: Clock) -> None:
        self.early: list[CellRecord] = []
        self._kept = kept
        self._clock = clock

    async def __call__(self, code: str, session_id: str = SESSION) -> CellRecord:
        return await self._kept.transcripts.begin_cell(
            session_id, "dm", "Ann", code, self._clock.now, self.early.append
        )


async def test_a_cell_that_is_certain_to_be_recorded_is_told_of_with_its_number(
    kept: SpooledStore, clock: Clock
) -> None:
    """The first cell of a session, and long code, which the quota may refuse, are recorded first."""
    begun = Begun(kept, clock)
    await begun("first")
    assert begun.early == []
    second = await begun("second")
    assert begun.early == [second]
    assert second.seq == 2
    await kept.transcripts.say(SESSION, "dm", "Ann", "words", clock.now)
    assert (await begun("fourth")).seq == begun.early[-1].seq == 4
    await begun("#" * LARGE)
    await begun("#" * (spooled_transcripts.SHORT + 1))
    assert [cell.code for cell in begun.early] == ["second", "fourth"]
    assert (await begun("seventh")).seq == begun.early[-1].seq == 7


async def test_while_anything_waits_for_the_database_no_cell_runs_before_it_is_recorded(
    kept: SpooledStore, clock: Clock
) -> None:
    """Waiting writes can fill the spool, which then refuses cells. The cell that finds the fault may run."""
    begun = Begun(kept, clock)
    await begun("first")
    await begun("other", "u8")
    async with full():
        found = await begun("second")
        assert begun.early == [found]
        await begun("third")
        await begun("another", "u8")
        assert begun.early == [found]
    await kept.catch_up.bring_in()
    assert [entry.seq for entry in await kept.transcripts.entries(SESSION)] == [1, 2, 3]
    await begun("fourth")
    assert [cell.seq for cell in begun.early] == [2, 4]


async def test_a_number_that_the_spool_refused_is_left_out(
    kept: SpooledStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next cell keeps the number that it was promised."""
    begun = Begun(kept, clock)
    await begun("first")
    async with full():
        with monkeypatch.context() as patch:
            patch.setattr(kept.catch_up._spool, "_room", SpoolRoom(person=-(1 << 30)))
            with pytest.raises(SpoolFull):
                await kept.transcripts.say(SESSION, "dm", "Ann", "words", clock.now)
    kept.transcripts._spool.can_be_used()
    third = await begun("third")
    assert begun.early == [third]
    assert third.seq == 3
    assert [entry.seq for entry in await kept.transcripts.entries(SESSION)] == [1, 3]


async def test_what_follows_a_cell_whose_number_was_taken_goes_to_its_new_one(
    kept: SpooledStore, raw: Store, clock: Clock
) -> None:
    """Its runner only knows the promised number, which another program has used in the meantime."""
    begun = Begun(kept, clock)
    await begun("first")
    other = await raw.transcripts.begin_cell(SESSION, "dm", "Bob", "theirs", clock.now)
    mine = await begun("mine")
    (told,) = begun.early
    assert (other.seq, told.seq, mine.seq) == (2, 2, 3)
    output = {"output_type": "stream", "name": "stdout", "text": "mine"}
    await kept.transcripts.finish_cell(SESSION, told.seq, status="ok", outputs=[output])
    _, theirs, ours = await kept.transcripts.entries(SESSION)
    assert isinstance(theirs, CellRecord)
    assert isinstance(ours, CellRecord)
    assert (theirs.status, theirs.outputs) == ("running", ())
    assert (ours.status, ours.outputs) == ("ok", (output,))


async def test_a_cell_that_was_adopted_counts(kept: SpooledStore, clock: Clock) -> None:
    """Numbering continues after the number of a cell that a node had kept."""
    begun = Begun(kept, clock)
    await begun("first")
    adopted = CellRecord(SESSION, 5, "", "", "ran", (), "running", clock.now)
    assert await kept.transcripts.restore(adopted) == 5
    assert (await begun("next")).seq == begun.early[-1].seq == 6


async def test_a_cell_that_the_database_refuses_at_last_is_told_once(
    kept: SpooledStore, raw: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits, and is later recorded, under the number that was promised."""
    begun = Begun(kept, clock)
    await begun("first")

    async def fail(*_: Any, **__: Any) -> CellRecord:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(raw.transcripts, "begin_cell", fail)
        second = await begun("second")
    assert begun.early == [second]
    assert kept.transcripts.waiting(SESSION) is not None
    await kept.catch_up.bring_in()
    assert [entry.seq for entry in await raw.transcripts.entries(SESSION)] == [1, 2]
