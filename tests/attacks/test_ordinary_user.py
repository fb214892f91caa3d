"""The attacks once more on a bot that is not root: no control groups, and only tiers A and B."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kernels.sandbox.limits.cgroup import Groups
from tests.attacks.ordinary import GUARD

UID = 54_321  # no user on any machine that we know of
HERE = Path(__file__).parent
REACHING = ("reaching/test_secrets.py", "reaching/test_reach.py")  # where it matters most which user we are
EXHAUSTING = ("exhausting/test_resources.py",)  # whom the watchdog ends, the same in both tiers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="this run is that of an ordinary user already")


def attack(*modules: str, seconds: float, tiers: str = "A,B") -> None:
    """Run the modules' attacks on these tiers as the ordinary user; fails if any of them does."""
    folder = tempfile.mkdtemp(prefix="attacks-", dir="/tmp")
    os.chown(folder, UID, UID)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", f"--basetemp={folder}/t"]
    command = [sys.executable, "-m", "pytest", *options, *(str(HERE / module) for module in modules)]
    environment = {
        "ATTACK_TIERS": tiers,
        "EXPECT_TIERS": ",".join(set(tiers.split(",")) & set(os.environ.get("EXPECT_TIERS", "").split(","))),
        "HOME": folder,
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": folder,
    }
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "tests.attacks.ordinary", str(UID), *command],
            cwd=HERE.parent.parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if (groups := Groups.found(GUARD)) is not None:
            groups.close()
    print(ran.stdout[-6000:], ran.stderr[-2000:])
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]


@as_root
@pytest.mark.timeout(1300)
def test_the_attacks_fail_for_an_ordinary_user_too() -> None:
    """Namespaces, Landlock and our watchdog alone protect secrets and enforce the limits."""
    attack(*REACHING, seconds=600)
    attack(*EXHAUSTING, seconds=600, tiers="A")


@as_root
@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_all_attacks_fail_for_an_ordinary_user_too() -> None:
    """Every attack, not only the short selection."""
    attack(
        *sorted(str(path) for path in HERE.glob("*/test_*.py")),
        seconds=1400,
    )
