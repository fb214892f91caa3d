"""The temporary folder that an earlier kernel has left: a new kernel does not wait until it is removed."""

import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv-kernels" / "bin" / "python"
PROGRAM = """
import os, time
from kernels.inside import child

def held(path):
    # A person's cells run meanwhile.
    while not os.path.exists(os.path.join(os.environ["HOME"], "go")):
        time.sleep(0.01)
    cleared(path)

cleared, child._clear = child._clear, lambda path: held(path) if ".tmp." in path else cleared(path)
child._settle(os.environ["TMPDIR"], os.path.join(os.environ["TMPDIR"], "matplotlib"))
print(os.listdir(os.environ["TMPDIR"]), sum(".tmp." in name for name in os.listdir(os.environ["HOME"])))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""


def settled(home: Path) -> str:
    """What a kernel finds that begins in this workspace."""
    environment = {
        "HOME": str(home),
        "TMPDIR": str(home / ".tmp"),
        "IPYTHONDIR": str(home / ".tmp" / ".ipython"),
        "VIRTUAL_ENV": str(home / "none"),
    }
    program = subprocess.run(
        [PYTHON, "-c", PROGRAM],
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return program.stdout


def test_many_files_of_an_earlier_kernel_are_removed_later(tmp_path: Path) -> None:
    """They get another name at once, and closed folders are no hindrance; the kernel has no child of it."""
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
    deadline = time.monotonic() + 60
    while sorted(path.name for path in tmp_path.iterdir()) != [".tmp", "go", "kept"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["x"]


def test_a_few_files_are_removed_at_once(tmp_path: Path) -> None:
    """No process is needed for that; a link or a file in their place is removed as itself."""
    (tmp_path / ".tmp" / "a" / "b").mkdir(parents=True)
    (tmp_path / ".tmp.00000001").symlink_to("/")
    (tmp_path / ".tmp.00000002").touch()
    assert settled(tmp_path) == "[] 0\nno child\n"
