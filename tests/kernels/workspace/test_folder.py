"""A workspace is made, filled and removed, whatever the code that shares it has put there."""

import errno
import os
import re
import socket
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from kernels.workspace.folder import BadSessionId, Workspace
from kernels.workspace.safe_open import open_plain

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.open(tmp_path / "workspaces", "1234")


def test_a_workspace_is_private_and_opens_twice(tmp_path: Path) -> None:
    """Only we can enter the folder, and its content is there the next time."""
    workspace = Workspace.open(tmp_path / "workspaces", "1234")
    (workspace.path / "x").touch()
    again = Workspace.open(tmp_path / "workspaces", "1234")
    assert again == workspace
    assert (again.path / "x").exists()
    assert again.path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "session_id", ["", ".", "..", ".x", "../x", "a/b", "/etc", "a\0", "a\n", "a b", "x" * 101, "\u00e9"]
)
def test_an_id_that_could_leave_the_root_is_refused(tmp_path: Path, session_id: str) -> None:
    """Only plain names make a folder; nothing is created for other names."""
    with pytest.raises(BadSessionId):
        Workspace.open(tmp_path / "workspaces", session_id)
    assert not (tmp_path / "workspaces").exists()


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A workspace is never a link to somewhere else."""
    (tmp_path / "1234").symlink_to("/etc")
    with pytest.raises(OSError, match="1234"):
        Workspace.open(tmp_path, "1234")


def test_a_placed_file_has_its_bytes_and_a_safe_name(workspace: Workspace) -> None:
    """A file arrives whole, inside the folder, with nothing left beside it."""
    assert workspace.put_file("../data.csv", b"a,b\n") == "data.csv"
    assert (workspace.path / "data.csv").read_bytes() == b"a,b\n"
    assert os.listdir(workspace.path) == ["data.csv"]


def test_placing_again_replaces_the_file(workspace: Workspace) -> None:
    """The newer bytes are found under the name."""
    workspace.put_file("data.csv", b"old")
    assert workspace.put_file("data.csv", b"new") == "data.csv"
    assert (workspace.path / "data.csv").read_bytes() == b"new"


def test_a_planted_link_is_replaced_and_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    """What a link points at is not touched."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (workspace.path / "data.csv").symlink_to(secret)
    assert workspace.put_file("data.csv", b"new") == "data.csv"
    assert secret.read_bytes() == b"secret"
    assert not (workspace.path / "data.csv").is_symlink()


def test_a_file_goes_beside_a_folder_of_its_name(workspace: Workspace) -> None:
    """A folder is not replaced: the file gets the next free name."""
    (workspace.path / "data.csv").mkdir()
    (workspace.path / "data-2.csv").mkdir()
    assert workspace.put_file("data.csv", b"new") == "data-3.csv"


def test_beside_leaves_the_persons_own_file_alone(workspace: Workspace) -> None:
    """Another file of that name stays; ours carries its id in the name, and is not written twice."""
    (workspace.path / "data.csv").write_bytes(b"mine")
    assert workspace.put_file("data.csv", b"stored", beside="k7m3") == "data-k7m3.csv"
    written = (workspace.path / "data-k7m3.csv").stat()
    assert workspace.put_file("data.csv", b"stored", beside="k7m3") == "data-k7m3.csv"
    assert (workspace.path / "data-k7m3.csv").stat().st_ino == written.st_ino
    assert (workspace.path / "data.csv").read_bytes() == b"mine"


def test_beside_never_takes_a_link_or_a_pipe_for_the_file(workspace: Workspace, tmp_path: Path) -> None:
    """Bytes stored elsewhere are not ours, even if they are the same; a pipe does not block."""
    (tmp_path / "twin").write_bytes(b"stored")
    (workspace.path / "data.csv").symlink_to(tmp_path / "twin")
    os.mkfifo(workspace.path / "data-k7m3.csv")
    assert workspace.put_file("data.csv", b"stored", beside="k7m3") == "data-k7m3-2.csv"


@pytest.mark.parametrize("beside", ["k7m3", ""])
def test_few_names_are_tried_however_many_are_taken(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, beside: str
) -> None:
    """Code can take a thousand names, with files of the same size: ten of them are compared, twice."""
    compared: list[str] = []

    def note(name: str, inside: int) -> int:
        compared.append(name)
        return open_plain(name, inside)

    monkeypatch.setattr("kernels.workspace.folder.open_plain", note)
    between = f"-{beside}" if beside else ""
    names = ["data.csv", f"data{between}.csv", *(f"data{between}-{number}.csv" for number in range(2, 1000))]
    for name in names:
        path = workspace.path / name
        if beside:
            path.write_bytes(b"Stored")
        else:
            path.mkdir(exist_ok=True)
    placed = workspace.put_file("data.csv", b"stored", beside=beside)
    assert re.fullmatch(rf"data{between}-[0-9a-f]{{16}}\.csv", placed)
    assert (workspace.path / placed).read_bytes() == b"stored"
    assert compared == (2 * names[:10] if beside else [])


