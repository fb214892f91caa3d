"""Files without a name are found wherever a process keeps them, and no process makes a look take long."""

import os
import shutil
from pathlib import Path

import pytest

from kernels.inside.procfs import tree
from kernels.sandbox.limits import objects, usage
from kernels.sandbox.limits.processor_time import Spent
from kernels.sandbox.limits.usage import CROWDED, UNCOUNTABLE, hidden, pieces
from tests.kernels.sandbox.limits.trees import CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, init, without

LARGE = 4_000_000
MAPPED = """
    import mmap
    libc = ctypes.CDLL(None)
    for number in range(NUMBER):
        file = os.open(f"mapped {number}", os.O_CREAT | os.O_RDWR)
        os.write(file, b"x" * SIZE)
        os.unlink(f"mapped {number}")
        libc.mmap(None, ctypes.c_size_t(4096), 3, 1, file, ctypes.c_long(0))
        os.close(file)"""
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at what another process has mapped")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes are started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mapping(number: int, size: int = LARGE) -> str:
    """Code that maps the first page of this many files, and keeps nothing else of them."""
    return MAPPED.replace("NUMBER", str(number)).replace("SIZE", str(size))


@ROOT
def test_a_deleted_file_that_is_mapped_counts_in_full() -> None:
    """However little of it is mapped: the disk keeps all of it."""
    with init(mapping(3)) as pid:
        assert 3 * LARGE <= hidden(tree(pid), [Path.cwd()], mapped=True) < 4 * LARGE
        assert hidden(tree(pid), [Path.cwd()], mapped=False) < LARGE


@ROOT
def test_a_mapped_file_with_another_name_is_not_hidden() -> None:
    """It is counted where it lies, although the name it was mapped by is gone."""
    with init(mapping(1).replace("os.unlink(f", "os.link(f\"mapped {number}\", 'b'); os.unlink(f")) as pid:
        assert hidden(tree(pid), [Path.cwd()], mapped=True) < LARGE


def test_of_files_that_nobody_may_look_at_there_are_few() -> None:
    """Only root can tell their size: more than a few are too many and, in a shortage, even one is."""
    with init(mapping(usage.UNSEEN)) as pid, without(CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE):
        assert hidden(tree(pid), [Path.cwd()], mapped=True) == usage.UNSEEN * 4096
        assert hidden(tree(pid), [Path.cwd()], mapped=True, doubt=False) == UNCOUNTABLE
    with init(mapping(usage.UNSEEN + 1)) as pid, without(CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE):
        assert hidden(tree(pid), [Path.cwd()], mapped=True) == UNCOUNTABLE


def test_in_a_shortage_nobody_has_files_that_may_keep_deleted_folders(workspace: Path) -> None:
    """However small: a parent folder stays on the disk. What is in memory is on no disk."""
    quiet = "os.dup2(os.open(os.devnull, os.O_WRONLY), 2)"  # pytest redirects it to a deleted file as well
    code = "os.mkdir('d'); f = open('d/f', 'w'); os.unlink('d/f'); os.rmdir('d')"
    with init(code, before=quiet) as pid:
        for mapped in (True, False):
            assert hidden(tree(pid), [workspace], mapped=mapped) == 0
            assert hidden(tree(pid), [workspace], mapped=mapped, doubt=False) == UNCOUNTABLE
    with init("held = os.memfd_create('x'), open('f', 'w')", before=quiet) as pid:
        assert hidden(tree(pid), [workspace], mapped=True, doubt=False) == 0


def test_a_deleted_folder_that_a_thread_works_in_counts(workspace: Path) -> None:
    """It no longer has files, but is as large on the disk as all their names were."""
    code = """
    os.mkdir("f"); os.chdir("f")
    for number in range(2000): open(f"{number:0240}", "w").close()
    for number in range(2000): os.unlink(f"{number:0240}")
    os.rmdir("../f")"""
    with init(code) as pid:
        if (room := os.stat(f"/proc/{tree(pid)[1]}/cwd").st_blocks * 512) < 2000 * 240:
            pytest.skip("this file system gives the room of names back")
        assert hidden(tree(pid), [workspace], mapped=True) == room
        assert hidden(tree(pid), [workspace], mapped=False) == 0
    thread = code.replace("os.chdir", "ctypes.CDLL(None).unshare(0x200); os.chdir").replace(
        "\n    ", "\n        "
    )
    work = f"""
    def work():{thread}
        time.sleep(100)
    threading.Thread(target=work, daemon=True).start()
    while not os.path.exists("f"): time.sleep(0.001)
    while os.path.exists("f"): time.sleep(0.001)"""
    with init(work) as pid:  # no two folders need quite the same number of blocks
        assert 2000 * 240 <= hidden(tree(pid), [workspace], mapped=True) <= 2 * room


