"""What a person has to be told of kernels that were replaced: why, and what became of their variables.

    restarts.ended(reason, names, in_cell=True, saved=manifest)     # the process has ended
    restarts.started(restored)                                      # another one has the variables
    restarts.take()                                                 # a Restarted to be told, once

A cell that ends with its kernel is told at once, when no other process has the variables yet: what is said
then is what was saved. If less comes back in the end, the next cell is told that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from kernels.cell.events import Restarted, UnsavedValue
from kernels.cell.result import Variable
from kernels.state.manifest import UNKNOWN, Manifest, Meta, Portrait

__all__ = ["AWAY", "NOT_BACK", "BroughtBack", "Restarts", "not_saved", "unsaved"]

AWAY = "it ended while I was away"  # as in `bot.continuity.losses`
NOT_BACK = "your variables could not be brought back"
KEPT = ", but they are kept as of cell {}: undo this cell to try again"


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """What came of a restore: the names that are `back` as of `cell`, and what is `unsaved`.

    If it failed, `cell` is 0 and `gone` are the names that were saved; the save as of the cell `kept` may be
    tried again (0: there is none). `values` are what names stand for.
    """

    cell: int
    back: tuple[str, ...] = ()
    unsaved: tuple[UnsavedValue, ...] = ()
    gone: tuple[str, ...] = ()
    kept: int = 0
    values: Mapping[str, Portrait] = field(default_factory=dict)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What is back, as it was described when it was saved."""
        return tuple(Variable(name, *self.portrait(name)[:2]) for name in self.back)

    def portrait(self, name: str) -> Portrait:
        """What a name stands for."""
        return self.values.get(name, UNKNOWN)


def unsaved(meta: Meta) -> tuple[UnsavedValue, ...]:
    """What a save, or what came back of it, does not have."""
    return tuple(UnsavedValue(one.name, one.cell, one.what) for one in meta.lost)


def not_saved(meta: Meta, variables: Sequence[Variable]) -> tuple[UnsavedValue, ...]:
    """What a save does not have; of these variables, also those that are there only since then."""
    told = unsaved(meta)
    known = {*meta.names, *(one.name for one in told)}
    return (*told, *(UnsavedValue(one.name, 0, "") for one in variables if one.name not in known))


class Restarts:
    """See the module's text."""

    def __init__(self) -> None:
        self._untold: Restarted | None = None
        self._promised: Restarted | None = None  # it was told what would come back

    def ended(self, reason: str, names: Sequence[str], *, in_cell: bool, saved: Manifest | None) -> None:
        """The process with these variables has ended, in the middle of a cell if `in_cell`.

        What nobody has been told of the one before is told with it.
        """
        if (untold := self._untold) is not None:
            names = _names((*untold.lost, *(one.name for one in untold.unsaved), *names))
            in_cell = in_cell or untold.unnamed
        restarted = Restarted(reason, ("files",), tuple(names), in_cell)
        if saved is not None:
            restarted = _with(restarted, BroughtBack(saved.cell, saved.meta.names, unsaved(saved.meta)))
        self._untold, self._promised = restarted, None

    def started(self, restored: BroughtBack | None) -> None:
        """A fresh process has the variables that are named; None: none had been saved."""
        told, self._promised = self._untold or self._promised, None
        if restored is None and (told is None or not told.as_of):
            return
        now = _with(told or Restarted(AWAY, ("files",), ()), restored or BroughtBack(0))
        if self._untold is not None or told is None or _less(now, told):
            self._untold = now

    def take(self) -> Restarted | None:
        """What has to be told; returned once."""
        told, self._untold = self._untold, None
        self._promised = told or self._promised
        return told

    def forget(self) -> None:
        """Nothing has to be told any more."""
        self._untold = self._promised = None


def _with(told: Restarted, restored: BroughtBack) -> Restarted:
    """The restart with what came back of everything that it names."""
    known = _names((*told.lost, *told.back, *(one.name for one in told.unsaved), *restored.gone))
    there = {*restored.back, *(one.name for one in restored.unsaved)}
    return replace(
        told,
        reason=told.reason if restored.cell else f"{told.reason}; {_not_back(restored)}",
        lost=tuple(name for name in known if name not in there),
        as_of=restored.cell,
        back=restored.back,
        unsaved=restored.unsaved,
    )


def _not_back(restored: BroughtBack) -> str:
    """What is said of a restore that failed; undoing the cell that tells it goes to the save once more."""
    return f"{NOT_BACK}{KEPT.format(restored.kept) if restored.kept else ''}"


def _less(now: Restarted, told: Restarted) -> bool:
    """Whether less came back than was told, or of another cell."""
    missing = {one.name for one in now.unsaved} - {one.name for one in told.unsaved}
    return now.as_of != told.as_of or bool(missing or set(told.back) - set(now.back))


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
