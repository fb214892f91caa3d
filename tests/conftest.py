"""What all tests share: where the checkout is, and that its two environments are there."""

from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
KERNEL_PYTHON = ROOT / ".venv-kernels" / "bin" / "python"

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("kernelcord", deadline=None)
hypothesis.settings.load_profile("kernelcord")


def pytest_sessionstart() -> None:
    """Ends the run at once, in a sentence, where the tests would fail one by one."""
    if not KERNEL_PYTHON.exists():
        pytest.exit(f"The kernels' environment is missing ({KERNEL_PYTHON}): run `make test`.", returncode=4)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def kernel_python() -> Path:
    """The interpreter of the kernels' environment."""
    return KERNEL_PYTHON
