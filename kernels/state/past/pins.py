"""Which saves of a session are kept under a name, whatever comes after them: a small file beside the saves.

    pins = read_pins(here)              # {"before the merge": 12}; `here` is the session's folder
    write_pins(here, pins)

The name `BEGINNING`, which nobody else can give, is of the save before the first cell.
"""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress

from kernels.state import chunks
from kernels.workspace.safe_open import open_plain

__all__ = ["BEGINNING", "read_pins", "write_pins"]

BEGINNING = ""
NAME = "pins.json"
LARGEST = 64 << 10  # bytes; 21 names of 40 characters take less


def read_pins(here: int) -> dict[str, int]:
    """The numbers of the pinned saves by name; none if the file is not there or not one of ours.

    Raises: OSError if the disk cannot tell, which must not count as none: all names would be lost.
    """
    try:
        with os.fdopen(open_plain(NAME, here), "rb") as file:
            pins = json.loads(file.read(LARGEST))
        return {str(name): int(number) for name, number in pins.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def write_pins(here: int, pins: Mapping[str, int]) -> None:
    """Write them, whole or not at all. Raises: StateFull, OSError."""
    new = f"{NAME}.{secrets.token_hex(4)}"
    try:
        with chunks.full_device():
            chunks.write_file(new, json.dumps(pins).encode(), here)
            os.rename(new, NAME, src_dir_fd=here, dst_dir_fd=here)
            chunks.sync_folder(".", here)
    finally:
        with suppress(OSError):
            os.unlink(new, dir_fd=here)
