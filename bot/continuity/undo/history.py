"""What a session notes of its undone steps and its checkpoints: the text in its record.

    history = UndoHistory.from_text(record.history)
    await sessions.set_history(session_id, history.with_step(step).to_text())

A step is one journey: an undo, or the return to a checkpoint. It can be redone until the next cell, which is
seen by that cell's number: nothing has to be written for it.
"""

import logging
from collections.abc import Collection, Iterable
from typing import Literal, Self

import msgspec
from msgspec import Struct, structs

from filestore.records import HISTORY

__all__ = ["HERE", "Kind", "Origin", "UndoHistory", "UndoStep", "numbers", "ranges"]

log = logging.getLogger(__name__)

HERE = '"here":true'  # stands in the text of every branch that its place shows, and in hardly another one
MOST = 20  # steps that can be redone, one after the other

Kind = Literal["undo", "redo", "restore"]
Ranges = tuple[tuple[int, int], ...]


def ranges(cells: Iterable[int]) -> Ranges:
    """Numbers as ranges of consecutive ones, both ends included."""
    found: list[tuple[int, int]] = []
    for cell in sorted(set(cells)):
        if found and found[-1][1] == cell - 1:
            found[-1] = (found[-1][0], cell)
        else:
            found.append((cell, cell))
    return tuple(found)


def numbers(of: Ranges) -> tuple[int, ...]:
    """The numbers in ranges, in order."""
    return tuple(cell for first, last in of for cell in range(first, last + 1))


class UndoStep(Struct, frozen=True, omit_defaults=True):
    """A journey from the save `save` with the state as of `cell` to that of `as_of`.

    It undid the cells `undone`, and made those of `again` count again. `top` is the number of the last cell
    that had run. While it is under way, `save` is 0.
    """

    kind: Kind
    save: int
    cell: int
    as_of: int
    top: int
    undone: Ranges = ()
    again: Ranges = ()


class Origin(Struct, frozen=True):
    """Of a branch: its name, the session, place and cell that it is from, and if its place shows it now.

    Where it is `heard`, the model may be told what was said in the place that it is from. `line` are the
    sessions that `of` is from in turn, if that is a branch, too.
    """

    name: str
    of: str
    place: str
    cell: int
    here: bool = False
    heard: bool = False
    line: tuple[str, ...] = ()


class UndoHistory(Struct, frozen=True, omit_defaults=True):
    """The `steps` that can be redone, the oldest first, and the `pending` one that is under way.

    `lines` has for each checkpoint which cells were undone when it was made. The cells up to `fresh` ran
    before the session got a fresh kernel, which is what is gone back to at most.
    """

    steps: tuple[UndoStep, ...] = ()
    pending: UndoStep | None = None
    lines: dict[str, Ranges] = {}
    origin: Origin | None = None
    fresh: int = 0

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """The history that `to_text` wrote; an empty one if it cannot be read."""
        try:
            return msgspec.json.decode(text or "{}", type=cls)
        except (msgspec.DecodeError, ValueError):
            log.warning("a session's history cannot be read: nothing can be redone")
            return cls()

    def to_text(self) -> str | None:
        """The history as text; what does not fit is left out, the oldest steps first."""
        if self == UndoHistory():
            return None
        text = msgspec.json.encode(self).decode()
        if len(text.encode()) <= HISTORY:
            return text
        if self.steps:
            return structs.replace(self, steps=self.steps[1:]).to_text()
        if self.lines:
            largest = max(self.lines, key=lambda name: len(self.lines[name]))
            lines = {name: line for name, line in self.lines.items() if name != largest}
            return structs.replace(self, lines=lines).to_text()
        return structs.replace(self, pending=None).to_text()

    def going(self, step: UndoStep) -> Self:
        """The same with a step that is about to be taken."""
        return structs.replace(self, pending=step)

    def gone(self, step: UndoStep | None) -> Self:
        """The same with this step taken (None: it was not); what a later cell has ended is left out."""
        if step is None:
            return structs.replace(self, pending=None)
        if step.kind == "redo":
            return structs.replace(self, pending=None, steps=self.steps[:-1])
        before = tuple(one for one in self.steps if one.top >= step.top)
        steps = (*before, step)[-MOST:] if step.save else ()
        return structs.replace(self, pending=None, steps=steps)

    def with_line(self, name: str, undone: Collection[int] | None) -> Self:
        """The same with the undone cells of a checkpoint; None forgets it."""
        lines = {one: line for one, line in self.lines.items() if one != name}
        if undone is not None:
            lines[name] = ranges(undone)
        return structs.replace(self, lines=lines)
