"""Runs code in a process of its own, by the kernels' own Python where it needs their libraries.

told = run("from inside import paths; print(paths.FRAME)")
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import KERNEL_PYTHON, ROOT

PATIENCE = 120  # seconds, which only a hang takes


def run(code: str, *arguments: str, cwd: Path | None = None, ours: bool = False) -> str:
    """What the code prints; `inside` can be imported. `ours` runs it by the Python of the tests."""
    done = subprocess.run(
        [sys.executable if ours else KERNEL_PYTHON, "-c", code, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT / "kernels"), "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
