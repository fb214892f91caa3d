"""Programs that use the same store one after the other, with fake kernels.

world = World(tmp_path)
async with Program(world) as sessions:
    restarted = await world.ran(sessions, "x")
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from bot.reply import Reply
from bot.sessions import Sessions
from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.files import FileStore
from filestore.spool import spooled
from kernels.cell.events import Restarted
from tests.bot.fake_kernels import FakeKernels
from tests.bot.replies import LateAnswers

__all__ = ["NOW", "Program", "World"]

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class World:
    """A store on disk, fake kernels, and programs that use them one after the other."""

    def __init__(self, folder: Path, mongodb_uri: str | None = None) -> None:
        self.folder = folder
        self.mongodb_uri = mongodb_uri
        self.now = NOW
        self.kernels = FakeKernels()
        self.told: list[Reply] = []

    def clock(self) -> datetime:
        return self.now

    async def ran(self, sessions: Sessions, code: str = "x", user_id: int = 1) -> list[Restarted]:
        """Run a cell; return the losses that were reported with it, which are also in its result."""
        told: list[Reply] = []

        async def tell(reply: Reply) -> None:
            told.append(reply)

        result = await sessions.execute_code(code, user_id, tell=tell)
        restarted = [reply.event for reply in told if isinstance(reply.event, Restarted)]
        assert result.lost == (restarted[0].lost if restarted else ())
        return restarted


class Program:
    """One program in the world: `async with Program(world) as sessions`."""

    def __init__(self, world: World, **options: object) -> None:
        self.world, self.options = world, options

    async def _live(self) -> AsyncIterator[Sessions]:
        world = self.world
        async with (
            open_store(world.folder, mongodb_uri=world.mongodb_uri) as database,
            spooled(database, world.folder / "spool", clock=world.clock) as store,
        ):
            files = FileStore(store, Blobs(world.folder / "files"), clock=world.clock)
            options = {"clock": world.clock, "front": lambda _: LateAnswers(world.told)} | self.options
            async with Sessions(store, files, world.kernels, **options) as sessions:  # type: ignore[arg-type]
                yield sessions

    async def __aenter__(self) -> Sessions:
        self._life = self._live()
        return await anext(self._life)

    async def __aexit__(self, *_: object) -> None:
        async for _ in self._life:
            pass
