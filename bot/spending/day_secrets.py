"""Numbers that stand for people for one day (UTC), and say nothing of them once the day's secret is gone.

secrets = DaySecrets(folder / "day-secrets.json")
number = await secrets.make_number(day, user_id)      # below zero, the same for the whole day
secrets.find_number(day, user_id)                      # None where nobody has one on that day
await secrets.forget_before(today)              # whose number it was cannot be found out any more

A number is a keyed hash of the person's id. Who has the file can tell by trying whether a number is a
person's: hence a random key for each day, which goes with it.
"""

import asyncio
import contextlib
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
    """The secrets of today, and for a while of yesterday, in a file (0600); without a path in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known = _read(path) if path is not None else {}
        self._writing = asyncio.Lock()

    def find_number(self, day: date, user_id: int) -> int | None:
        """The person's number of that day, None where the day has no secret: then nobody has a number."""
        secret = self._known.get(day)
        if secret is None:
            return None
        digest = hmac.digest(secret, str(user_id).encode(), hashlib.sha256)
        return -1 - (int.from_bytes(digest[:8]) >> 1)  # 63 bits: what both databases have for a number

    async def make_number(self, day: date, user_id: int) -> int:
        """The same, with a secret for that day from now on."""
        async with self._writing:
            if day not in self._known:
                self._known[day] = secrets.token_bytes(BYTES)
                await self._write()
        number = self.find_number(day, user_id)
        assert number is not None
        return number

    async def forget_before(self, day: date) -> None:
        """Forget the secrets of the days before."""
        async with self._writing:
            old = [one for one in self._known if one < day]
            for day in old:
                del self._known[day]
            if old:
                await self._write()

    async def _write(self) -> None:
        """Have them in the file; where that cannot be, they last as long as the program."""
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
        log.warning("%s cannot be read, what it was for counts for nobody: %s", path, error)
        return {}


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
