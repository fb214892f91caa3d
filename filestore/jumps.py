"""Notice that the clock was set ahead: nothing may be deleted by it until it has stayed so for a while.

    jumps = Jumps()
    if jumps.forward(now): ...      # at intervals; `now` is more than the time that has passed

If the clock is three days ahead for a minute, files that are kept for two days must survive it.
"""

from datetime import datetime, timedelta
from time import monotonic

__all__ = ["Jumps"]

TOLERANCE = timedelta(minutes=30)  # more than a clock is put right by while it runs well


class Jumps:
    """Compares a clock with the time that passes, from one look to the next."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def forward(self, now: datetime) -> timedelta | None:
        """By how much the clock has jumped ahead since the last look, if it has.

        A machine that slept counts: the time that passed without it cannot be told from a jump.
        """
        last, self._last = self._last, (now, monotonic())
        if last is None:
            return None
        ahead = now - last[0] - timedelta(seconds=self._last[1] - last[1])
        return ahead if ahead > TOLERANCE else None
