"""A kernel that does not come up says why, and the log reports a lost message."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernels.errors import KernelStartFailed, Misconfigured
from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.process import kernel_process as module
from kernels.process.kernel_process import KernelProcess, StartTimes
from kernels.process.last_words import LastWords
from kernels.sandbox.policy import Tier
from kernels.wire.connection import Message
from tests.live.cells import NoFiles, pooled, run, value

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def limits() -> Limits:
    """Cells are short."""
    return Limits(cell=timedelta(seconds=1))


def losing(monkeypatch: pytest.MonkeyPatch, receiver: type, name: str, *kinds: str) -> list[str]:
    """Make `receiver` lose messages of these kinds; a kind removed from the list gets through again."""
    real, lost = getattr(receiver, name), list(kinds)

    def receive(self: Any, message: Message | None) -> None:
        if message is None or message.kind not in lost:
            real(self, message)

    monkeypatch.setattr(receiver, name, receive)
    return lost


@pytest.mark.parametrize(
    ("end", "reason"),
    [("exit 3", "it ended with exit code 3"), ("kill -9 $$", "it was ended by signal 9")],
)
async def test_a_start_that_ends_says_how(tmp_path: Path, end: str, reason: str) -> None:
    """Even if the process has written nothing."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{end}\n")
    python.chmod(0o755)
    async with pooled(tmp_path / "w", python=python, tier=Tier.NONE) as pool:
        with pytest.raises(KernelStartFailed, match=rf"started: {reason}.*\(none\)") as failed:
            await run(pool.kernel("a", NoFiles()), "1")
    assert (failed.value.reason, failed.value.log) == (reason, "")


async def test_a_start_that_takes_too_long_says_how_far_it_got(
    fresh: Kernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What had come, what was still awaited, and what its processes were doing; the next try works."""
    fresh.start_times = StartTimes(answer=4.0, ask_again=1.0)
    lost = losing(monkeypatch, module._Receiver, "__call__", "iopub_welcome")
    with pytest.raises(KernelStartFailed) as failed:
        await run(fresh, "1")
    assert failed.value.reason == "it did not answer within 4 s"
    for part in ("iopub greeted", "shell greeted", "awaited: iopub_welcome; processes: ", "python"):
        assert part in failed.value.state
    (told,) = [record for record in caplog.records if "did not answer within" in record.message]
    assert told.levelno == logging.WARNING
    assert told.__dict__["session"] == fresh.session_id
    assert "has not answered and is asked again" in caplog.text
    lost.clear()
    fresh.start_times = StartTimes()
    assert await value(fresh, "1 + 1") == "2"


async def test_a_cell_whose_end_is_lost_is_told_in_the_log(
    fresh: Kernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The person's code is not to blame: the kernel says that it is idle, and the next cell works."""
    assert await value(fresh, "1") == "1"
    lost = losing(monkeypatch, module._Receiver, "__call__", "execute_reply")
    assert (await run(fresh, "2")).status == "timeout"
    (told,) = [record for record in caplog.records if "has not arrived" in record.message]
    assert told.levelno == logging.WARNING
    assert told.__dict__["session"] == fresh.session_id
    assert "python" in told.message
    lost.clear()
    caplog.clear()
    stubborn = "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass"
    assert (await run(fresh, stubborn)).status == "timeout"
    assert "has not arrived" not in caplog.text  # this time it is the person's code


async def test_a_kernel_that_has_not_answered_is_asked_again(
    fresh: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was lost is no failed start."""
    fresh.start_times = StartTimes(ask_again=0.5)
    asked: list[KernelProcess] = []
    lost = losing(monkeypatch, module._Receiver, "__call__", "kernel_info_reply")
    state = KernelProcess.state

    def told(self: KernelProcess) -> str:
        asked.append(self)
        lost.clear()
        return state(self)

    monkeypatch.setattr(KernelProcess, "state", told)
    assert await value(fresh, "1 + 1") == "2"
    assert asked


async def test_a_welcome_that_comes_early_counts() -> None:
    """It can arrive before the first question is asked, since the channels connect one after another."""
    receiver = module._Receiver(lambda _: None, LastWords())
    receiver(Message("iopub", "iopub_welcome", "", {}, {}))
    receiver.expect_answer("question")
    assert receiver.awaited == "an answer"
    receiver(Message("shell", "kernel_info_reply", "question", {}, {}))
    assert receiver.ready.is_set()


async def test_limits_in_which_no_kernel_starts_are_named(tmp_path: Path) -> None:
    """The sandbox is not to blame, and nobody is told to fix it."""
    with pytest.raises(Misconfigured, match=r"^MAX_MEMORY is too small"):
        async with pooled(tmp_path / "w", Limits(memory=1 << 20)):
            pass


async def test_a_process_to_fork_from_that_does_not_start_is_told_as_that(tmp_path: Path) -> None:
    """It would fail in every tier."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: libz.so is missing.' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(Misconfigured) as failed:
        async with pooled(tmp_path / "w", python=python):
            pass
    assert str(failed.value) == "Kernels cannot be started: ImportError: libz.so is missing."
