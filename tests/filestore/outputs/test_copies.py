"""Copies of transcripts with large outputs: bytes of their own, within the quota, all of it or nothing."""

import asyncio
import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from filestore.blobs.store import Blobs
from filestore.errors import BytesRefused, NoSuchSession, QuotaExceeded, StoreUnavailable
from filestore.files import FileStore
from filestore.janitor import Janitor, Swept
from filestore.mongo.copies import Copies
from filestore.outputs.large import LARGE
from filestore.outputs.short import LOST, MADE_ROOM
from filestore.ownership import begin_run
from filestore.records import CellRecord, copied_key
from filestore.spool import SpooledStore
from filestore.sqlite import copies as sqlite_copies
from filestore.store import Store
from tests.filestore.conftest import Clock
from tests.filestore.outputs.conftest import (
    ANN,
    KIB,
    QUOTA,
    on_disk,
    on_each,
    on_sqlite,
    run,
    stream,
    whole,
)

SESSION, TO = "u7", "u7-2"
BIG, LATE = stream("x" * 100 * KIB), stream("y" * LARGE)


@pytest.fixture
async def two(kept: SpooledStore, clock: Clock) -> SpooledStore:
    """Ann has two sessions, the first with two cells, of which one has shown large outputs twice."""
    await kept.sessions.get_or_create(TO, ANN, "dm", clock.now)
    cell = await run(kept, clock, BIG, stream("small"))
    await kept.transcripts.append_outputs(SESSION, cell.seq, [LATE])
    await run(kept, clock, stream("other"))
    return kept


SHOWN = [(BIG, stream("small"), LATE), (stream("other"),)]


async def copied(store: Store) -> list[tuple[dict[str, Any], ...]]:
    """All outputs of the copy, in full."""
    found = await store.transcripts.entries(TO)
    return [entry.outputs for entry in found if isinstance(entry, CellRecord)]


async def nothing_is_left(store: SpooledStore, raw: Store, blobs: Blobs, clock: Clock) -> None:
    """Only the original is there, and its sums are right."""
    assert (await raw.transcripts.entries(TO), await raw.transcripts.kept_outside(TO)) == ([], [])
    assert len(await on_disk(blobs)) == 2
    assert await raw.files.recount() == 0
    assert await whole(store) == SHOWN


@on_each
@pytest.mark.parametrize("first", [SESSION, TO])
async def test_either_can_be_deleted_without_the_other(
    two: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, first: str
) -> None:
    """Each has bytes of its own, which count, and which go with it."""
    clock.now = datetime.now(UTC)
    await begin_run(two, blobs, clock.now)
    used = await two.files.used(ANN, clock.now)
    assert await two.transcripts.copy(SESSION, TO, 2) == 2
    assert await copied(two) == await whole(two) == SHOWN
    assert await two.files.used(ANN, clock.now) == 2 * used
    assert len(await on_disk(blobs)) == 4
    assert await Janitor(two, blobs, clock=clock).sweep(clock.now + timedelta(hours=2)) == Swept()
    await two.sessions.delete(first)
    assert await (copied(two) if first == SESSION else whole(two)) == SHOWN
    assert await two.files.used(ANN, clock.now) == used
    await two.sessions.delete(TO if first == SESSION else SESSION)
    assert await on_disk(blobs) == []
    assert await two.files.used(ANN, clock.now) == 0
    assert await raw.files.recount() == 0


@on_each
async def test_a_copy_that_does_not_fit_changes_nothing(
    two: SpooledStore, raw: Store, blobs: Blobs, clock: Clock
) -> None:
    """Nor does the original make room for it; the error says how much is missing, for who makes room."""
    await run(two, clock, stream("z" * 750 * KIB))
    with pytest.raises(QuotaExceeded) as caught:
        await two.transcripts.copy(SESSION, TO, 3)
    assert caught.value.size == await two.files.used(ANN, clock.now) == caught.value.used
    assert await raw.transcripts.entries(TO) == []
    assert len(await on_disk(blobs)) == 3
    assert await whole(two) == [*SHOWN, (stream("z" * 750 * KIB),)]
    assert await two.transcripts.copy(SESSION, TO, 2) == 2
    assert await two.files.used(ANN, clock.now) <= QUOTA


@on_each
async def test_the_oldest_outputs_make_room_for_newer_ones_and_copies_are_new(
    two: SpooledStore, clock: Clock
) -> None:
    """What is shortened in the original stays whole in the copy."""
    await two.transcripts.copy(SESSION, TO, 2)
    await run(two, clock, stream("z" * 800 * KIB))
    assert MADE_ROOM in (await whole(two))[0][-2]["text"]
    assert await copied(two) == SHOWN


@on_sqlite
async def test_missing_bytes_are_missing_in_both(two: SpooledStore, blobs: Blobs) -> None:
    """All else is copied."""
    (cell, _) = await two.transcripts.entries(SESSION, brief=True)
    assert isinstance(cell, CellRecord)
    await blobs.delete(cell.outside[0].blob_key)
    assert await two.transcripts.copy(SESSION, TO, 2) == 2
    (first, second) = await copied(two)
    assert [LOST in output["text"] for output in first] == [False, False, True, False]
    assert (first[-1], second) == (LATE, SHOWN[1])


