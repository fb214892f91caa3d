"""Which bytes files get back, and which files are left alone, and why."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from bot.continuity.undo.files_back import put_back
from bot.continuity.undo.undone import FileBack
from bot.sessions import Sessions
from kernels.interface import WORKSPACE_FULL
from kernels.state.journey import ChangedFile
from tests.bot.fake_kernels import FakeKernel
from tests.bot.worlds import Program, World


def digest(data: bytes | None) -> str:
    """Of a file with these bytes, or (None) of none."""
    return sha256(data).hexdigest() if data is not None else ""


async def store(sessions: Sessions, session_id: str, *versions: tuple[str, bytes, int]) -> None:
    """Store versions of files, each with the cell that made it."""
    for name, data, cell in versions:
        await sessions.files.put(1, session_id, name, data, source="generated", cell=cell)


async def put(
    sessions: Sessions, kernel: FakeKernel, *, unknown: str = "", **were: bytes | None
) -> tuple[list[object], dict[str, str]]:
    """What went back of files that had these bytes, or (None) were not there; and what did not, and why."""
    session = await sessions.session(1, "terminal")
    files = [
        ChangedFile(name, digest(data), name != unknown, digest(kernel.files.get(name)))
        for name, data in were.items()
    ]
    back, left = await put_back(session.files, sessions.files, files, session.record)
    return list(back), {file.name: file.why for file in left}


async def test_files_get_the_version_that_they_had(tmp_path: Path) -> None:
    """One that was not there goes, and first, to make room."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        await store(sessions, "u1", ("a", b"one", 1), ("a", b"two", 2), ("new", b"n", 2))
        kernel.files = {"a": b"two", "new": b"n"}
        back, left = await put(sessions, kernel, a=b"one", new=None)
        assert back == [FileBack("new", gone=True), FileBack("a", 1)]
        assert (left, kernel.files) == ({}, {"a": b"one"})


async def test_a_branch_of_a_branch_gets_what_it_began_with(tmp_path: Path) -> None:
    """Whichever of the sessions before it has stored that; but nothing that came there since."""
    world = World(tmp_path)
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")
        await store(sessions, "u1", ("a", b"old", 1), ("b", b"old", 1))
        world.now += timedelta(seconds=1)
        middle = await sessions.branch(1, "terminal", "terminal", "middle")
        await store(sessions, middle.session_id, ("a", b"of the middle", 2))
        world.now += timedelta(seconds=1)
        last = await sessions.branch(1, "terminal", "terminal", "last")
        world.now += timedelta(seconds=1)
        await store(sessions, "u1", ("c", b"later", 2))
        await sessions.files.put(1, "u1", "b", b"later", source="uploaded")
        await store(sessions, last.session_id, ("a", b"newest", 3), ("c", b"newest", 3))
        kernel = world.kernels.of[last.session_id]
        kernel.files = {"a": b"newest", "c": b"newest"}
        back, left = await put(sessions, kernel, a=b"of the middle", b=b"old", c=b"later")
        assert back == [FileBack("a", 2), FileBack("b", 1)]
        assert list(left) == ["c"]
        assert (await put(sessions, kernel, a=b"old"))[0] == [FileBack("a", 1)]


async def test_an_upload_is_nothing_that_a_cell_did(tmp_path: Path) -> None:
    """It stays, though it was not there then; one that a cell has changed since is as it was uploaded."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")
        await store(sessions, "u1", ("replaced", b"old", 1), ("deleted", b"old", 1))
        for name in ("fresh", "changed", "replaced", "deleted", "same"):
            await sessions.files.put(1, "u1", name, b"upload", source="uploaded")
        await store(sessions, "u1", ("changed", b"by a cell", 2), ("same", b"by a cell", 2))
        kernel.files = dict.fromkeys(("fresh", "replaced"), b"upload")
        kernel.files |= dict.fromkeys(("changed", "same"), b"by a cell")
        back, left = await put(
            sessions, kernel, fresh=None, changed=None, replaced=b"old", deleted=b"old", same=b"upload"
        )
        assert back == [FileBack("changed"), FileBack("deleted"), FileBack("same")]
        assert list(left) == ["replaced"]
        assert set(kernel.files.values()) == {b"upload"}


async def test_what_would_be_lost_for_good_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what nobody knows, or has any more, is named; the others still go back."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        names = ("a", "full", "waits", "too_large", "not_kept")
        await store(sessions, "u1", *((name, b"old", 1) for name in names), ("a", b"new", 2))
        kernel.files = dict.fromkeys(
            ("only", "waits", "nobody_knows", "too_large", "not_kept"), b"stored nowhere"
        )
        kernel.files["a"] = b"new"
        there = dict(kernel.files)
        monkeypatch.setattr(session.files, "waits", lambda name: name == "waits")
        write_back = kernel.write_back

        async def refuse(name: str, source: object) -> None:
            if name == "full":
                raise OSError(WORKSPACE_FULL, "no room")
            await write_back(name, source)  # type: ignore[arg-type]

        monkeypatch.setattr(kernel, "write_back", refuse)
        back, left = await put(
            sessions,
            kernel,
            unknown="nobody_knows",
            **dict.fromkeys(("only", "nobody_knows", "not_kept")),
            **dict.fromkeys(("waits", "full", "too_large", "a"), b"old"),
            expired=b"gone",
        )
        assert back == [FileBack("a", 1)]
        assert list(left) == ["nobody_knows", "not_kept", "only", "expired", "full", "too_large", "waits"]
        assert "is stored" in left["only"]
        assert left["not_kept"] == left["too_large"]
        assert kernel.files == there | {"a": b"old"}


async def test_files_that_are_too_many_are_told(tmp_path: Path) -> None:
    """Nobody knows which of them are as they were."""
    world = World(tmp_path)
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        others = ChangedFile("", "", known=False, now=None)
        back, left = await put_back(session.files, sessions.files, [others], session.record)
        assert (back, [file.name for file in left]) == ((), ["other files"])


async def test_a_file_that_nobody_has_read_stays(tmp_path: Path) -> None:
    """What is in it may be stored nowhere: one that is too large is neither read nor stored."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        await store(sessions, "u1", ("a", b"old", 1))
        kernel.files = {"a": b"huge"}
        changed = ChangedFile("a", digest(b"old"), known=True, now=None)
        back, left = await put_back(session.files, sessions.files, [changed], session.record)
        assert (back, [file.name for file in left]) == ((), ["a"])
        assert kernel.files == {"a": b"huge"}
