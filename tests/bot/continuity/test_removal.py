"""A deletion that cannot be carried out whole deletes nothing, or says what is gone."""

import errno
import os
from pathlib import Path

import pytest

from bot.continuity.removal import BYTES, FILES, KERNEL, SAID
from bot.errors import NotAllDeleted
from bot.wording.error_messages import sentence
from filestore.errors import NoSuchFile, StoreUnavailable
from kernels.errors import NodeUnavailable
from kernels.workspace.folder import scratch_id
from tests.bot.worlds import Program, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one."""
    return World(tmp_path)


async def unavailable(*_args: object, **_more: object) -> None:
    """As every method of a store whose database is away."""
    raise StoreUnavailable("locked")


async def test_a_reset_while_the_database_is_away_deletes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the kernel nor the workspace: without the database it could not be told what else stays."""
    async with Program(world) as sessions:
        await sessions.execute_code("x", 1)
        stored = await sessions.upload("a.csv", b"a\n", 1)
        with monkeypatch.context() as patch:
            patch.setattr(sessions.store.files, "condemn_all", unavailable)
            with pytest.raises(StoreUnavailable):
                await sessions.discard(1, "terminal")
        assert world.kernels.removed == []
        assert (await sessions.load_file(stored.file_id, 1)).data == b"a\n"
        session = await sessions.session(1, "terminal")
        assert len(await session.transcript.entries()) == 1
        await sessions.discard(1, "terminal")
        assert world.kernels.removed == ["u1", scratch_id("u1")]


@pytest.mark.parametrize("fails", ["kernel", "workspace", "transcript", "bytes"])
async def test_a_reset_that_breaks_off_says_what_is_gone_and_what_is_still_there(
    world: World, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """And once more deletes the rest."""
    whole = (FILES, KERNEL, SAID, BYTES)
    gone = {"kernel": 1, "workspace": 1, "transcript": 2, "bytes": 3}[fails]
    erased = []

    async def down(_session_id: str) -> None:
        raise NodeUnavailable("down") if fails == "kernel" else OSError(errno.EROFS, os.strerror(errno.EROFS))

    async def erase() -> None:
        erased.append(await sessions.store.sessions.get("u1"))

    async with Program(world) as sessions:
        await sessions.execute_code("x", 1)
        stored = await sessions.upload("a.csv", b"a\n", 1)
        with monkeypatch.context() as patch:
            patch.setattr(sessions.store.sessions, "erase_deleted", erase)
            if fails in ("kernel", "workspace"):
                patch.setattr(world.kernels, "removing", down)
            elif fails == "transcript":
                patch.setattr(sessions.store.sessions, "delete", unavailable)
            else:
                patch.setattr(sessions.store.files, "remove", unavailable)
            with pytest.raises(NotAllDeleted) as caught:
                await sessions.discard(1, "terminal")
        told = sentence(caught.value)
        assert told.endswith(f"Gone: {', '.join(whole[:gone])}. Still there: {', '.join(whole[gone:])}.")
        with pytest.raises(NoSuchFile):
            await sessions.load_file(stored.file_id, 1)
        assert ("u1" in world.kernels.removed) == (gone > 1)
        assert erased == ([None] if fails == "bytes" else [])
        kept = await sessions.store.sessions.get("u1")
        assert (kept is None) == (fails == "bytes")
        await sessions.discard(1, "terminal")
        assert await sessions.store.sessions.get("u1") is None
        assert await sessions.store.files.batch() == []
