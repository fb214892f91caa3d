"""What the bot itself refuses. Errors of a kernel or of the store pass through as they are.

BotError
|-- NothingRuns()          there is no cell to interrupt or to answer
|-- NotAFile(path)         what is to be read is a pipe, a device or the like
`-- DataInUse(folder)      another program works on the same data folder
"""

from pathlib import Path

__all__ = ["BotError", "DataInUse", "NotAFile", "NothingRuns"]


class BotError(Exception):
    """The root: everything that this package raises on purpose."""


class NothingRuns(BotError):
    """The session runs no cell."""


class NotAFile(BotError):
    """There is something at the path that is neither a file nor a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


class DataInUse(BotError):
    """Another program holds the data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
