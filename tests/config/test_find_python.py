"""The search for a Python: candidates are run, and if none will do, the person is told what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

THIS = os.path.realpath(sys.executable)
SHIM = "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n"
OLD = "#!/bin/sh\nexit 1\n"  # fails the version check, as an old Python does
RIGHT = f'#!/bin/sh\nexec "{THIS}" "$@"\n'


class Machine:
    """A machine whose PATH has only the programs added here."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.script = root / "config" / "find-python"
        self.folder = folder

    def add(self, path: str, text: str) -> None:
        """Add a program."""
        program = self.folder / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def search(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Look for a Python as make does."""
        env = {"PATH": str(self.folder / "bin"), "HOME": str(self.folder)} | environment
        command = ["/bin/sh", self.script]
        return subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> Machine:
    """A machine without any Python."""
    return Machine(root, tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "bin/python3",
        "bin/python3.13",
        "bin/python3.12",
        ".venv/bin/python",
        ".pyenv/versions/3.12.1/bin/python",
    ],
)
def test_python_is_found_where_it_may_be(machine: Machine, path: str) -> None:
    """In PATH under its usual names, in pyenv's versions, or as the one that made .venv."""
    machine.add(path, RIGHT)
    assert machine.search().stdout.strip() == THIS


def test_shim_that_fails_is_passed_over(machine: Machine) -> None:
    """A pyenv shim called python3.12 may exist and still fail to run; an old python3 is too old."""
    machine.add("bin/python3", OLD)
    machine.add("bin/python3.12", SHIM)
    machine.add(".pyenv/versions/3.12.1/bin/python", RIGHT)
    found = machine.search()
    assert (found.stdout.strip(), found.stderr) == (THIS, "")


def test_own_choice_comes_first_and_is_not_replaced(machine: Machine) -> None:
    """$PYTHON is used, or refused with a sentence; no other Python silently takes its place."""
    machine.add("bin/python3", RIGHT)
    machine.add("mine", OLD)
    refused = machine.search(PYTHON=str(machine.folder / "mine"))
    assert refused.returncode == 1
    assert "which is not a Python 3.12 or newer" in refused.stderr
    assert machine.search(PYTHON=THIS).stdout.strip() == THIS


def test_no_python_says_what_to_install(machine: Machine) -> None:
    """It is one sentence, with the command for this system."""
    machine.add("bin/apt-get", "#!/bin/sh\n")
    found = machine.search()
    assert (found.returncode, found.stdout) == (1, "")
    assert "needs Python 3.12 or newer and found none" in found.stderr
    assert "sudo apt-get install python3 python3-venv" in found.stderr
