"""Which bytes files get back, and which files are left alone, and why."""

from hashlib import sha256
from pathlib import Path

import pytest

from bot.continuity.undo.files_back import put_back
from bot.continuity.undo.undone import FileBack
from bot.session import Session
from bot.sessions import Sessions
from kernels.interface import WORKSPACE_FULL
from kernels.state.journey import ChangedFile
from tests.bot.worlds import Program, World


def changed(name: str, data: bytes | None, *, known: bool = True) -> ChangedFile:
    """A file that had these bytes, or (None) was not there."""
    return ChangedFile(name, sha256(data).hexdigest() if data is not None else "", known)


async def store(sessions: Sessions, session_id: str, *versions: tuple[str, bytes, int]) -> None:
    """Store versions of files, each with the cell that made it."""
    for name, data, cell in versions:
        await sessions.files.put(1, session_id, name, data, source="generated", cell=cell)


async def put(
    sessions: Sessions, session: Session, *files: ChangedFile
) -> tuple[list[object], dict[str, str]]:
    """What went back, and what did not, with the reasons."""
    back, left = await put_back(session.files, sessions.files, files, 1, ["u1", "origin"])
    return list(back), {file.name: file.why for file in left}


async def test_files_get_the_version_that_they_had(tmp_path: Path) -> None:
    """In whichever session it was stored; one that was not there goes, and first, to make room."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        await store(sessions, "u1", ("a", b"one", 1), ("a", b"two", 2), ("new", b"n", 2))
        await store(sessions, "origin", ("b", b"old", 7))
        kernel.files = {"a": b"two", "new": b"n"}
        back, left = await put(
            sessions, session, changed("a", b"one"), changed("b", b"old"), changed("new", None)
        )
        assert back == [FileBack("new", gone=True), FileBack("a", 1), FileBack("b", 7)]
        assert (left, kernel.files) == ({}, {"a": b"one", "b": b"old"})


async def test_an_upload_is_nothing_that_a_cell_did(tmp_path: Path) -> None:
    """It stays, though it was not there then; one that a cell has changed since is as it was uploaded."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        await store(sessions, "u1", ("replaced", b"old", 1))
        for name in ("fresh", "changed", "replaced", "same"):
            await sessions.files.put(1, "u1", name, b"upload", source="uploaded")
        await store(sessions, "u1", ("changed", b"by a cell", 2))
        kernel.files = dict.fromkeys(("fresh", "replaced"), b"upload") | {
            "changed": b"by a cell",
            "same": b"by a cell",
        }
        back, left = await put(
            sessions,
            session,
            changed("fresh", None),
            changed("changed", None),
            changed("replaced", b"old"),
            changed("same", b"upload"),
        )
        assert back == [FileBack("changed"), FileBack("same")]
        assert list(left) == ["replaced"]
        assert set(kernel.files.values()) == {b"upload"}


async def test_what_would_be_lost_for_good_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what nobody knows, or has any more, is named; the others still go back."""
    world = World(tmp_path)
    kernel = world.kernels.of["u1"]
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        await store(sessions, "u1", ("a", b"one", 1), ("full", b"x", 1), ("waits", b"w", 1))
        kernel.files = there = {"only": b"!", "waits": b"now", "unknown": b"?"}
        monkeypatch.setattr(session.files, "waits", lambda name: name == "waits")
        write_back = kernel.write_back

        async def refuse(name: str, source: object) -> None:
            if name == "full":
                raise OSError(WORKSPACE_FULL, "no room")
            await write_back(name, source)  # type: ignore[arg-type]

        monkeypatch.setattr(kernel, "write_back", refuse)
        back, left = await put(
            sessions,
            session,
            changed("only", None),
            changed("waits", b"w"),
            changed("unknown", None, known=False),
            changed("expired", b"gone"),
            changed("full", b"x"),
            changed("a", b"one"),
        )
        assert back == [FileBack("a", 1)]
        assert list(left) == ["only", "unknown", "expired", "full", "waits"]
        assert "is stored" in left["only"]
        assert kernel.files == there | {"a": b"one"}
