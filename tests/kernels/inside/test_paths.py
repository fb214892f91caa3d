"""Errors and warnings contain no paths of the machine: a library's path begins at its package."""

import json
import sysconfig
import warnings

import pytest

from kernels.inside import paths
from tests.conftest import ROOT


def test_a_path_of_a_library_begins_at_its_package() -> None:
    """Even that of Python's standard library, and of our own code."""
    line = f'File "{sysconfig.get_path("purelib")}/pandas/core/frame.py", line 3, in f'
    assert paths.shortened(line) == 'File "site-packages/pandas/core/frame.py", line 3, in f'
    assert paths.shortened(json.__file__).startswith("python3.")
    assert paths.shortened(f"{ROOT}/kernels/inside/shell.py") == "kernelcord/inside/shell.py"


@pytest.mark.parametrize(
    ("line", "short"),
    [
        (
            '  File "/x/lib/python3.11/site-packages/a.py", line 1, in f',
            '  File "site-packages/a.py", line 1, in f',
        ),
        (
            '  | File "/usr/lib/python3.11/json/a.py", line 1',
            '  | File "/usr/lib/python3.11/json/a.py", line 1',
        ),
        ('  |   File "/usr/lib/python3.11/json/a.py", line 1', '  |   File "python3.11/json/a.py", line 1'),
        (
            '  File "/workspace/lib/python3.11/a.py", line 1',
            '  File "/workspace/lib/python3.11/a.py", line 1',
        ),
        ('say "/x/lib/python3.11/a.py"', 'say "/x/lib/python3.11/a.py"'),
    ],
)
def test_in_text_only_the_lines_of_tracebacks_change(line: str, short: str) -> None:
    """Whichever Python they come from; the person's own files and words stay as they are."""
    assert paths.in_tracebacks(f"before\n{line}\nafter") == f"before\n{short}\nafter"


def test_a_long_path_takes_no_long_time() -> None:
    """Somebody can print any number of such paths."""
    text = f'  File "/{"site-packages" * 300}", line 1\n' * 1000
    assert paths.in_tracebacks(text).count("File") == 1000


def test_a_warning_has_a_short_path_and_its_line() -> None:
    """The line of code is still found by the full path."""
    told = paths.warning("old", DeprecationWarning, json.__file__, 1)
    assert told.startswith("python3.")
    assert told.splitlines()[0].endswith("json/__init__.py:1: DeprecationWarning: old")
    assert len(told.splitlines()) == 2
    assert warnings.formatwarning is not paths.warning  # in this process; a kernel's shell changes it
