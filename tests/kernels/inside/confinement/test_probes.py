"""A probe that gets through is noticed; the self-test checks in each tier that none does."""

import os
from pathlib import Path

import pytest

from kernels.inside.confinement import probes


def test_a_probe_that_the_system_refuses_has_not_succeeded() -> None:
    """Any other error is a bug of ours, and is raised."""

    def refused(_: probes.Targets) -> bool:
        raise PermissionError

    def broken(_: probes.Targets) -> bool:
        raise KeyError("secret")

    assert not probes._succeeds(refused, {})
    assert probes._succeeds(lambda _: ["found"], {})
    with pytest.raises(KeyError):
        probes._succeeds(broken, {})


def test_what_can_be_read_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the host, another workspace even if it is empty, and a word in an environment."""
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "sibling").mkdir()
    targets = {"secret": str(tmp_path / "secret"), "sibling": str(tmp_path / "sibling")}
    assert probes._secret(targets)
    assert probes._sibling(targets)
    monkeypatch.setenv("CANARY", "canary-7")
    assert probes._environments({"canary": "canary-7"})
    assert not probes._environments({"canary": os.urandom(8).hex()})


def test_what_can_be_written_is_found_and_left_as_it_was(tmp_path: Path) -> None:
    """Nothing stays in the folder that was tried."""
    assert probes._written({"closed": [str(tmp_path / "absent"), str(tmp_path)]})
    assert not probes._written({"closed": [str(tmp_path / "absent"), "/proc/self"]})
    assert list(tmp_path.iterdir()) == []


def test_reserved_space_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file has space allocated that nothing was written to; the file is removed again."""
    monkeypatch.chdir(tmp_path)
    probes._room({})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_can_be_changed_through_its_descriptor_is_found(tmp_path: Path) -> None:
    """Even if it was opened read-only; one that nobody can change is not reported."""
    path = tmp_path / "stored"
    path.write_bytes(b"as it was")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert probes._changes(descriptor)
    finally:
        os.close(descriptor)


def test_the_mode_of_a_file_is_only_set_to_what_it_is(tmp_path: Path) -> None:
    """With namespaces it is enough that the call works; otherwise the change time shows whether it did."""
    path = tmp_path / "file"
    path.touch(0o640)
    assert probes._attributes({"namespaces": True}, str(path))
    assert path.stat().st_mode & 0o777 == 0o640
    assert not probes._attributes({"namespaces": True})


def test_a_number_that_is_another_process_is_no_way_to_ours() -> None:
    """In a PID namespace of its own the kernel sees other processes under the same numbers."""
    assert not probes._host_signal({"pid": os.getpid(), "started": "1"})
    assert not probes._host_memory({"pid": os.getpid(), "started": "1"})
    ours = {"pid": os.getpid(), "started": probes._start_time(os.getpid())}
    assert probes._host_signal(ours)
    assert probes._host_memory(ours)
    assert not probes._init_signal({"namespaces": True})
