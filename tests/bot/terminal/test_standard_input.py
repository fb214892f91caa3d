"""Lines of standard input, while the event loop has other work."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import aclosing, suppress
from types import SimpleNamespace

import pytest

from bot.terminal import standard_input
from bot.terminal.standard_input import AHEAD, InputLines

LINES = 2000


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe whose other end is standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as buffer:
        monkeypatch.setattr(standard_input.sys, "stdin", SimpleNamespace(buffer=buffer))
        yield writing


async def test_lines_do_not_each_wait_for_a_turn_of_the_loop(written: int) -> None:
    """Where cells of one user take milliseconds a turn, another's line came after as many turns as lines."""
    turns = 0

    async def busy() -> None:
        nonlocal turns
        while True:
            turns += 1
            time.sleep(0.001)  # as cells do  # noqa: ASYNC251
            await asyncio.sleep(0)

    with os.fdopen(written, "wb") as writing:
        writing.write(b"".join(b"%d\n" % number for number in range(LINES)))
    working = asyncio.create_task(busy())
    try:
        found = [int(line) async for line in InputLines(100)]
    finally:
        working.cancel()
    assert found == list(range(LINES))
    assert turns < LINES // 2


async def test_only_so_many_lines_are_read_ahead(written: int) -> None:
    """Whoever writes has to wait for who reads; a line that is too long is cut."""
    lines = InputLines(100)
    with os.fdopen(written, "wb", buffering=0) as writing:
        writing.write(b"x" * 1000 + b"\nshort\n")
        async with aclosing(aiter(lines)) as reading:  # type: ignore[type-var]
            assert await anext(reading) == b"x" * 100
            assert await anext(reading) == b"short\n"
            writing.write(b"more\n" * AHEAD * 3)
            assert await anext(reading) == b"more\n"
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await asyncio.Event().wait()
            assert len(lines._lines) <= AHEAD
            lines.end_input()
            assert [line async for line in reading] == []
