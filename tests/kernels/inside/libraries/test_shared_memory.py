"""Shared memory gets its space on creation; where that is impossible, an error says what to use instead."""

import errno
import os
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kernels.inside.libraries import shared_memory


class Memory:
    """Like `multiprocessing.shared_memory`: a file that is longer than what was written."""

    folder: Path

    def __init__(self, name: str | None = None, create: bool = False, size: int = 0) -> None:
        self.size = size
        self.ended: list[str] = []
        self._fd = os.open(self.folder, os.O_TMPFILE | os.O_RDWR)
        os.truncate(self._fd, size)

    def close(self) -> None:
        self.ended.append("closed")
        os.close(self._fd)

    def unlink(self) -> None:
        self.ended.append("unlinked")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """In the place of /dev/shm."""
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


@pytest.fixture
def memory(folder: Path) -> Any:
    """Its class, in a folder of the test."""
    changed = type("Memory", (Memory,), {"__init__": Memory.__init__, "folder": folder})
    module: Any = ModuleType("multiprocessing.shared_memory")
    module.SharedMemory = changed
    shared_memory._have_room(module, str(folder))
    return changed


def test_its_space_is_taken_when_it_is_created(memory: Any) -> None:
    """Opening it takes no space."""
    made = memory(create=True, size=1 << 20)
    assert os.fstat(made._fd).st_blocks * 512 >= 1 << 20
    made.close()
    opened = memory("name", size=1 << 20)
    assert os.fstat(opened._fd).st_blocks == 0
    opened.close()


def test_more_than_there_is_is_refused_at_once(memory: Any) -> None:
    """The error says how much there is."""
    with pytest.raises(
        OSError, match=r"^\[Errno 28\] no room for 1073741824 MiB of shared memory: "
    ) as refused:
        memory(create=True, size=1 << 50)
    assert refused.value.errno == errno.ENOSPC


def test_what_cannot_be_reserved_is_taken_back(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process was faster."""
    made: list[Memory] = []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    begin = Memory.__init__
    monkeypatch.setattr(Memory, "close", lambda self: (made.append(self), os.close(self._fd)))
    monkeypatch.setattr(os, "posix_fallocate", full)
    assert begin is not memory.__init__
    with pytest.raises(OSError, match="no room for 1 MiB of shared memory"):
        memory(create=True, size=1 << 20)
    assert [one.ended for one in made] == [["unlinked"]]


def test_where_nothing_can_be_made_the_error_says_what_to_use(memory: Any, folder: Path) -> None:
    """For memory itself, for locks, and for arrays, which have files in the temporary folder then."""
    arena = type("Arena", (), {"_choose_dir": lambda _self, _size: str(folder)})
    shared_memory._choose_what_can_be_written(SimpleNamespace(Arena=arena), str(folder))  # type: ignore[arg-type]
    assert arena()._choose_dir(1) == str(folder)  # type: ignore[attr-defined]
    folder.rmdir()
    with pytest.raises(OSError, match=r"numpy\.memmap"):
        memory(create=True, size=1)
    assert arena()._choose_dir(1) == tempfile.gettempdir()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("number", "text"), [(errno.EACCES, "ThreadPool"), (errno.EINVAL, "as it was")])
def test_a_lock_that_the_system_refuses_says_what_to_use(number: int, text: str) -> None:
    """Any other error stays what it is."""

    class SemLock:
        def __init__(self) -> None:
            raise OSError(number, "as it was")

    shared_memory._say_no_locks(SimpleNamespace(SemLock=SemLock))  # type: ignore[arg-type]
    with pytest.raises(OSError, match=text):
        SemLock()
