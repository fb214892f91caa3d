"""The file of settings: `.env` in the working folder, or the one that KERNELCORD_ENV names.

read()          # {"DISCORD_TOKEN": "...", ...} as the file writes them, {} without a `.env`
"""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from config.errors import InvalidSettings

__all__ = ["path", "read"]

VARIABLE = "KERNELCORD_ENV"


def path() -> Path:
    """Where the file is, or would be."""
    # Path.expanduser raises if nobody has the name after the ~.
    return Path(os.path.expanduser(os.environ.get(VARIABLE) or ".env"))


def read() -> Mapping[str, str | None]:
    """The file's names and values.

    Raises:
        InvalidSettings: the file that is named does not exist, or the file cannot be read as text.
    """
    file = path()
    try:
        if file.is_file():
            return dotenv_values(file, encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidSettings((f"{file} is not UTF-8 text: save it as that.",)) from None
    except OSError as error:
        raise InvalidSettings((f"{file} cannot be read: {error.strerror}.",)) from None
    if os.environ.get(VARIABLE) and file != Path(os.devnull):
        raise InvalidSettings((f"{VARIABLE}: there is no file {file}.",))
    return {}
