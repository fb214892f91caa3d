"""What all tests share: the checkout and its two environments, and checks on every test and run."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from bot.terminal.screen import Screen
from kernels.cell.result import RunResult
from kernels.cell.run import Run
from kernels.workspace.captured import Scan
from tests import openapi, sentences
from tests.attacks import tiers

HERE = Path(__file__).resolve().parent
LONG = (HERE, HERE / "bench")  # folders with tests of half a minute
ROOT = HERE.parent
KERNEL_PYTHON = ROOT / ".venv-kernels" / "bin" / "python"

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("kernelcord", deadline=None)
hypothesis.settings.load_profile("kernelcord")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Keep long bytes out of test ids: archives contain the time, and workers must agree on the ids."""
    return argname if isinstance(val, bytes) and len(val) > 20 else None


def pytest_sessionstart() -> None:
    """End the run at once, with a sentence, if something that all tests need is missing."""
    # Compiling all our modules anew takes 0.5 s for each program that a test starts, and 8 s for a worker.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # No test may spend anybody's money or touch anybody's database.
    os.environ["KERNELCORD_ENV"] = os.devnull
    for name in ("DISCORD_TOKEN", "MONGODB_URI", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        os.environ.pop(name, None)
    # Saving variables after every cell takes time; tests that have something to do with it ask for it.
    os.environ["STATE"] = "off"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's `&` leaves it;
        signal.signal(signal.SIGINT, signal.default_int_handler)  # all that we start would inherit it
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup leaves it, which our programs respect
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not KERNEL_PYTHON.exists():
        pytest.exit(f"The kernels' environment is missing ({KERNEL_PYTHON}): run `make test`.", returncode=4)
    if openapi.expected() and openapi.document() is None:
        pytest.exit("Discord's OpenAPI document is missing: set DISCORD_OPENAPI to its place.", returncode=4)


@pytest.hookimpl(tryfirst=True)  # before tests are grouped by the fixtures that they share
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that take half a minute first: at the end, other workers would wait for them."""
    items.sort(key=lambda item: item.path.parent not in LONG)


def pytest_collection_finish() -> None:
    """Take everything imported and collected so far out of the garbage collector's work.

    A look at these 350,000 objects takes 0.2 s, and tests collect several times each to see what they leave.
    """
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    """Say whether the loopback Discord is checked against Discord's own OpenAPI document."""
    return openapi.told()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that has not attacked the sandbox in every expected tier."""
    tiers.finish(session)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the tiers that a pytest-xdist worker has attacked."""
    tiers.ran.update(getattr(node, "workeroutput", {}).get("tiers", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which tiers were attacked, and what was not checked."""
    if told := tiers.summary():
        terminalreporter.write_line(told)
    if openapi.document() is None:
        terminalreporter.write_line(openapi.told())


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def kernel_python() -> Path:
    """The interpreter of the kernels' environment."""
    return KERNEL_PYTHON


@pytest.fixture(autouse=True)
def _overheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check all that the terminal shows and cells output in this process: see `tests.sentences`."""
    write, result = Screen._write, Run._make_result

    def written(screen: Screen, text: str) -> None:
        sentences.read("the terminal", text, operator=True, own=[screen._pictures.parent])
        write(screen, text)

    def made(run: Run, scan: Scan, text: Any) -> RunResult:
        sentences.written(run.code)
        told = result(run, scan, text)
        reasons = [one.reason for one in told.skipped]
        traceback = told.error and told.error.traceback
        restarted = told.restarted and told.restarted.reason
        sentences.read("a cell", (told.output, [*told.outputs], reasons, traceback, restarted))
        return told

    monkeypatch.setattr(Screen, "_write", written)
    monkeypatch.setattr(Run, "_make_result", made)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Fail a test in which a person was told something that they should not read."""
    yield
    nothing_wrong(over=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """The same for what they were told while it was torn down."""
    yield
    nothing_wrong(over=True)


def nothing_wrong(*, over: bool) -> None:
    """Fail if, since the last call, a person was told something that they should not read."""
    wrong = sentences.take(over=over)
    assert not wrong, "a person was told what they should not read:\n" + "\n".join(wrong)
