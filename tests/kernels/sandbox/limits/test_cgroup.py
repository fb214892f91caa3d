"""Control groups: real ones on this machine, and simulated files of version 2."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.limits import Limits, MiB
from kernels.sandbox.limits.cgroup import Group, Groups, unique_name
from tests.descriptors import descriptors, still_open

LIMITS = Limits(memory=48 * MiB, processes=12, cpus=1.5)
NAMES = iter(range(1000))


@pytest.fixture
def groups() -> Iterator[Groups]:
    """Our part of this machine's control groups."""
    found = Groups.found(f"kernelcord-test-{id(object())}-{next(NAMES)}")
    if found is None:
        pytest.skip("this user may make no control groups here")
    yield found
    found.close()
    assert not any(folder.exists() for folder in found.folders.values())


@pytest.fixture
def group(groups: Groups) -> Iterator[Group]:
    """A kernel's group."""
    made = groups.make("kernel", LIMITS)
    yield made
    made.close()
    made.remove()
    assert not any(folder.exists() for folder in made.folders)


def program(code: str) -> subprocess.Popen[bytes]:
    """A program that starts its work when its input closes."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import os, sys, time; sys.stdin.read(); {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_what_a_process_starts_is_in_its_group(groups: Groups) -> None:
    """The children of a process in the group are in it too, and cannot escape."""
    made = groups.make("kernel", LIMITS)
    with program("print(open('/proc/self/cgroup').read() if os.fork() == 0 else '', flush=True)") as one:
        made.add_process(one.pid)
        output, _ = one.communicate(timeout=30)
    assert "/kernel\n" in output.decode()
    made.remove()


def test_too_much_memory_is_death_and_proof(group: Group) -> None:
    """The system kills what takes more than the limit, and leaves a record of it."""
    assert (group.killed, group.at_its_limit) == (0, False)
    with program("x = b'x' * (200 << 20); print(len(x))") as one:
        group.add_process(one.pid)
        output, _ = one.communicate(timeout=30)
    assert (one.returncode, output) == (-9, b"")
    assert (group.killed, group.at_its_limit) == (1, True)


def test_connections_hold_no_more_than_their_limit(groups: Groups, group: Group) -> None:
    """In version 1 TCP's buffers do not count as the group's memory, and have a limit of their own."""
    told = groups.folders.get("memory", Path()) / group.folders[0].name / "memory.kmem.tcp.limit_in_bytes"
    if not told.exists():
        pytest.skip("no control groups of version 1, or a Linux without this limit")
    assert int(told.read_text()) == min(LIMITS.memory, 64 * MiB)


def test_too_many_processes_are_refused(group: Group) -> None:
    """fork fails at the limit."""
    with program("[os.fork() or time.sleep(60) for _ in range(50)]") as one:
        assert one.stdin is not None
        group.add_process(one.pid)
        one.stdin.close()
        assert one.wait(timeout=30) == 1
    left = (group.folders[0] / "cgroup.procs").read_text().split()
    assert len(left) == LIMITS.processes - 1
    for pid in left:
        os.kill(int(pid), signal.SIGKILL)


def test_removal_waits_for_the_last_process(groups: Groups) -> None:
    """A group of killed processes can be removed as soon as they are gone."""
    made = groups.make("kernel", LIMITS)
    with program("") as one:
        made.add_process(one.pid)
        one.kill()
        made.remove()
        assert not made.folders[0].exists()


def test_a_group_that_keeps_a_process_is_left_and_said(
    groups: Groups, caplog: pytest.LogCaptureFixture
) -> None:
    """Removal is given up after a while, with a line in the log; closing our part takes it later."""
    made = groups.make("kernel", LIMITS)
    with program("") as one:
        made.add_process(one.pid)
        made.remove(seconds=0.0)
        assert "is left behind" in caplog.text
        one.kill()


def test_removing_again_does_nothing(groups: Groups) -> None:
    """A group that is gone is no error."""
    made = groups.make("kernel", LIMITS)
    made.remove()
    made.remove()


def test_a_limit_that_cannot_be_set_is_an_error_that_leaves_no_group(groups: Groups) -> None:
    """Nothing runs in a group without its limits."""
    with pytest.raises(OSError, match="Invalid argument"):
        groups.make("kernel", Limits(memory=-5))
    assert not any((folder / "kernel").exists() for folder in groups.folders.values())


@contextlib.contextmanager
def owner(name: str, member: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose part has this name, with a process in a kernel's group; it is killed at the end."""
    code = f"""
from kernels.limits import Limits
from kernels.sandbox.limits.cgroup import Groups
group = Groups.found({name!r}).make("kernel", Limits())
if {member}: group.add_process({member})
print("ready", flush=True)
import time; time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def parts(groups: Groups, name: str) -> list[bool]:
    """Whether each hierarchy has a part of this name."""
    return [(folder.parent / name / "kernel").exists() for folder in groups.folders.values()]


def test_what_killed_programs_have_left_is_removed_by_the_next(groups: Groups) -> None:
    """However many there were; a living program keeps its part, and no other name is touched."""
    dead, living = [unique_name() for _ in range(4)], unique_name()
    stranger = groups.folders[min(groups.folders)].parent / f"kernelcord-{os.getpid()}-0000"
    stranger.mkdir()
    try:
        with owner(living):
            with contextlib.ExitStack() as stack:
                for name in dead:
                    stack.enter_context(owner(name))
                assert all(all(parts(groups, name)) for name in dead)
            # From here on any other program of ours, such as another test, may remove them too.
            with owner(unique_name()):
                assert not any(any(parts(groups, name)) for name in dead)
                assert all(parts(groups, living))
                assert stranger.exists()
    finally:
        stranger.rmdir()
    groups._clear()
    assert not any(parts(groups, living))


def test_a_part_with_a_process_in_it_stays(groups: Groups) -> None:
    """A kernel left running on purpose is no leftover; its part goes once it has ended."""
    name = unique_name()
    with program("") as kernel:
        with owner(name, kernel.pid):
            pass
        groups._clear()
        assert all(parts(groups, name))
        kernel.kill()
    groups._clear()
    assert not any(parts(groups, name))


@pytest.mark.parametrize("step", ["open", "flock"])
def test_a_part_that_is_removed_before_it_is_locked_is_made_again(
    groups: Groups, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Another program that cleans up may come before either step."""
    module = {"open": os, "flock": fcntl}[step]
    take, taken = getattr(module, step), list[str]()

    def removed_before(what: Path | int, *args: int) -> object:
        if not taken and (isinstance(what, int) or what in expected):
            taken.append(str(what) if step == "open" else os.readlink(f"/proc/self/fd/{what}"))
            os.rmdir(taken[0])
        return take(what, *args)

    name = unique_name()
    expected = {folder.parent / name for folder in groups.folders.values()}
    before = descriptors()
    monkeypatch.setattr(module, step, removed_before)
    found = Groups.found(name)
    assert found is not None
    assert all(folder.exists() for folder in found.folders.values())
    assert taken[0] in map(str, found.folders.values())
    found.close()
    assert not still_open(before)


