"""Numbers that stand for people on one day (UTC), and that say nothing about them once its secret is deleted.

secrets = DaySecrets(folder / "day-secrets.json")
number = await secrets.make_number(day, user_id)      # below zero, and the same for the whole day
secrets.find_number(day, user_id)                      # None if nobody has a number on that day
await secrets.forget_before(today)              # now nobody can find out whose number it was

A number is a keyed hash of the person's id. Whoever has the file can find out by trial whether a number
belongs to a person; hence each day has a random key, which is deleted with it.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import secrets
from datetime import date
from pathlib import Path

__all__ = ["DaySecrets"]

log = logging.getLogger(__name__)

BYTES = 32  # of a secret


class DaySecrets:
    """The secrets of today, and for a while of yesterday, in a file (0600), or without a path in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known = _read(path) if path is not None else {}
        self._writing = asyncio.Lock()

    def find_number(self, day: date, user_id: int) -> int | None:
        """The person's number on that day; None if the day has no secret, so that nobody has a number."""
        secret = self._known.get(day)
        if secret is None:
            return None
        digest = hmac.digest(secret, str(user_id).encode(), hashlib.sha256)
        return -1 - (int.from_bytes(digest[:8]) >> 1)  # 63 bits, which both databases can hold

    async def make_number(self, day: date, user_id: int) -> int:
        """The person's number on that day, with a new secret if the day has none."""
        async with self._writing:
            if day not in self._known:
                self._known[day] = secrets.token_bytes(BYTES)
                await self._write()
        number = self.find_number(day, user_id)
        assert number is not None
        return number

    async def forget_before(self, day: date) -> None:
        """Delete the secrets of the days before this one."""
        async with self._writing:
            old = [one for one in self._known if one < day]
            for day in old:
                del self._known[day]
            if old:
                await self._write()

    async def _write(self) -> None:
        """Write them to the file; if that fails, they last as long as the program."""
        if self._path is None:
            return
        text = json.dumps({day.isoformat(): secret.hex() for day, secret in self._known.items()})
        try:
            await asyncio.to_thread(_replace, self._path, text)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)


def _read(path: Path) -> dict[date, bytes]:
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        return {date.fromisoformat(day): bytes.fromhex(secret) for day, secret in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read, so what was spent under it no longer counts: %s", path, error)
        return {}


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
