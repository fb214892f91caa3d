"""How long a cell has worked, and the alarm when its time is up. Waiting for a person does not count.

clock = Clock(ring)         # `ring` is called on the loop
clock.start(limit)
clock.pause(answer_limit)   # a question is asked
clock.resume()              # it was answered: what was left of `limit` goes on
clock.extend(limit)         # from now on this is the limit for all of the cell's work
clock.stop()
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

__all__ = ["Clock"]


class Clock:
    """One cell's clock. A limit of None never rings. `now` tells the time in seconds."""

    def __init__(self, ring: Callable[[], None], now: Callable[[], float] = monotonic) -> None:
        self.worked = 0.0  # seconds, without the stretch that is running now
        self._ring = ring
        self._now = now
        self._since: float | None = None
        self._left: timedelta | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def start(self, limit: timedelta | None) -> None:
        """Run, and ring after `limit`; whatever was left before does not count any more."""
        self.stop()
        self._since, self._left = self._now(), limit
        self._ring_after(limit)

    def pause(self, limit: timedelta | None) -> None:
        """Stand still, and ring unless resumed within `limit`. Called again, it grants `limit` anew."""
        if self._since is not None:
            worked = timedelta(seconds=self._now() - self._since)
            self._left = None if self._left is None else max(timedelta(), self._left - worked)
        self.stop()
        self._ring_after(limit)

    def resume(self) -> None:
        """Go on, with what was left."""
        self.start(self._left)

    def extend(self, limit: timedelta) -> None:
        """Ring only when the cell has worked for `limit` in all."""
        if running := self._since is not None:
            self.stop()
        self._left = max(timedelta(), limit - timedelta(seconds=self.worked))
        if running:
            self.start(self._left)

    @property
    def limited(self) -> bool:
        """Whether the clock will ring some time if the cell goes on."""
        return self._left is not None

    def stop(self) -> None:
        """Stand still, and never ring."""
        if self._since is not None:
            self.worked += self._now() - self._since
        self._since = None
        if self._alarm is not None:
            self._alarm.cancel()

    def _ring_after(self, limit: timedelta | None) -> None:
        if limit is not None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(limit.total_seconds(), self._ring)
