"""Moments as SQLite keeps them: whole milliseconds since 1970, UTC."""

from datetime import datetime, timedelta

from filestore.records import EPOCH

_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(at: datetime) -> int:
    """The whole milliseconds before `at`."""
    return (at - EPOCH) // _MILLISECOND


def from_milliseconds(count: int) -> datetime:
    """The moment `count` milliseconds after the epoch."""
    return EPOCH + count * _MILLISECOND
