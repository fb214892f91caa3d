"""Notice when the clock was set ahead: nothing may be deleted by it until it has stayed so for a while.

    jumps = ClockJumps(due_sweep(folder))
    if jumps.forward(now): ...      # at intervals; the clock has advanced by more than the time passed
    note_due(folder, now + every)

If the clock is three days ahead for a minute, files that are kept for two days must survive that, also if a
program was started in that minute: when the next sweep is due is kept in the data folder.
"""

from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

__all__ = ["ClockJumps", "due_sweep", "note_due"]

NOTE = "sweep-due"
TOLERANCE = timedelta(minutes=30)  # more than a running clock is ever corrected by


class ClockJumps:
    """Compares the clock with the time that has passed since the last call.

    `due` is until when an earlier program may have slept: a first call long after that counts as a jump.
    """

    def __init__(self, due: datetime | None = None) -> None:
        self._last = None if due is None else (due, monotonic())

    def forward(self, now: datetime) -> timedelta | None:
        """By how much the clock has jumped ahead since the last call, if it has.

        Time in which the machine slept counts too, or no program ran: it cannot be distinguished from a jump.
        """
        last, self._last = self._last, (now, monotonic())
        if last is None:
            return None
        ahead = now - last[0] - timedelta(seconds=self._last[1] - last[1])
        return ahead if ahead > TOLERANCE else None


def due_sweep(folder: Path) -> datetime | None:
    """When the next sweep of this data folder is due, if that is known."""
    try:
        return datetime.fromisoformat((folder / NOTE).read_text("ascii"))
    except (OSError, ValueError):
        return None


def note_due(folder: Path, due: datetime) -> None:
    """Note when the next sweep is due, by a clock that one has gone by. Raises: OSError."""
    (folder / NOTE).write_text(due.isoformat(), "ascii")
