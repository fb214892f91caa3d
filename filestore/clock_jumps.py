"""Notice when the clock was set ahead: nothing may be deleted by it until it has stayed so for a while.

    jumps = ClockJumps()
    if jumps.forward(now): ...      # at intervals; the clock has advanced by more than the time passed

If the clock is three days ahead for a minute, files that are kept for two days must survive that.
"""

from datetime import datetime, timedelta
from time import monotonic

__all__ = ["ClockJumps"]

TOLERANCE = timedelta(minutes=30)  # more than a running clock is ever corrected by


class ClockJumps:
    """Compares the clock with the time that has passed since the last call."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def forward(self, now: datetime) -> timedelta | None:
        """By how much the clock has jumped ahead since the last call, if it has.

        Time in which the machine slept counts too: it cannot be distinguished from a jump.
        """
        last, self._last = self._last, (now, monotonic())
        if last is None:
            return None
        ahead = now - last[0] - timedelta(seconds=self._last[1] - last[1])
        return ahead if ahead > TOLERANCE else None
