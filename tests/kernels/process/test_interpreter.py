"""A Python that cannot run kernels is recognised, with the reason, before anything is started with it."""

import sys
from pathlib import Path

import pytest

from kernels.errors import Misconfigured
from kernels.process.interpreter import ask
from tests.conftest import KERNEL_PYTHON


def program(folder: Path, *lines: str) -> Path:
    """A shell script as a program."""
    path = folder / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


def test_a_python_with_ipykernel_is_taken_and_says_what_it_lacks() -> None:
    """A package's modules are looked for by way of the package."""
    assert ask(KERNEL_PYTHON, ["numpy", "nosuch", "matplotlib.pyplot", "nosuch.part"]) == [
        "nosuch",
        "nosuch.part",
    ]


def test_what_is_no_python_is_told(tmp_path: Path) -> None:
    """A program that is something else, one that fails, and a file that is no program."""
    for path in (Path("/bin/ls"), program(tmp_path, "exit 3"), program(tmp_path, "echo '[]'")):
        with pytest.raises(
            Misconfigured, match=rf"^KERNEL_PYTHON is {path}, which is no Python that works\.$"
        ):
            ask(path)
    (tmp_path / "python").write_text("no program")
    with pytest.raises(Misconfigured, match="which cannot be run: Exec format error"):
        ask(tmp_path / "python")


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    """The error has both versions."""
    old = program(tmp_path, "echo '[[3, 11], []]'")
    with pytest.raises(Misconfigured, match=r"which is Python 3\.11: kernels need 3\.12 or newer"):
        ask(old)


def test_a_python_without_ipykernel_is_told() -> None:
    """The Python of the tests has none."""
    with pytest.raises(Misconfigured, match="which has no ipykernel: install it there"):
        ask(Path(sys.executable))
