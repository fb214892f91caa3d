"""A zip that is written to a file piece by piece: neither the zip nor its contents are held in memory.

    with Zip(output, jobs, limit=10 << 20) as archive:
        await archive.add_entry("data.csv", file)

The same content gives the same bytes.
"""

import io
import os
import zipfile
from typing import IO, BinaryIO, Self

from bot.errors import OverLimit
from bot.scheduling.jobs import Jobs

__all__ = ["Zip"]

EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of every entry
PIECE = 1 << 20  # bytes that are compressed in one step, which takes some 30 ms


class Zip:
    """A zip in `output`, from its current position on, of at most `limit` bytes (None: no limit)."""

    def __init__(self, output: BinaryIO, jobs: Jobs, limit: int | None = None) -> None:
        self._output = output
        self._jobs = jobs
        self._limit = limit
        self._archive = zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED)

    async def add_entry(self, path: str, content: BinaryIO | bytes | str) -> None:
        """Add an entry: an open file, from its start, or something small.

        Raises: OverLimit as soon as the zip is too large; OSError.
        """
        if isinstance(content, str):
            content = content.encode()
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        source.seek(0)
        about = zipfile.ZipInfo(path, EPOCH)
        about.compress_type = zipfile.ZIP_DEFLATED
        about.file_size = len(content) if isinstance(content, bytes) else os.fstat(source.fileno()).st_size
        with self._archive.open(about, "w") as entry:
            while await self._jobs.in_thread(_copy, source, entry):
                self._check()
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Finish the zip. Raises: OverLimit, OSError."""
        try:
            self._archive.close()
        except (OSError, ValueError):  # a zip that was given up need not be finished
            if error is None:
                raise
        if error is None:
            self._check()

    def _check(self) -> None:
        if self._limit is not None and self._output.tell() > self._limit:
            raise OverLimit(self._limit)


def _copy(source: IO[bytes], target: IO[bytes]) -> bool:
    """Copy a piece; return whether there was one."""
    piece = source.read(PIECE)
    target.write(piece)
    return bool(piece)
