"""Kernels of an ordinary user: tiers A and B, each with a table and a plot, and the choice between them."""

import json
import os
import pwd
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.conftest import ROOT

GONE = 10.0  # seconds after which the user's processes must be gone
UNSHARE = ["unshare", "--mount", "--propagation", "private"]


def ordinary(tier: str) -> list[str]:
    """The command that runs `tests.live.tiers.ordinary` as an ordinary user: an unused one if we are root."""
    command = [sys.executable, "-m", "tests.live.tiers.ordinary", tier]
    if os.getuid() != 0:
        return command
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount, so it cannot show the interpreter to another user")
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(number for number in range(61_000, 62_000) if number not in taken)
    return [*UNSHARE, *command, str(uid), str(uid + 1), os.readlink("/proc/self/ns/mnt")]


def owner(path: Path) -> int | None:
    """The id of a file's owner; None when the file is gone."""
    with suppress(OSError):
        return path.lstat().st_uid
    return None


def of(uid: int, folder: Path) -> list[Path]:
    """The entries of a folder that belong to a user."""
    return [entry for entry in folder.iterdir() if owner(entry) == uid]


# Tier A is the one chosen by default, and the attacks by an ordinary user use it by name.
@pytest.mark.parametrize(
    ("tier", "used"), [pytest.param("A", "A", marks=pytest.mark.soak), ("B", "B"), ("", "A")]
)
def test_an_ordinary_user_has_kernels(tier: str, used: str) -> None:
    """Without root and control groups a cell with pandas and a plot runs, confined as the tier promises."""
    command = ordinary(tier)
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=170
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    inside = 1000 if used == "A" else told["uid"]
    assert told["uid"] != 0
    assert told["tier"] == used
    assert (told["status"], told["plots"], told["left"]) == ("ok", 1, ["table.csv"]), told
    assert told["output"].splitlines()[-1] == f"6 {inside}"
    assert told["hog"][0] == "out of memory"
    assert "of memory" in told["hog"][1]
    if os.getuid() == 0:  # otherwise it is our own user
        until = monotonic() + GONE
        while (left := of(told["uid"], Path("/proc"))) and monotonic() < until:
            sleep(0.05)  # a killed process gives its memory back before it is gone
        assert left == []
        assert of(told["uid"], Path("/tmp")) == []
