"""A note of what a session's kernel holds, stored with the session, so that a later program can tell a loss.

    note = KernelNote.from_text(record.kernel)
    note = note.ended(AWAY)             # nobody saw the kernel end: its variables are lost, and not yet told

If a kernel ends while this program watches, it says so itself. If it ends with its program, or while no
program runs, that is noticed when the session is next opened: see `bot.continuity.kernel_notes`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

import msgspec

from kernels.cell.events import Restarted, UnsavedValue

__all__ = ["AWAY", "BROKEN_OFF", "COMPLETED", "COPY", "UPDATED", "KernelNote", "merge_losses", "unused_for"]

MOST, LONGEST = 200, 100  # names that are kept, and characters of a name
AWAY = "it ended while I was away"
COPY = "the data was restored from a copy, or another database was used in between"
UPDATED = "it ended when I was updated or restarted"
BROKEN_OFF = "the kernel was being taken back when that broke off, so some files may not be as they were"
COMPLETED = "the kernel was being taken back when that broke off; variables and files are back now"


@dataclass(frozen=True, slots=True)
class KernelNote:
    """The `variables` of a session's kernel when last noted, and losses that were not told yet.

    `lost` are the names of lost variables, and `reason` says why they are lost ("": there is nothing to
    tell). `kept` says what became of the files: "files" (all are there), "copy" (they are those of a backup)
    or "" (they are gone). With `unnamed` a cell was running when the kernel ended, and what it had defined is
    lost too. With `earlier` so are the variables of earlier cells, whose names were never noted. `as_of`,
    `back` and `unsaved` are those of a kernel that got its saved variables back, as in `Restarted`. `swept`:
    kernel and workspace were removed, and nothing was run since. `unknown`: nothing was ever noted, as in
    versions that did not take notes.
    """

    variables: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    reason: str = ""
    kept: str = "files"
    unnamed: bool = False
    earlier: bool = False
    as_of: int = 0
    back: tuple[str, ...] = ()
    unsaved: tuple[UnsavedValue, ...] = ()
    swept: bool = False
    unknown: bool = False

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """The note that `to_text` wrote: `unknown` if there is none, empty if it cannot be read."""
        if text is None:
            return cls(unknown=True)
        try:
            return msgspec.convert(json.loads(text or "{}"), cls)
        except ValueError:
            return cls()

    def to_text(self) -> str:
        """The note as text, for the session's record."""
        plain = msgspec.to_builtins(type(self)())
        fields = msgspec.to_builtins(self).items()
        return json.dumps({name: value for name, value in fields if value != plain[name]})

    @property
    def untold(self) -> Restarted | None:
        """What the person is to be told with their next cell."""
        if not self.reason:
            return None
        kept = (self.kept,) if self.kept else ()
        return Restarted(
            self.reason,
            kept,
            self.lost,
            self.unnamed,
            self.earlier,
            as_of=self.as_of,
            back=self.back,
            unsaved=self.unsaved,
        )

    def ended(
        self, reason: str, *, kept: str = "files", unnamed: bool = False, earlier: bool = False
    ) -> Self:
        """The note after the kernel has ended unseen. Earlier losses that are not told yet are included.

        What is saved comes back with the next kernel, which says so: see `merge_losses`.
        """
        unsaved = [value.name for value in self.unsaved]
        return replace(
            self,
            variables=(),
            lost=tuple(dict.fromkeys((*self.lost, *unsaved, *self.variables)))[:MOST],
            reason=reason,
            kept=kept if self.kept == "files" else self.kept,
            unnamed=unnamed or self.unnamed,
            earlier=earlier or self.earlier,
            as_of=0,
            back=(),
            unsaved=(),
            unknown=False,
        )

    def with_variables(self, names: Iterable[str]) -> Self:
        """The same note for a kernel that holds these variables now."""
        return replace(self, variables=_short(names), swept=False, unknown=False)

    def with_untold(self, untold: Restarted | None) -> Self:
        """The same note, with these losses to be told; None for nothing."""
        told = untold or Restarted("", ("files",), ())
        return replace(
            self,
            lost=_short(told.lost),
            reason=told.reason,
            kept="".join(told.kept[:1]),
            unnamed=told.unnamed,
            earlier=told.earlier,
            as_of=told.as_of,
            back=_short(told.back),
            unsaved=tuple(
                UnsavedValue(value.name[:LONGEST], value.cell, value.what[:LONGEST])
                for value in told.unsaved[:MOST]
            ),
        )


def unused_for(time: timedelta) -> str:
    """The reason why the kernel of an unused session was ended."""
    hours = time.total_seconds() / 3600
    told = f"{hours:.0f} hours" if hours >= 2 else f"{time.total_seconds() / 60:.0f} minutes"
    return f"your session was not used for {told}"


def merge_losses(first: Restarted | None, second: Restarted | None) -> Restarted | None:
    """Two losses as one, with the reason of the second.

    A kernel that knows no reason says AWAY, and perhaps more; the first reason then takes the place of that.
    What is said of an undo that broke off stays true, whatever the kernel has ended of since.
    If saved variables came back at the second, they are not lost, whenever they were.
    """
    if first is None or second is None:
        return first or second
    unsaved = [value.name for value in first.unsaved] if not second.as_of else []
    there = {*second.back, *(value.name for value in second.unsaved)}
    return Restarted(
        _reason(first.reason, second.reason),
        first.kept if first.kept != ("files",) else second.kept,
        tuple(name for name in dict.fromkeys((*first.lost, *unsaved, *second.lost)) if name not in there),
        first.unnamed or second.unnamed,
        second.earlier or (first.earlier and not second.as_of),
        as_of=second.as_of,
        back=second.back,
        unsaved=second.unsaved,
    )


def _reason(first: str, second: str) -> str:
    if second.startswith(AWAY):
        return first + second.removeprefix(AWAY)
    for undo in (BROKEN_OFF, COMPLETED):
        if undo in first and undo not in second:
            return f"{second}; {undo}"
    return second


def _short(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name[:LONGEST] for name in names)[:MOST]