def test_a_deleted_program_that_runs_counts_in_full() -> None:
    """None of it is open, and only the parts that ran are mapped."""
    program = Path("program")
    shutil.copyfile(shutil.which("sleep") or "", program)
    program.chmod(0o700)
    with program.open("ab") as file:
        file.write(bytes(range(256)) * (LARGE // 256 + 1))
    with init("import subprocess; subprocess.Popen(['./program', '100'])") as pid:
        assert hidden(tree(pid), [Path.cwd()], mapped=False) == 0
        program.unlink()
        assert LARGE <= hidden(tree(pid), [Path.cwd()], mapped=False) < 2 * LARGE


def test_a_deleted_program_whose_path_is_too_long_to_be_told_counts_too() -> None:
    """Nested folders make such a path possible."""
    code = f"""import shutil, subprocess
    for _ in range(20):
        os.mkdir("d" * 250); os.chdir("d" * 250)
    shutil.copyfile({shutil.which("sleep")!r}, "program")
    os.chmod("program", 0o700)
    open("program", "ab").write(b"x" * {LARGE})
    subprocess.Popen(["./program", "100"])
    os.unlink("program")"""
    with init(code) as pid:
        assert LARGE <= hidden(tree(pid), [Path.cwd()], mapped=False) < 2 * LARGE


def test_what_an_upgrade_has_deleted_is_nobodys(workspace: Path) -> None:
    """A running program or a mapped library from elsewhere: no kernel is ended for them."""
    program = Path("program")
    shutil.copyfile(shutil.which("sleep") or "", program)
    program.chmod(0o700)
    with init("import subprocess; subprocess.Popen(['./program', '100'])" + mapping(usage.UNSEEN + 1)) as pid:
        program.unlink()
        assert hidden(tree(pid), [workspace / "other"], mapped=True) == 0
        assert hidden(tree(pid), [workspace / "other", workspace], mapped=True) > 0


def test_very_many_files_are_uncountable(workspace: Path) -> None:
    """Empty files take room that no size tells."""
    for number in range(10):
        (workspace / str(number)).touch()
    assert usage.size(workspace, most_entries=10) < UNCOUNTABLE
    (workspace / "one more").touch()
    assert usage.size(workspace, most_entries=10) == UNCOUNTABLE


@pytest.mark.parametrize(("forks", "too_many"), [(30, False), (usage.MOST_OPEN // 600, True)])
def test_very_many_open_files_are_not_looked_at_to_the_end(forks: int, *, too_many: bool) -> None:
    """Whoever has that many has too many, in whichever process they are."""
    code = f"""held = [os.open("/dev/null", os.O_RDONLY) for _ in range(600)]
    [os.fork() or time.sleep(100) for _ in range({forks})]"""
    with init(code) as pid:
        pids = tree(pid)
        assert hidden(pids, [Path.cwd()], mapped=False) == (UNCOUNTABLE if too_many else 0)
        assert objects.in_flight(pids, alone=False) == too_many


def test_no_more_is_read_of_what_is_mapped_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process can have 65,530 areas, of a file with a path of 4 KiB: 260 MB of text."""
    code = """
    for _ in range(14): os.makedirs("d" * 250, exist_ok=True); os.chdir("d" * 250)
    file = os.open("f", os.O_CREAT | os.O_RDWR)
    os.truncate(file, 4096)
    libc = ctypes.CDLL(None)
    for number in range(NUMBER): libc.mmap(None, ctypes.c_size_t(4096), 1 + 2 * (number & 1), 2, file, 0)"""
    read, total = os.read, [0]

    def counting(descriptor: int, size: int) -> bytes:
        piece = read(descriptor, size)
        total[0] += len(piece)
        return piece

    with init(code.replace("NUMBER", "4000")) as pid:
        assert hidden(tree(pid), [Path.cwd()], mapped=True) == 0
    with init(code.replace("NUMBER", "5000")) as pid:
        pids = tree(pid)
        monkeypatch.setattr("kernels.sandbox.limits.usage.os.read", counting)
        assert hidden(pids, [Path.cwd()], mapped=True) == UNCOUNTABLE
        assert objects.kept(pids, alone=False, passed=0, thorough=True) == UNCOUNTABLE
        assert usage.MOST_MAPS < total[0] < 3 * (usage.MOST_MAPS + usage.PIECE)


@pytest.mark.parametrize(("number", "forks", "too_many"), [(3000, 3, False), (usage.MOST_AREAS, 0, True)])
def test_a_process_with_very_many_areas_of_memory_is_told(number: int, forks: int, *, too_many: bool) -> None:
    """Each for itself: many processes with a few thousand are none."""
    code = f"""libc = ctypes.CDLL(None)
    for n in range({number}): libc.mmap(None, ctypes.c_size_t(4096), 1 + 2 * (n & 1), 0x22, -1, 0)
    for _ in range({forks}): os.fork() or time.sleep(100)"""
    with init(code) as pid:
        pids = tree(pid)
        assert hidden(pids, [Path.cwd()], mapped=True) == (CROWDED if too_many else 0)
        assert hidden(pids, [Path.cwd()], mapped=False) == 0


@ROOT
@pytest.mark.parametrize(("number", "too_many"), [(900, False), (usage.MOST_NAMELESS + 1, True)])
def test_many_mapped_files_without_a_name_are_too_many(number: int, *, too_many: bool) -> None:
    """Each costs a look of its own."""
    with init(mapping(number, size=10)) as pid:
        assert (hidden(tree(pid), [Path.cwd()], mapped=True) == UNCOUNTABLE) == too_many


def test_a_large_honest_program_is_counted() -> None:
    """With 5,000 memory areas and 500 open files in four processes, it is far from every bound."""
    code = """libc = ctypes.CDLL(None)
    file = os.open(sys.executable, os.O_RDONLY)
    for number in range(5000): libc.mmap(None, ctypes.c_size_t(4096), 1 + 2 * (number & 1), 2, file, 0)
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(500)]
    for _ in range(3): os.fork() or time.sleep(100)"""
    with init(code) as pid:
        assert hidden(tree(pid), [Path.cwd()], mapped=True) == 0
        assert objects.kept(tree(pid), alone=False, passed=0, thorough=True) < 20 << 20


NAMES = "\r\v\f\x1c\x1d\x1e\x85\n\u2028"  # where text has line ends


@pytest.mark.parametrize("end", [*NAMES, ") R 0 ("])
def test_no_name_of_a_process_changes_what_is_told_of_it(workspace: Path, end: str) -> None:
    """The name is the first line of `status`, and precedes the numbers in `stat`."""
    code = "held = bytearray(30_000_000)\n    ctypes.CDLL(None).prctl(15, NAME, 0, 0, 0)"
    name = f"a{end}VmPTE:".encode("latin-1" if end == "\x85" else "utf-8")
    with init(code.replace("NAME", repr(name))) as pid:
        pids = tree(pid)
        held = usage.memory(pids)
        assert held[pids[1]] > 30_000_000
        assert usage.exactly(held) > 30_000_000
        assert hidden(pids, [workspace], mapped=True) == 0
        assert usage.threads(pids) == 2
        assert objects.kept(pids, alone=False, passed=0, thorough=True) > 0
        spent = Spent()
        assert spent.look(pids) == spent.look(pids) == 0
        assert usage.live(pids[1]) == Path("/proc") / str(pids[1])


def test_lines_are_given_whole(workspace: Path) -> None:
    """However a read splits them; the last line may lack its end."""
    lines = [b"%d" % number * (number % 200) for number in range(3000)]
    (workspace / "file").write_bytes(b"\n".join(lines))
    given = list(pieces(str(workspace / "file")))
    assert len(given) > 5
    assert b"".join(given) == b"\n".join(lines)
    assert all(piece.endswith(b"\n") for piece in given[:-1])
    assert list(pieces(str(workspace / "none"))) == []
