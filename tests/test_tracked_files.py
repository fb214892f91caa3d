"""What no file of the project may contain: a package index's address, or a path of somebody's machine."""

import re
import subprocess
from pathlib import Path

import pytest

# Put together from parts, so that this file does not match.
INDEX_HOSTS = ("pypi" + r"\.org", "files" + r"\.pythonhosted", "pypi" + r"\.python\.org")
# Except what other services, and our kernels, call a working folder (`kernels.inside.files.elsewhere`).
OWN_PATHS = ("/ho" + r"me/(?!user\b|jovyan\b)\w", "/Use" + r"rs/\w", "/ro" + r"ot/\.", "/wo" + "rk/")
FORBIDDEN = re.compile("|".join((*INDEX_HOSTS, *OWN_PATHS)))


def tracked(root: Path) -> list[Path]:
    """The files that git keeps."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_an_index_or_a_machine(root: Path) -> None:
    """Packages come from wherever pip is told to look, and the project runs from any folder."""
    if not (root / ".git").exists():
        pytest.skip("this is not a git checkout, so nothing is tracked")
    files = [path for path in tracked(root) if path.is_file()]
    assert files
    found = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := FORBIDDEN.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {match[0]}")
    assert found == []


@pytest.mark.parametrize(
    "line", ["--index-url https://pypi" + ".org/simple", "DATA = '/ho" + "me/ann/data'", "cd /Use" + "rs/ann"]
)
def test_planted_line_is_found(line: str) -> None:
    """The patterns match the lines that they are meant for."""
    assert FORBIDDEN.search(line)
