"""A store with a spool in front of it, whose database can be made to fail."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from filestore.records import CellRecord
from filestore.spool import SpooledStore, spooled
from filestore.spool.spool import SpoolRoom
from filestore.sqlite import open_sqlite
from filestore.sqlite.database import Waits
from filestore.store import Store
from tests.filestore.people import ANN

SESSION, PLACE = "u7", "dm"


def printed(text: str) -> dict[str, Any]:
    """Text that a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": text}


@dataclass
class Opened:
    """A store with a spool in front of it, and the database behind it."""

    kept: SpooledStore
    raw: Store
    data: Path
    clock: Callable[[], Any]

    @property
    def folder(self) -> Path:
        """The folder with the journals of the only database there."""
        (folder,) = (self.data / "spool").iterdir()
        return folder

    async def cell(self, code: str = "1", *outputs: dict[str, Any], session_id: str = SESSION) -> CellRecord:
        """Begin and finish a cell."""
        transcripts = self.kept.transcripts
        cell = await transcripts.begin_cell(session_id, PLACE, "Ann", code, self.clock())
        await transcripts.finish_cell(session_id, cell.seq, status="ok", outputs=outputs, execution_count=1)
        return cell


@asynccontextmanager
async def opened(data: Path, clock: Any, waits: Waits | None = None, **more: Any) -> AsyncIterator[Opened]:
    """Open the database and the spool; `more` is passed to the spool."""
    async with (
        open_sqlite(data / "kernelcord.db", waits or Waits()) as raw,
        spooled(raw, data / "spool", clock=clock, **more) as kept,
    ):
        await kept.sessions.get_or_create(SESSION, ANN, PLACE, clock())
        yield Opened(kept, raw, data, clock)


@pytest.fixture
async def store(tmp_path: Path, clock: Any, request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    """A store whose database can be made to fail; writes are brought in only when a test says so.

    A test may give the spool's room as a parameter.
    """
    room: SpoolRoom | None = getattr(request, "param", None)
    async with opened(tmp_path, clock, Waits(busy=20), first_pause=1000.0, room=room) as store:
        yield store
