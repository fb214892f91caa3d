"""Notice when the clock was set ahead: nothing may be deleted by it until it has stayed so for a while.

    jumps = ClockJumps(due_sweep(folder, now))
    if jumps.forward(now):          # at intervals; the clock has advanced by more than the time passed
        note_left_out(folder, now + every)
    else:
        note_due(folder, now + every)

If the clock is three days ahead for a minute, files that are kept for two days must survive that, also if a
program was started in that minute: when the next sweep is due is kept in the data folder. If one is left out,
so is when the clock will be trusted, for programs that do not run until then, such as the terminal.
"""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

__all__ = ["ClockJumps", "due_sweep", "note_due", "note_left_out"]

log = logging.getLogger(__name__)

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


def due_sweep(folder: Path, now: datetime) -> datetime | None:
    """When the next sweep of this data folder is due; None if that is not known, or the clock is trusted."""
    due, *trusted = _read(folder) or (None,)
    return None if any(at <= now for at in trusted) else due


def note_due(folder: Path, due: datetime) -> None:
    """Note when the next sweep is due, by a clock that one has gone by. If that fails, it is logged."""
    _write(folder, due)


def note_left_out(folder: Path, until: datetime) -> None:
    """Note that a sweep was left out, and that the clock is trusted from `until` on, or as noted before."""
    match _read(folder):
        case [due]:
            _write(folder, due, until)
        case [due, trusted] if trusted > until:  # the clock has been set back since then
            _write(folder, due, until)


def _read(folder: Path) -> list[datetime]:
    """When a sweep is due, and if one was left out, from when on the clock is trusted; [] if unknown."""
    try:
        return [datetime.fromisoformat(line) for line in (folder / NOTE).read_text("ascii").split()]
    except (OSError, ValueError):
        return []


def _write(folder: Path, *times: datetime) -> None:
    part = folder / f"{NOTE}.part"
    try:
        part.write_text("\n".join(time.isoformat() for time in times), "ascii")
        part.replace(folder / NOTE)
    except OSError as error:
        log.warning("it cannot be noted when the next sweep is due: %s", error.strerror)
