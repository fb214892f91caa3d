"""What a session's kernel holds, kept with the session, so that a loss is told whoever comes to notice it.

    held = KernelNote.from_text(record.kernel)
    held = held.ended(AWAY)             # nobody saw its end: its variables are lost, and not yet told

A kernel that ends while this program watches tells it by itself. One that ends while no program runs, or with
its program, is missed at the next opening of the session: see `bot.continuity.kernel_notes`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Self

from kernels.cell.events import Restarted

__all__ = ["AWAY", "COPY", "UPDATED", "KernelNote", "holding", "merge_losses", "unused_for"]

MOST, LONGEST = 200, 100  # names that are kept, and characters of one
AWAY = "it ended while I was away"
COPY = "the data was restored from a copy, or another database was used in between"
UPDATED = "it ended when I was updated or restarted"


@dataclass(frozen=True, slots=True)
class KernelNote:
    """The `variables` of a session's kernel, as last noted, and what is lost and not yet told.

    `lost` are names, `reason` says why ("": nothing is to be told). `kept` says what has become of the files:
    "files" are all there, "copy" are those of a copy, "" are gone. With `unnamed` a cell was running at the
    end, and what it had defined is lost too; with `earlier` so are the variables of earlier cells, whose
    names were never noted. `swept`: kernel and workspace were removed, and nothing came since. `unknown`:
    nothing was ever noted, as by versions that did not do so.
    """

    variables: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    reason: str = ""
    kept: str = "files"
    unnamed: bool = False
    earlier: bool = False
    swept: bool = False
    unknown: bool = False

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """What `to_text` has made; `unknown`, where there is none; nothing, where it cannot be read."""
        if text is None:
            return cls(unknown=True)
        try:
            fields = json.loads(text or "{}")
            return cls(
                variables=tuple(map(str, fields.get("variables", ()))),
                lost=tuple(map(str, fields.get("lost", ()))),
                reason=str(fields.get("reason", "")),
                kept=str(fields.get("kept", "files")),
                unnamed=bool(fields.get("unnamed")),
                earlier=bool(fields.get("earlier")),
                swept=bool(fields.get("swept")),
                unknown=bool(fields.get("unknown")),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """All of it as text, for the session's record."""
        plain = asdict(type(self)())
        return json.dumps({name: value for name, value in asdict(self).items() if value != plain[name]})

    @property
    def untold(self) -> Restarted | None:
        """What the person has to be told with their next cell."""
        if not self.reason:
            return None
        kept = (self.kept,) if self.kept else ()
        return Restarted(self.reason, kept, self.lost, self.unnamed, self.earlier)

    def ended(
        self, reason: str, *, kept: str = "files", unnamed: bool = False, earlier: bool = False
    ) -> Self:
        """The kernel is gone, and nobody has told it. What was to be told before is told with it."""
        return replace(
            self,
            variables=(),
            lost=tuple(dict.fromkeys((*self.lost, *self.variables)))[:MOST],
            reason=reason,
            kept=kept if self.kept == "files" else self.kept,
            unnamed=unnamed or self.unnamed,
            earlier=earlier or self.earlier,
            unknown=False,
        )

    def with_untold(self, untold: Restarted | None) -> Self:
        """The same kernel; this is what has to be told of earlier ones, None for nothing."""
        return replace(
            self,
            lost=tuple(name[:LONGEST] for name in untold.lost)[:MOST] if untold else (),
            reason=untold.reason if untold else "",
            kept="".join(untold.kept[:1]) if untold else "files",
            unnamed=untold is not None and untold.unnamed,
            earlier=untold is not None and untold.earlier,
        )


def holding(names: Iterable[str], untold: KernelNote) -> KernelNote:
    """A kernel with these variables; what is still `untold` of an earlier one stays so."""
    kept = tuple(name[:LONGEST] for name in names)[:MOST]
    return replace(untold, variables=kept, swept=False, unknown=False)


def unused_for(time: timedelta) -> str:
    """The reason for the end of a session that nobody used."""
    hours = time.total_seconds() / 3600
    told = f"{hours:.0f} hours" if hours >= 2 else f"{time.total_seconds() / 60:.0f} minutes"
    return f"your session was not used for {told}"


def merge_losses(first: Restarted | None, second: Restarted | None) -> Restarted | None:
    """Two losses told as one, by the reason of the later one."""
    if first is None or second is None:
        return first or second
    return Restarted(
        second.reason,
        first.kept if first.kept != ("files",) else second.kept,
        tuple(dict.fromkeys((*first.lost, *second.lost))),
        first.unnamed or second.unnamed,
        first.earlier or second.earlier,
    )
