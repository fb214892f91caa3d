"""Displays that a later cell has updated (`DisplayHandle.update`), as they finally look.

    updates = Updates()
    for cell in cells:
        updates.begin(cell.seq)
        for output in cell.outputs: updates.note(output)
    for cell in cells:
        updates.begin(cell.seq)
        for output in cell.outputs: updates.applied(output)

A cell's record has what the cell showed. Where the cell updated a display of an earlier cell, its record also
has the display's new state, as an output of the type `UPDATE`, which no notebook has. Every output that can
be updated has its display's id in `transient`, as the messages of a kernel do. So a record is never
rewritten, and a notebook is made in two passes over the outputs. An output's position is its cell's number
and its own number within the cell. Late output is added at the end of its cell and moves no other output, so
it may arrive between the passes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kernels.wire.weight import weight

__all__ = [
    "UPDATE",
    "Updates",
    "display_id",
    "is_mark",
    "is_note",
    "is_update",
    "shown",
    "updated_ids",
]

UPDATE = "update_display_data"
MOST_HELD = 64 << 20  # bytes of updates that are kept while a notebook is made
MOST_IDS = 10_000  # displays that are followed
FIRST = 0, 0  # the position before all others
_RANDOM = re.compile(r"[0-9a-f]{32}")  # as IPython makes them
TOO_MUCH = "[updated in a later cell, which is left out here: there are too many and too large updates]"


def display_id(output: Mapping[str, Any]) -> str | None:
    """The id under which an output can be updated."""
    match output.get("transient"):
        case {"display_id": str(found)}:
            return found
    return None


def is_update(output: Any) -> bool:
    """Whether it is the new state of an earlier cell's display."""
    return isinstance(output, Mapping) and output.get("output_type") == UPDATE


def is_note(output: Any) -> bool:
    """Whether we added it to a record: it repeats what the person was told beside the cell's outputs."""
    match output:
        case {"transient": {"note": True}}:
            return True
    return False


def is_mark(output: Any) -> bool:
    """Whether it only stands for displays, in a short form of a cell's outputs."""
    return is_update(output) and display_id(output) is None


def _updates_something(output: Any) -> bool:
    """Whether it replaces what earlier displays with its id show."""
    if not isinstance(output, Mapping) or not isinstance(transient := output.get("transient"), Mapping):
        return False
    return is_update(output) or transient.get("updated") is True


def updated_ids(outputs: Iterable[Any]) -> set[str]:
    """The ids of displays of earlier cells that these outputs update.

    A display that a cell updates itself is no earlier cell's, as long as its id is a random one.
    """
    return {
        name
        for output in outputs
        if _updates_something(output) and (name := display_id(output))
        if is_update(output) or not _RANDOM.fullmatch(name)
    }


def shown(outputs: Iterable[Mapping[str, Any]]) -> set[str]:
    """The displays that are among the outputs of a cell, or are named in their short form."""
    found: set[str] = set()
    for output in outputs:
        match output.get("transient"):
            case {"display_id": str(name)} if not is_update(output):
                found.add(name)
            case {"shown": list(names)}:
                found.update(names)
    return found


class Updates:
    """See the module's text."""

    def __init__(self) -> None:
        self._position = 0, 0  # of the last output that was seen: its cell's number, and its own from 1
        self._shown: set[str] = set()  # ids of displays that may be updated
        self._newest: dict[str, tuple[tuple[int, int], Mapping[str, Any]]] = {}  # by id, with its position
        self._held = 0

    def begin(self, cell: int) -> None:
        """The next output is the first one of the cell of this number."""
        self._position = cell, 0

    def note(self, output: Mapping[str, Any]) -> None:
        """Note the next output."""
        self._next()
        name = display_id(output)
        if name is None:
            return
        if _updates_something(output) and name in self._shown:
            _, before = self._newest.get(name, (FIRST, {}))
            size = weight(output.get("data"))
            self._held += size - (weight(before.get("data")) if before else 0)
            if self._held > MOST_HELD:
                self._held -= size
                output = {"data": {"text/plain": TOO_MUCH}, "metadata": {}}
                self._held += weight(output["data"])
            self._newest[name] = self._position, output
        if not is_update(output) and len(self._shown) < MOST_IDS:
            self._shown.add(name)

    def pass_mark(self, mark: Mapping[str, Any]) -> bool:
        """Note what a short form says of its displays; returns whether its outputs have to be read."""
        match mark.get("transient"):
            case {"shown": list(names), "updates": bool(updates)}:
                self._shown.update(names if len(self._shown) < MOST_IDS else ())
                return updates
        return True

    def applied(self, output: dict[str, Any]) -> dict[str, Any]:
        """The next output as it finally looks."""
        return self.at(self._next(), output)

    def at(self, position: tuple[int, int], output: dict[str, Any]) -> dict[str, Any]:
        """The output at this position as it finally looks: its cell's number, and its own from 1."""
        updated, newest = self._newest.get(display_id(output) or "", (FIRST, {}))
        if updated <= position or is_update(output):
            return output
        return output | {"data": newest.get("data", {}), "metadata": newest.get("metadata", {})}

    def _next(self) -> tuple[int, int]:
        cell, number = self._position
        self._position = cell, number + 1
        return self._position
