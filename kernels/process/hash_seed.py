"""The seed of Python's hashes of text, the same for all kernels that use a folder of saved variables.

    environment(python, ipython, os.environ, hash_seed=kept_in(folder))

A value may have kept such a hash, and the order of a set depends on them: with another seed both would be
different. The seed is no secret from the people whose kernels have it: all kernels of a zygote share one.
"""

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["kept_in"]

log = logging.getLogger(__name__)

FILE = ".hash-seed"  # no session's name
LARGEST = (1 << 32) - 1  # of PYTHONHASHSEED; 0 would make hashes that everybody knows


def kept_in(folder: Path) -> int | None:
    """The folder's seed, which is made if there is none; None if it can be neither read nor written."""
    path = folder / FILE
    try:
        known = _read(path)
        if known:
            return known
        if known is not None:  # it is damaged; if there was none, this would be another program's new one
            path.unlink(missing_ok=True)
        made = folder / f"{FILE}-{secrets.token_hex(8)}"
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(str(1 + secrets.randbelow(LARGEST)))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another program was quicker
                os.link(made, path)
        finally:
            made.unlink(missing_ok=True)
        return _read(path) or None
    except OSError as error:
        log.warning("hashes of text will be others after a restart: %s", error)
        return None


def _read(path: Path) -> int | None:
    """The seed in a file: None if there is no file, 0 if it is damaged."""
    try:
        seed = int(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        return 0
    return seed if 0 < seed <= LARGEST else 0