@on_sqlite
async def test_what_a_killed_try_has_left_is_not_taken_for_the_copy(
    two: SpooledStore, raw: Store, blobs: Blobs
) -> None:
    """Half a copy of bytes, or an empty file that only claims the key."""
    for key in (await raw.transcripts.copyable(SESSION, TO, 2)).keys:
        await blobs.put(copied_key(key, TO), b"", limit=10)
    assert await two.transcripts.copy(SESSION, TO, 2) == 2
    assert await copied(two) == SHOWN


@on_sqlite
async def test_a_disk_without_room_is_told_and_nothing_is_left(
    two: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the bytes that did fit; and the next try can succeed."""
    put, tries = blobs.put, []

    async def refuse(key: str, *content: Any, **more: Any) -> Any:
        tries.append(key)
        if len(tries) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return await put(key, *content, **more)

    monkeypatch.setattr(blobs, "put", refuse)
    with pytest.raises(BytesRefused) as caught:
        await two.transcripts.copy(SESSION, TO, 2)
    assert caught.value.full
    await nothing_is_left(two, raw, blobs, clock)
    assert await two.transcripts.copy(SESSION, TO, 2) == 2
    assert await copied(two) == SHOWN


def before_the_second_part(monkeypatch: pytest.MonkeyPatch, then: Callable[[], Any]) -> None:
    """Copy one entry after the other, and await `then` before the second one."""
    parts = 0
    write, insert = sqlite_copies.SqliteDatabase.write, Copies._insert

    async def once() -> None:
        nonlocal parts
        parts += 1
        if parts == 2:
            await then()

    async def write_later(database: Any, work: Any) -> Any:
        if getattr(work, "func", None) is sqlite_copies._copy_some:
            await once()
        return await write(database, work)

    async def insert_later(*given: Any) -> None:
        await once()
        await insert(*given)

    monkeypatch.setattr(sqlite_copies.SqliteDatabase, "write", write_later)
    monkeypatch.setattr(Copies, "_insert", insert_later)
    for module in ("sqlite", "mongo"):
        monkeypatch.setattr(f"filestore.{module}.copies.AT_ONCE", 1)


@on_each
async def test_a_copy_that_breaks_off_leaves_nothing(
    two: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No part of a transcript is taken for all of it, and the next try starts afresh."""

    async def fail() -> None:
        assert len(await raw.transcripts.entries(TO)) == 1
        raise StoreUnavailable("away")

    before_the_second_part(monkeypatch, fail)
    with pytest.raises(StoreUnavailable, match="away"):
        await two.transcripts.copy(SESSION, TO, 2)
    await nothing_is_left(two, raw, blobs, clock)
    assert await two.transcripts.copy(SESSION, TO, 2) == 2
    assert await copied(two) == SHOWN


@on_each
@pytest.mark.parametrize("again", [False, True])
async def test_nothing_is_copied_into_a_session_that_is_deleted_meanwhile(
    two: SpooledStore,
    raw: Store,
    blobs: Blobs,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    """Nor into a new one of the same name, of which nothing is deleted."""

    async def delete() -> None:
        await two.sessions.delete(TO)
        if again:
            clock.advance(seconds=1)
            await two.sessions.get_or_create(TO, ANN, "dm", clock.now)
            for _ in range(3):  # as many as would have been copied, and more
                await two.transcripts.say(TO, "dm", "Ann", "new", clock.now)

    before_the_second_part(monkeypatch, delete)
    with pytest.raises(NoSuchSession) as caught:
        await two.transcripts.copy(SESSION, TO, 2)
    assert caught.value.session_id == TO
    assert [getattr(each, "markdown", "") for each in await raw.transcripts.entries(TO)] == [
        "new"
    ] * 3 * again
    await raw.transcripts.clear(TO)
    await nothing_is_left(two, raw, blobs, clock)


@on_sqlite
async def test_a_copy_whose_caller_is_cancelled_is_whole(
    two: SpooledStore, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes and the entries that refer to them belong together."""
    begun, goes_on, put = asyncio.Event(), asyncio.Event(), blobs.put

    async def later(*given: Any, **more: Any) -> Any:
        begun.set()
        await goes_on.wait()
        return await put(*given, **more)

    monkeypatch.setattr(blobs, "put", later)
    copying = asyncio.create_task(two.transcripts.copy(SESSION, TO, 2))
    await begun.wait()
    copying.cancel()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert await copied(two) == SHOWN


@on_each
async def test_nothing_is_left_of_a_person_with_copies(
    two: SpooledStore, raw: Store, blobs: Blobs, clock: Clock
) -> None:
    """Both transcripts, their bytes and the sums go."""
    await two.transcripts.copy(SESSION, TO, 2)
    await FileStore(two, blobs, clock=clock).forget_person(ANN)
    assert await on_disk(blobs) == []
    assert [await raw.transcripts.entries(each) for each in (SESSION, TO)] == [[], []]
    assert await two.files.used(ANN, clock.now) == 0
    assert await raw.files.recount() == 0
