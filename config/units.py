"""Durations and sizes as a person writes them: `90`, `5m`, `48h`, `none`; `50MiB`, `1GiB`.

duration("1.5h")                 # timedelta(minutes=90); duration("none") is None
written(timedelta(hours=48))     # "48h"; written(ByteSize(50 * MiB)) is "50MiB"
"""

import re
from datetime import timedelta

from pydantic import ByteSize

__all__ = ["MiB", "duration", "written"]

MiB = 1 << 20
SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
DURATION = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,6})?) *(?P<unit>[dhms]?)", re.ASCII)
BINARY = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": MiB, "KiB": 1 << 10}


def duration(text: object) -> object:
    """The timedelta that `text` denotes, None for "none"; anything but text is returned as it is.

    Raises:
        ValueError: the text is neither.
    """
    if not isinstance(text, str):
        return text
    plain = text.strip().lower()
    if plain == "none":
        return None
    match = DURATION.fullmatch(plain)
    if not match or not (seconds := float(match["number"]) * SECONDS[match["unit"] or "s"]):
        raise ValueError("not a duration")
    return timedelta(seconds=seconds)


def written(value: object) -> str:
    """A setting's value as a person writes it, in the largest unit that fits; days from three on."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        days = seconds >= 3 * SECONDS["d"]
        unit = next((unit for unit in ("dhm" if days else "hm") if seconds % SECONDS[unit] == 0), "s")
        return f"{seconds / SECONDS[unit]:g}{unit}"
    if isinstance(value, ByteSize):
        return next(
            (f"{value // size}{unit}" for unit, size in BINARY.items() if value % size == 0), f"{value}B"
        )
    return "none" if value is None else str(value)
