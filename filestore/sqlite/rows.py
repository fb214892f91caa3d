"""Records as rows of SQLite: columns are named like fields, and a moment is a number of milliseconds.

connection.execute(insert, values(*astuple(usage)))
usage = record(UsageRecord, row)
"""

from dataclasses import fields
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import TYPE_CHECKING, Any

from filestore.records import EPOCH

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(at: datetime) -> int:
    """The whole milliseconds from 1970, UTC, to `at`."""
    return (at - EPOCH) // _MILLISECOND


def from_milliseconds(count: int) -> datetime:
    """The moment `count` milliseconds after the epoch."""
    return EPOCH + count * _MILLISECOND


def values(*given: object) -> tuple[Any, ...]:
    """What to bind in a statement: each moment in milliseconds, anything else as it is."""
    return tuple(to_milliseconds(value) if isinstance(value, datetime) else value for value in given)


def record[R: DataclassInstance](kind: type[R], row: Row) -> R:
    """The record of this kind that a row holds."""
    named = {
        field.name: from_milliseconds(row[field.name]) if field.type is datetime else row[field.name]
        for field in fields(kind)
    }
    return kind(**named)
