"""Output to a reader that is slow, that goes away, or that is a file."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.terminal.standard_output import AHEAD, OutgoingLines

PATIENCE = 30.0  # seconds on a loaded machine
LINES = [f"{number}:{'x' * (number % 7 * 9_000)}\n" for number in range(60)]  # 1.6 MB, short and long ones


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    """The reader's and the writer's end; a test that closes one takes it out."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


async def test_nobody_waits_for_a_slow_reader_and_no_line_is_lost(pipe: list[int]) -> None:
    """`write` returns with nothing read; whoever asks for room gets it once most has been read."""
    output = OutgoingLines(pipe[1])
    for line in LINES:
        output.write(line)
    waiting = asyncio.create_task(output.room())
    read = bytearray()
    while len(read) < 64 << 10:
        read += await asyncio.to_thread(os.read, pipe[0], 4096)
    assert not waiting.done()
    whole = "".join(LINES).encode()
    async with asyncio.timeout(PATIENCE):
        while len(read) < len(whole):
            read += await asyncio.to_thread(os.read, pipe[0], 1 << 16)
        await waiting
        await output.written()
    assert bytes(read) == whole
    assert not output.gone.done()


@pytest.mark.parametrize("waits", [False, True])
async def test_a_reader_that_goes_away_is_noticed(pipe: list[int], waits: bool) -> None:
    """Even if nothing is written, or a thread waits for it; then nothing waits, and the rest is discarded."""
    output = OutgoingLines(pipe[1])
    if waits:
        output.write("x" * (2 * AHEAD))
    os.close(pipe.pop(0))
    async with asyncio.timeout(PATIENCE):
        assert isinstance(await output.gone, BrokenPipeError)
        output.write("more")
        await output.room()
        await output.written()
    if output._thread is not None:
        await asyncio.to_thread(output._thread.join, PATIENCE)
        assert not output._thread.is_alive()


async def test_another_failure_is_told_too(tmp_path: Path) -> None:
    """A full disk is one."""
    full, file = os.open("/dev/full", os.O_WRONLY), os.open(tmp_path / "whole", os.O_WRONLY | os.O_CREAT)
    output = OutgoingLines(full)
    output.write("line\n")
    assert (await output.gone).errno == errno.ENOSPC
    output = OutgoingLines(file)
    for line in LINES:
        output.write(line)
    await output.written()
    os.close(full)
    os.close(file)
    assert (tmp_path / "whole").read_text() == "".join(LINES)
