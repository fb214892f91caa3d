"""A clock that is ahead is noticed, even by a program that starts while it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from filestore.clock_jumps import ClockJumps, due_sweep, note_due

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_clock_that_goes_on_has_not_jumped() -> None:
    """Nor has one that is set back; the first look has nothing to compare with."""
    jumps = ClockJumps()
    assert [jumps.forward(NOW), jumps.forward(NOW + timedelta(minutes=29))] == [None, None]
    assert jumps.forward(NOW - timedelta(days=1)) is None


def test_a_clock_that_is_set_ahead_is_told_once() -> None:
    """The next reading trusts the new time."""
    jumps = ClockJumps()
    jumps.forward(NOW)
    ahead = jumps.forward(NOW + timedelta(hours=49))
    assert ahead is not None
    assert timedelta(hours=48, minutes=59) < ahead <= timedelta(hours=49)
    assert jumps.forward(NOW + timedelta(hours=49)) is None


def test_a_program_that_starts_while_the_clock_is_ahead_notices(tmp_path: Path) -> None:
    """It knows when the next sweep was due: started before that time, or soon after, it sees no jump."""
    assert due_sweep(tmp_path) is None
    note_due(tmp_path, NOW)
    due = due_sweep(tmp_path)
    assert due == NOW
    assert ClockJumps(due).forward(NOW - timedelta(minutes=50)) is None
    assert ClockJumps(due).forward(NOW + timedelta(minutes=20)) is None
    assert ClockJumps(due).forward(NOW + timedelta(days=3)) is not None


def test_a_broken_note_is_none(tmp_path: Path) -> None:
    """A note damaged by a power cut, for example, counts as absent."""
    (tmp_path / "sweep-due").write_bytes(b"\x00" * 10)
    assert due_sweep(tmp_path) is None