def test_a_file_of_another_size_is_not_read(workspace: Workspace) -> None:
    """A sparse file of any size takes no room on the disk, so code can have many; comparing reads none."""

    class Counted(BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            self.count += len(found)
            return found

    source = Counted(bytes(1000))
    (workspace.path / "data.csv").write_bytes(bytes(1001))
    assert workspace.put_file("data.csv", source, beside="k7m3") == "data-k7m3.csv"
    assert source.count == 1000
    assert (workspace.path / "data-k7m3.csv").read_bytes() == bytes(1000)


def test_what_is_written_is_asked_for_first(workspace: Workspace) -> None:
    """The size that is left of the source; a refusal writes nothing, and what is there needs no room."""
    asked: list[int] = []

    def refuse(size: int) -> None:
        asked.append(size)
        raise OSError(errno.EDQUOT, "full")

    source = BytesIO(b"a,b\n1,2\n")
    source.seek(4)
    with pytest.raises(OSError, match="full"):
        workspace.put_file("data.csv", source, check_room=refuse)
    assert os.listdir(workspace.path) == []
    source.seek(4)
    assert workspace.put_file("data.csv", source, beside="k7m3", check_room=asked.append) == "data.csv"
    source.seek(4)
    assert workspace.put_file("data.csv", source, beside="k7m3", check_room=refuse) == "data.csv"
    assert asked == [4, 4]
    assert (workspace.path / "data.csv").read_bytes() == b"1,2\n"


def test_a_failed_placing_leaves_nothing(workspace: Workspace) -> None:
    """A source that breaks off leaves neither the file nor a part of it."""
    source = (workspace.path.parent / "source").open("wb+")
    source.close()
    with pytest.raises(ValueError, match="closed"):
        workspace.put_file("data.csv", source)
    assert os.listdir(workspace.path) == []


def test_remove_takes_everything_and_follows_nothing(workspace: Workspace, tmp_path: Path) -> None:
    """Links, pipes, sockets and names that are not text go; what links point at stays; twice is fine."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (workspace.path / "link").symlink_to(outside)
    os.link(outside / "kept", workspace.path / "hard")
    os.mkfifo(workspace.path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workspace.path / "socket"))
    os.mkdir(os.fsencode(workspace.path) + b"/\xff")
    workspace.remove()
    assert not workspace.path.exists()
    assert (outside / "kept").exists()
    workspace.remove()


def test_remove_of_a_planted_link_takes_the_link(tmp_path: Path) -> None:
    """A link in place of the folder is deleted, and its target is not."""
    workspace = Workspace.open(tmp_path / "workspaces", "1234")
    (tmp_path / "kept").mkdir()
    workspace.path.rmdir()
    workspace.path.symlink_to(tmp_path / "kept")
    workspace.remove()
    assert not workspace.path.is_symlink()
    assert (tmp_path / "kept").exists()


def test_remove_takes_a_tree_900_deep(workspace: Workspace) -> None:
    """No path length, recursion limit or shortage of descriptors stops it."""
    here = os.open(workspace.path, os.O_RDONLY)
    for _ in range(900):
        os.mkdir("deep-folder", dir_fd=here)
        os.close(os.open("file", os.O_CREAT, dir_fd=here))
        inner = os.open("deep-folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    workspace.remove()
    assert not workspace.path.exists()


CLOSED = """
import os, tempfile
from io import BytesIO
from pathlib import Path
from kernels.workspace.folder import Workspace
if os.geteuid() == 0:
    os.setuid(65534)  # permissions do not apply to root
with tempfile.TemporaryDirectory() as root:
    workspace = Workspace.open(Path(root), "1234")
    inner = workspace.path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    for path in (inner, inner.parent, workspace.path):
        path.chmod(0)
    Workspace.open(Path(root), "1234").remove()
    print(os.listdir(root))
"""


def test_remove_opens_what_code_has_closed() -> None:
    """Folders without any permissions are deleted too, by a user to whom permissions apply."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_half_placed_files_of_a_killed_program_are_tidied_away(workspace: Workspace) -> None:
    """Nothing else is: no file with a similar name, no folder, and nothing that a link points at."""
    left = f".placing-{'0' * 16}"
    (workspace.path / left).write_bytes(b"half")
    (workspace.path / f".placing-{'1' * 16}").symlink_to(workspace.path / "data.csv")
    (workspace.path / f".placing-{'2' * 16}").mkdir()
    for name in ("data.csv", ".placing-mine", f"{left}0"):
        (workspace.path / name).touch()
    workspace.tidy()
    kept = [f".placing-{'2' * 16}", ".placing-mine", f"{left}0", "data.csv"]
    assert sorted(os.listdir(workspace.path)) == sorted(kept)
    workspace.remove()
    workspace.tidy()


def test_a_workspace_that_is_there_is_opened_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making a folder or setting its mode takes a lock that code may hold."""
    workspace = Workspace.open(tmp_path / "workspaces", "1234")
    with monkeypatch.context() as patch:
        for name in ("mkdir", "chmod"):
            patch.setattr(os, name, lambda *_, **__: pytest.fail("a folder's lock was taken"))
        assert Workspace.open(tmp_path / "workspaces", "1234") == workspace
    for mode in (0, 0o300, 0o755):
        workspace.path.chmod(mode)
        Workspace.open(tmp_path / "workspaces", "1234")
        assert workspace.path.stat().st_mode & 0o7777 == 0o700
