"""A client that subscribes to a kernel's output is told so, at whatever moment it does."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import KERNEL_PYTHON, ROOT

PROGRAM = Path(__file__).with_name("subscribing_program.py")


def test_who_subscribes_while_something_is_sent_to_nobody_is_welcomed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A kernel sends that it starts just when its first client comes, and that client waits for a welcome."""
    folder = tmp_path_factory.mktemp("s")  # with a path short enough for a socket
    told = subprocess.run(
        [KERNEL_PYTHON, PROGRAM, ROOT / "kernels", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.strip() == "iopub_welcome", told.stderr
