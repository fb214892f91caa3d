"""What a kernel knows about code that is being typed: how a name may go on, and what a function takes.

await kernel.complete("pd.read_c", 9)       # Completions(("read_clipboard", "read_csv"), 3, 9)
await kernel.inspect("pd.read_csv", 11)     # its signature and help, as text
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from kernels.text.clipping import repair, strip_ansi

__all__ = ["COLUMNS", "COMPLETE", "INSPECT", "PATIENCE", "Completions", "Hinting"]

COMPLETE, INSPECT, COLUMNS = "complete", "inspect", "columns"
PATIENCE = 1.0  # seconds that a person who types waits, at most
MOST, LONGEST = 500, 200  # completions, and characters of each
LONGEST_CODE = 1 << 20  # characters; longer code is not asked about
DESCRIPTION = 20_000  # characters of what is told about an object


@dataclass(frozen=True, slots=True)
class Completions:
    """What may replace the characters from `start` to `end`."""

    matches: tuple[str, ...] = ()
    start: int = 0
    end: int = 0


class Hinting(ABC):
    """A kernel that answers such questions."""

    async def complete(self, code: str, position: int) -> Completions:
        """How the code may go on at this position; nothing while a cell runs, or without a process."""
        return _completions(await self._hint(COMPLETE, code, position))

    async def inspect(self, code: str, position: int) -> str:
        """What is known about the object at this position, as text, or "", as `complete`."""
        return _inspected(await self._hint(INSPECT, code, position))

    async def widen(self, columns: int) -> None:
        """From now on tables of text may have this many columns, also in processes that start later."""
        await self._hint(COLUMNS, "", columns)

    @abstractmethod
    async def _hint(self, question: str, code: str, position: int) -> Any:
        """The unchecked content of the kernel's reply; None if it does not come in time."""


def _completions(content: Any) -> Completions:
    """The completions of a reply; none from a hostile one."""
    try:
        found = [one for one in content["matches"][:MOST] if isinstance(one, str) and len(one) <= LONGEST]
        start, end = int(content["cursor_start"]), int(content["cursor_end"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return Completions()
    return Completions(tuple(map(repair, found)), start, end) if 0 <= start <= end else Completions()


def _inspected(content: Any) -> str:
    """The text of a reply, without colours; "" where nothing is known."""
    try:
        told = content["data"]["text/plain"]
        return strip_ansi(repair(told[:DESCRIPTION])) if isinstance(told, str) else ""
    except (KeyError, TypeError):
        return ""
