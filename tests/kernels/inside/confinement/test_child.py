"""A temporary folder left by an earlier kernel: a new kernel does not wait for its removal."""

import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[4]
PYTHON = REPOSITORY / ".venv-kernels" / "bin" / "python"
PROGRAM = """
import os, time
from kernels.inside.confinement import child

def held(path):
    # A person's cells run meanwhile.
    end = time.monotonic() + 60
    while not os.path.exists(os.path.join(os.environ["HOME"], "go")) and time.monotonic() < end:
        time.sleep(0.01)
    cleared(path)

cleared, child._clear = child._clear, lambda path: held(path) if ".tmp." in path else cleared(path)
child.WAIT = 0.5
begun = time.monotonic()
matplotlib = os.path.join(os.environ["TMPDIR"], "matplotlib")
child._settle(os.environ["TMPDIR"], matplotlib, over="OVER" in os.environ)
assert time.monotonic() - begun >= 0.5 or "OVER" not in os.environ
print(os.listdir(os.environ["TMPDIR"]), sum(".tmp." in name for name in os.listdir(os.environ["HOME"])))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""


def settled(home: Path, program: str = PROGRAM, **more: str) -> str:
    """What a kernel finds when it starts in this workspace."""
    environment = {
        "HOME": str(home),
        "TMPDIR": str(home / ".tmp"),
        "IPYTHONDIR": str(home / ".tmp" / ".ipython"),
        "VIRTUAL_ENV": str(home / "none"),
    } | more
    ended = subprocess.run(
        [PYTHON, "-c", program],
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout


def gone(home: Path) -> None:
    """Wait until everything that was put aside is removed."""
    deadline = time.monotonic() + 60
    while any(home.glob(".tmp.*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_many_files_of_an_earlier_kernel_are_removed_later(tmp_path: Path) -> None:
    """They are renamed at once, even in closed folders; what removes them is no child of the kernel."""
    for number in range(30):
        deep = tmp_path / ".tmp" / f"k{number}" / "/".join("e" * 10)
        deep.mkdir(parents=True)
    (tmp_path / ".tmp" / "k1").chmod(0)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "x").touch()
    (tmp_path / ".tmp" / "link").symlink_to("../kept")
    (tmp_path / ".tmp.00000001").mkdir(mode=0)
    for number in range(300):
        (tmp_path / ".tmp.00000002").mkdir(exist_ok=True)
        (tmp_path / ".tmp.00000002" / str(number)).touch()
    told = settled(tmp_path)
    assert told.splitlines()[0].startswith("[] ")
    assert int(told.splitlines()[0].split()[1]) >= 2
    assert told.splitlines()[1] == "no child"
    (tmp_path / "go").touch()
    gone(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp", "go", "kept"]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["x"]


def test_a_few_files_are_removed_at_once(tmp_path: Path) -> None:
    """No process is needed for that; a link or a file in the folder's place is itself removed."""
    (tmp_path / ".tmp" / "a" / "b").mkdir(parents=True)
    (tmp_path / ".tmp.00000001").symlink_to("/")
    (tmp_path / ".tmp.00000002").touch()
    assert settled(tmp_path) == "[] 0\nno child\n"


def test_a_workspace_over_its_limit_is_waited_for(tmp_path: Path) -> None:
    """For a while: otherwise a kernel could be ended because of the previous one's files."""
    (tmp_path / ".tmp").mkdir()
    for number in range(300):
        (tmp_path / ".tmp" / str(number)).touch()
    assert settled(tmp_path, OVER="1") == "[] 1\nno child\n"
    (tmp_path / "go").touch()
    gone(tmp_path)
    for number in range(300):
        (tmp_path / ".tmp" / str(number)).touch()
    program = PROGRAM.replace("child.WAIT = 0.5", "child.WAIT = 60").replace("assert", "True or")
    assert settled(tmp_path, program, OVER="1") == "[] 0\nno child\n"
