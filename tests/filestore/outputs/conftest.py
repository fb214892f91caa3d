"""A database on each backend behind all that the bot puts in front of it, and cells with outputs in it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from filestore.blobs.store import BlobEntry, Blobs
from filestore.mongo import open_mongo
from filestore.mongo.lease import LeasePace
from filestore.outputs.large import with_large_outputs
from filestore.records import CellRecord
from filestore.spool import SpooledStore, spooled
from filestore.sqlite import open_sqlite
from filestore.store import Store
from tests.filestore.conftest import BACKENDS, Clock

ANN, BOB = 7, 8
KIB = 1024
QUOTA = 1024 * KIB


@pytest.fixture
def at_once() -> int:
    """How many large outputs are shortened at once: more than a test has, unless it says otherwise."""
    return 100


@pytest.fixture
async def raw(request: pytest.FixtureRequest, tmp_path: Path, at_once: int) -> AsyncIterator[Store]:
    """A database alone, on each backend."""
    fixture = BACKENDS[request.param]
    uri = request.getfixturevalue(fixture) if fixture else None
    store = (
        open_mongo(uri, LeasePace(), at_once=at_once)
        if uri
        else open_sqlite(tmp_path / "kernelcord.db", at_once=at_once)
    )
    async with store as opened:
        yield opened


@pytest.fixture
async def kept(raw: Store, blobs: Blobs, clock: Clock, tmp_path: Path) -> AsyncIterator[SpooledStore]:
    """The database behind all that the bot puts in front of it; Ann and Bob have a session each."""
    large = with_large_outputs(raw, blobs, quota=QUOTA, clock=clock)
    async with spooled(large, tmp_path / "spool", clock=clock) as store:
        for user_id in (ANN, BOB):
            await store.sessions.get_or_create(f"u{user_id}", user_id, "dm", clock.now)
        yield store


on_each = pytest.mark.parametrize("raw", [name for name in BACKENDS if name != "spooled"], indirect=True)
on_sqlite = pytest.mark.parametrize("raw", ["sqlite"], indirect=True)


def stream(text: str) -> dict[str, Any]:
    """Text that a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": text}


async def run(store: Store, clock: Clock, *outputs: dict[str, Any], user_id: int = ANN) -> CellRecord:
    """Record a finished cell with these outputs."""
    cell = await store.transcripts.begin_cell(f"u{user_id}", "dm", "Ann", "1", clock.now)
    await store.transcripts.finish_cell(f"u{user_id}", cell.seq, status="ok", outputs=outputs)
    return cell


async def brief(store: Store, user_id: int = ANN) -> list[CellRecord]:
    """A person's cells, with short forms of large outputs."""
    found = await store.transcripts.entries(f"u{user_id}", brief=True)
    return [entry for entry in found if isinstance(entry, CellRecord)]


async def whole(store: Store, user_id: int = ANN) -> list[tuple[dict[str, Any], ...]]:
    """All outputs of a person's cells, in full."""
    found = await store.transcripts.entries(f"u{user_id}")
    return [entry.outputs for entry in found if isinstance(entry, CellRecord)]


async def on_disk(blobs: Blobs) -> list[BlobEntry]:
    """All files of bytes."""
    return [entry async for folder in blobs.folders() for entry in folder]
