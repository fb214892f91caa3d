"""A person's Stop of a cell: the time that the cell has to end by itself, and then the question what to do.

    stop = Stop(late)           # `late` is called when the time is over
    stop.begin(GRACE)
    stop.ask()                  # the cell has not ended: somebody has to decide
    stop.forget()               # it has ended, or it was decided

No kernel is killed for a Stop alone: its variables are worth more than the time that its cell takes.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

__all__ = ["Stop"]


class Stop:
    """The Stop of one cell, which may be stopped several times."""

    def __init__(self, late: Callable[[], None]) -> None:
        self.wanted = False  # by a person, at some time
        self.undecided = False  # the cell has not ended, and nobody has said what is to be done
        self.time_is_up = False  # the cell's own time, while it had some to end by itself
        self._late = late
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def awaited(self) -> bool:
        """Whether the cell has some time left to end by itself."""
        return self._alarm is not None

    @property
    def pending(self) -> bool:
        """Whether the cell shall end, or it is undecided."""
        return self.awaited or self.undecided

    def begin(self, grace: timedelta) -> None:
        """The cell has so long; again, meanwhile, changes nothing."""
        self.wanted = True
        if not self.awaited:
            self.time_is_up = False
            self._alarm = asyncio.get_running_loop().call_later(grace.total_seconds(), self._ring)

    def ask(self) -> None:
        """Somebody has to decide."""
        self.undecided = True

    def forget(self) -> None:
        """Nothing is awaited or to be decided any more."""
        self.undecided = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        self._alarm = None
        self._late()
