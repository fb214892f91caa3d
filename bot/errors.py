"""What the bot itself refuses. Errors of a kernel or of the store pass through as they are.

BotError
|-- NothingRuns()          there is no cell to interrupt or to answer
`-- DataInUse(folder)      another program works on the same data folder
"""

from pathlib import Path

__all__ = ["BotError", "DataInUse", "NothingRuns"]


class BotError(Exception):
    """The root: everything that this package raises on purpose."""


class NothingRuns(BotError):
    """The session runs no cell."""


class DataInUse(BotError):
    """Another program holds the data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
