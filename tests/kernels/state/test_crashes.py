"""A program that is killed at any moment leaves the newest save whole."""

import subprocess
import sys
from pathlib import Path


def test_a_killed_program_leaves_whole_saves(tmp_path: Path, root: Path) -> None:
    """Killed 25 times while it saves: what was acknowledged is there, and nothing stays of what was not."""
    run = [sys.executable, "-m", "tests.kernels.state.crashing_program", str(tmp_path / "states"), "25"]
    done = subprocess.run(run, check=False, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    saves, half = map(int, done.stdout.split())
    assert saves >= 25
    assert half > 0, "no kill came while something was being written"
