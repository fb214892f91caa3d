"""The loopback Discord's time, which a test can advance, the ids made from it, and waiting for a change.

clock.advance(15 * 60)      # every token is too old now
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

EPOCH = 1_420_070_400_000  # milliseconds; the first second of 2015, from which snowflakes count
WAIT = 30.0  # seconds


class WaitFailed(AssertionError):
    """What a test waited for did not come; the message shows what is there instead."""


class Watch:
    """Wakes everybody who waits for a state, whenever anything has changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def changed(self) -> None:
        """Something has changed: everybody looks again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def until[T](
        self, look: Callable[[], T | None], what: str, there: Callable[[], str], timeout: float = WAIT
    ) -> T:
        """What `look` finds, once it finds something (neither None nor False); `there` describes the rest.

        Raises:
            WaitFailed: not within `timeout` seconds
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while (found := look()) is None or found is False:
            waiting: asyncio.Future[None] = loop.create_future()
            self._waiting.add(waiting)
            done, _ = await asyncio.wait({waiting}, timeout=max(end - loop.time(), 0))
            if not done:
                self._waiting.discard(waiting)
                raise WaitFailed(f"waited {timeout:g} s for {what}; there is:\n{there() or '  nothing'}")
        return found


class Clock:
    """Wall time in seconds since 1970, plus what a test has added."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._added = 0.0

    def now(self) -> float:
        """The time there."""
        return time.time() + self._added

    def advance(self, seconds: float) -> None:
        """Let this much time pass at once."""
        self._added += seconds
        self._watch.changed()


class Snowflakes:
    """Ids as Discord makes them: milliseconds in the high bits, and always growing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """An id of now."""
        wanted = (int(self._clock.now() * 1000) - EPOCH) << 22
        self._last = max(self._last + 1, wanted)
        return self._last


def iso(seconds: float) -> str:
    """A time as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
