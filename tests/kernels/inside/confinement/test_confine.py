"""What a process does to itself, as far as any user may; `tests/attacks` tries the whole."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from kernels.inside.confinement import confine
from tests.kernels.inside.kernel_python import run

CODE = """
import ctypes, json, os, time
from inside.confinement import confine

def read(path):
    with open(path) as file:
        return file.read().strip()

nice = os.nice(0)
told = {"dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}
confine.end_first()
told["first to end"] = int(read("/proc/self/oom_score_adj"))
confine.give_way()
told["nice"] = os.nice(0) - nice
confine.adopt()
reading, writing = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.read(reading, 1)
    os._exit(0)
os.wait()
os.write(writing, b".")
told["adopted"] = os.waitstatus_to_exitcode(os.wait()[1])
confine.hide()
told["hidden"] = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(json.dumps(told))
"""


BOUND = """
import ctypes, errno, json, os, sys
from inside.confinement import confine

uid, gid = os.geteuid(), os.getegid()
try:
    confine._call("unshare", confine.CLONE_NEWNS | (confine.CLONE_NEWUSER if uid else 0))
except OSError as error:
    print(json.dumps(None))
    sys.exit()
if uid:
    for file, text in ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"):
        confine._write(f"/proc/self/{file}", text)
confine._mount("", "/", "", confine.MS_REC | confine.MS_PRIVATE)
source, target, refusal = sys.argv[1:]
call = confine._call

def older(name, *arguments):
    if refusal and arguments[:1] == (confine.MOUNT_SETATTR,):
        raise OSError(getattr(errno, refusal), refusal)
    return call(name, *arguments)

confine._call = older
if refusal:
    confine._make("bind", source, target, "ro")
    try:
        open(f"{target}/new", "w").close()
        print(json.dumps("written"))
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno]))
    call("umount2", target.encode(), confine.MNT_DETACH)
confine._mount("tmpfs", f"{source}/below", "tmpfs", 0, "mode=777")
if refusal:
    try:
        confine._make("bind", source, target, "ro")
        print(json.dumps("bound"))
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno]))
    sys.exit()
confine._make("bind", source, target, "ro")
refused = []
for path in (f"{target}/new", f"{target}/below/new"):
    try:
        open(path, "w").close()
        refused.append("")
    except OSError as error:
        refused.append(errno.errorcode[error.errno])
flags = os.statvfs(f"{target}/below").f_flag
found = {"nosuid": bool(flags & os.ST_NOSUID), "nodev": bool(flags & confine.MS_NODEV)}
print(json.dumps({"refused": refused, **found}))
"""


def places(folder: Path) -> tuple[str, str]:
    """A folder that contains another, and a mount point for it whose name Linux escapes in octal."""
    source, target = folder / "source", folder / "a \\ target"
    (source / "below").mkdir(parents=True)
    target.mkdir()
    return str(source), str(target)


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
def test_mounts_below_a_bound_folder_are_read_only_too(tmp_path: Path) -> None:
    """Otherwise, where a disk is mounted below /usr, kernels could write to its world-writable folders."""
    told = json.loads(run(BOUND, *places(tmp_path), "", ours=True))
    if told is None:
        pytest.skip("no mount namespaces here")
    assert told == {"refused": ["EROFS", "EROFS"], "nosuid": True, "nodev": True}


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
@pytest.mark.parametrize("refusal", ["ENOSYS", "EPERM"])
def test_without_the_call_for_it_a_folder_with_mounts_below_it_is_not_bound(
    tmp_path: Path, refusal: str
) -> None:
    """Others are bound. Linux before 5.12 and equally old filters do not know the call."""
    told = [json.loads(line) for line in run(BOUND, *places(tmp_path), refusal, ours=True).splitlines()]
    if told == [None]:
        pytest.skip("no mount namespaces here")
    assert told == ["EROFS", refusal]


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
def test_a_process_gives_way_hides_and_adopts() -> None:
    """It is the first to be killed, has low priority, and adopts the orphans of its children."""
    told = json.loads(run(CODE, ours=True))
    assert told["first to end"] >= confine.FIRST_TO_END
    assert told["nice"] == confine.HALF_SHARE
    assert told["adopted"] == 0
    assert (told["dumpable"], told["hidden"]) == (1, 0)


def test_no_rules_are_none() -> None:
    """A tier without Landlock has none to apply."""
    assert confine.ruleset(None) is None
    confine.rule(None)


@pytest.mark.parametrize("knows_flags", [True, False])
def test_what_landlock_refuses_is_not_logged_where_it_would_be(
    monkeypatch: pytest.MonkeyPatch, knows_flags: bool
) -> None:
    """From Linux 6.15 on, each refusal would be in the machine's audit log; earlier ones know no flags."""
    asked: list[int] = []

    def restrict(_name: str, number: int, _ruleset: int, flags: int) -> int:
        assert number == confine.LANDLOCK_RESTRICT
        asked.append(flags)
        if flags and not knows_flags:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return 0

    monkeypatch.setattr(confine, "_call", restrict)
    ours = os.open(os.devnull, os.O_RDONLY)
    confine.rule(ours)
    assert asked == ([1] if knows_flags else [1, 0])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ours)


def test_rules_that_cannot_be_applied_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs half confined, and nothing but a flag that is not known is tried again."""
    asked: list[int] = []

    def refuse(_name: str, _number: int, _ruleset: int, flags: int) -> int:
        asked.append(flags)
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(confine, "_call", refuse)
    with pytest.raises(PermissionError):
        confine.rule(0)
    assert asked == [1]


def test_a_call_that_fails_says_which() -> None:
    """With its arguments; nothing continues half confined."""
    with pytest.raises(OSError, match=r"prctl\(99999, 0, 0\): "):
        confine._call("prctl", 99999, 0, 0, 0, 0)


def test_a_tree_has_files_copies_and_links(tmp_path: Path) -> None:
    """A copy is no longer than the tree has room for; whatever the host lacks is left out."""
    source = tmp_path / "hosts"
    source.write_text("x" * (confine.LARGEST_COPY + 1))
    root = tmp_path / "root"
    confine._make("copy", str(source), f"{root}/etc/hosts", "")
    confine._make("copy", str(tmp_path / "absent"), f"{root}/etc/absent", "")
    confine._make("file", "127.0.0.1 localhost\n", f"{root}/etc/names", "")
    confine._make("link", "usr/bin", f"{root}/bin", "")
    confine._make("bind", str(tmp_path / "absent"), f"{root}/absent", "")
    confine._make_mount_point(str(tmp_path), f"{root}/a/folder")
    confine._make_mount_point(str(source), f"{root}/b/file")
    assert (root / "etc" / "hosts").stat().st_size == confine.LARGEST_COPY
    assert (root / "etc" / "names").read_text() == "127.0.0.1 localhost\n"
    assert os.readlink(root / "bin") == "usr/bin"
    assert (root / "a" / "folder").is_dir()
    assert (root / "b" / "file").is_file()
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["hosts", "names"]
    assert not (root / "absent").exists()