# Version 2, by its files: https://docs.kernel.org/admin-guide/cgroup-v2.html


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Our own group in a tree of version 2, as a container's namespace shows it: it is the root."""
    (tmp_path / "mountinfo").write_text(f"30 23 0:26 / {tmp_path}/tree rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "cgroup").write_text("0::/ours\n")
    ours = tmp_path / "tree" / "ours"
    part = ours / "part"
    part.mkdir(parents=True)
    for folder in (ours, part):
        (folder / "cgroup.controllers").write_text("cpu memory pids\n")
        (folder / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (ours / "cgroup.procs").write_text("1\n")
    return ours


def test_version_2_is_one_folder_with_our_own_processes_in_a_leaf(own: Path, tmp_path: Path) -> None:
    """A group with processes of its own cannot limit groups below it, so they move aside."""
    found = Groups.found("part", proc=tmp_path)
    assert found is not None
    assert found.folders == {"": own / "part"}
    assert (own / "kernelcord-itself" / "cgroup.procs").read_text() == "1"


def test_version_2_limits(own: Path, tmp_path: Path) -> None:
    """Memory, swap, processes and processors are written as version 2 reads them."""
    found = Groups.found("part", proc=tmp_path)
    assert found is not None
    made = found.make("kernel", LIMITS)
    made.add_process(42)
    written = {file.name: file.read_text() for file in (own / "part" / "kernel").iterdir()}
    assert written == {
        "memory.max": str(48 * MiB),
        "memory.swap.max": "0",
        "memory.oom.group": "0",
        "pids.max": "12",
        "cpu.max": "150000 100000",
        "cpu.weight": "50",
        "cgroup.procs": "42",
    }


@pytest.mark.parametrize(("events", "killed"), [("oom 1\noom_kill 0\n", False), ("oom_kill 2\n", True)])
def test_version_2_tells_of_a_kill(own: Path, events: str, killed: bool) -> None:
    """Only kills count, not slowdowns at the limit."""
    (own / "memory.events").write_text(events)
    with contextlib.closing(Group((own,))) as group:
        assert (group.killed > 0) is killed


def test_the_file_that_counts_is_opened_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell asks, and to open the file takes longer than to read it. Once closed, nothing is opened."""
    opened: list[Path] = []
    really = os.open
    monkeypatch.setattr(os, "open", lambda path, *flags: opened.append(path) or really(path, *flags))
    (own / "memory.events").write_text("oom_kill 0\n")
    group = Group((own,))
    assert group.killed == 0
    (own / "memory.events").write_text("oom 1\noom_kill 12\n")
    assert (group.killed, group.at_its_limit) == (12, True)
    group.close()
    group.close()
    assert (group.killed, opened) == (0, [own / "memory.events"])


@pytest.mark.parametrize("missing", ["memory", "pids"])
def test_version_2_without_a_controller_is_none(own: Path, tmp_path: Path, missing: str) -> None:
    """What limits neither memory nor processes is no use."""
    (own / "cgroup.controllers").write_text("cpu memory pids".replace(missing, "io"))
    assert Groups.found("part", proc=tmp_path) is None


def test_version_2_that_is_not_delegated_is_none(own: Path, tmp_path: Path) -> None:
    """Where a controller cannot be switched on for our part there are no groups."""
    (own / "part" / "cgroup.subtree_control").write_text("")
    assert Groups.found("part", proc=tmp_path) is None


def test_without_control_groups_there_are_none(tmp_path: Path) -> None:
    """A machine that has mounted none is no error."""
    (tmp_path / "mountinfo").touch()
    (tmp_path / "cgroup").write_text("0::/\n")
    assert Groups.found("part", proc=tmp_path) is None
