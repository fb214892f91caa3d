"""A clock that is ahead is noticed, even by a program that starts while it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filestore.clock_jumps import ClockJumps, due_sweep, note_due, note_left_out

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
    assert due_sweep(tmp_path, NOW) is None
    note_due(tmp_path, NOW)
    due = due_sweep(tmp_path, NOW + timedelta(days=3))
    assert due == NOW
    assert ClockJumps(due).forward(NOW - timedelta(minutes=50)) is None
    assert ClockJumps(due).forward(NOW + timedelta(minutes=20)) is None
    assert ClockJumps(due).forward(NOW + timedelta(days=3)) is not None


def test_a_broken_note_is_none(tmp_path: Path) -> None:
    """A note damaged by a power cut, for example, counts as absent."""
    (tmp_path / "sweep-due").write_bytes(b"\x00" * 10)
    assert due_sweep(tmp_path, NOW) is None


def test_programs_that_end_soon_trust_the_clock_as_one_that_runs_on(tmp_path: Path) -> None:
    """From when the first of them would have swept, and neither later nor forever."""
    later, until = NOW + timedelta(days=1), NOW + timedelta(days=1, hours=1)
    note_left_out(tmp_path, until)  # nobody knows of a sweep, and so the next program makes one
    assert due_sweep(tmp_path, later) is None
    note_due(tmp_path, NOW)
    for minutes in (0, 20, 40):
        note_left_out(tmp_path, until + timedelta(minutes=minutes))
    assert due_sweep(tmp_path, until - timedelta(seconds=1)) == NOW
    assert due_sweep(tmp_path, until) is None
    note_left_out(tmp_path, later)  # a clock that was set back is ahead of the last sweep all the same
    assert due_sweep(tmp_path, later) is None
    note_due(tmp_path, until)
    assert due_sweep(tmp_path, until + timedelta(days=1)) == until


def test_a_note_that_the_disk_refuses_leaves_the_last_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It stops nobody: a sweep makes room on a full disk."""
    note_due(tmp_path, NOW)
    (tmp_path / "sweep-due.part").mkdir()
    note_due(tmp_path, NOW + timedelta(hours=1))
    assert due_sweep(tmp_path, NOW) == NOW
    assert "cannot be noted" in caplog.text
