"""What this process has open, for tests in which nothing may stay open.

    before = descriptors()
    ...
    assert not await left_open(before)       # or still_open(before), where no event loop runs

Other threads of the process, such as those of tests before, open files too, for a moment. So what is new gets
time to be closed; only a descriptor that was lost stays, and a failure says where it leads.
"""

import asyncio
import os
import time
from contextlib import suppress

CLOSING = 20.0  # seconds after which what is new counts as left open
LOOK = 0.01  # seconds between two looks


def descriptors() -> frozenset[str]:
    """Each open descriptor, as its number and where it leads."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself
            found.add(f"{number} -> {os.readlink(f'/proc/self/fd/{number}')}")
    return frozenset(found)


async def left_open(before: frozenset[str], most: int = 0) -> list[str]:
    """What was opened since `before` and is not closed; [] as soon as that is `most` at most."""
    until = time.monotonic() + CLOSING
    # No event tells when a descriptor is closed.
    while len(new := descriptors() - before) > most and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOK)
    return sorted(new) if len(new) > most else []


def still_open(before: frozenset[str]) -> list[str]:
    """As `left_open`, for a test that is no coroutine."""
    until = time.monotonic() + CLOSING
    while (new := descriptors() - before) and time.monotonic() < until:
        time.sleep(LOOK)
    return sorted(new)
