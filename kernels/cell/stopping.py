"""A person stops a cell: it gets some time to end by itself, and then the person is asked what to do.

    stop = Stop(late)           # `late` is called when the time is over
    stop.begin(grace)
    stop.ask()                  # the cell has not ended: the person has to decide
    stop.cancel()               # it has ended, or the person has decided

No kernel is killed only because somebody presses Stop: its variables are worth more than the cell's time.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

__all__ = ["Stop"]


class Stop:
    """The Stop of one cell, which may be stopped several times."""

    def __init__(self, late: Callable[[], None]) -> None:
        self.wanted = False  # a person has stopped the cell at some time
        self.undecided = False  # the cell has not ended, and nobody has decided what to do
        self.time_is_up = False  # the cell's own time ran out while it had some left to end by itself
        self._late = late
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def awaited(self) -> bool:
        """Whether the cell has some time left to end by itself."""
        return self._alarm is not None

    @property
    def pending(self) -> bool:
        """Whether the cell has time left to end, or the person has to decide."""
        return self.awaited or self.undecided

    def begin(self, grace: timedelta) -> None:
        """Give the cell this time. Called again before it is over, it changes nothing."""
        self.wanted = True
        if not self.awaited:
            self.time_is_up = False
            self._alarm = asyncio.get_running_loop().call_later(grace.total_seconds(), self._ring)

    def ask(self) -> None:
        """The person has to decide."""
        self.undecided = True

    def cancel(self) -> None:
        """Stop waiting and asking."""
        self.undecided = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        self._alarm = None
        self._late()
