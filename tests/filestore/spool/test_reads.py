"""Reads while the database is away."""

import asyncio
from typing import Any

import pytest

from filestore.errors import StoreUnavailable
from tests.filestore.spool.conftest import SESSION, Opened


async def test_only_a_read_that_waited_in_vain_spares_others_the_wait(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow failure means that the database is away; a quick one only that one transcript is damaged."""
    await store.cell(session_id="u8")
    entries = store.raw.transcripts.entries
    delay = 0.0

    async def fail(session_id: str, **more: Any) -> Any:
        if session_id == SESSION:
            await asyncio.sleep(delay)
            raise StoreUnavailable("outputs of a cell are missing")
        return await entries(session_id, **more)

    monkeypatch.setattr(store.raw.transcripts, "entries", fail)
    with pytest.raises(StoreUnavailable):
        await store.kept.transcripts.entries(SESSION)
    assert len(await store.kept.transcripts.entries("u8")) == 1
    delay = 0.6
    for session_id in (SESSION, "u8"):
        with pytest.raises(StoreUnavailable):
            await store.kept.transcripts.entries(session_id)
