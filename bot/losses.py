"""What a session's kernel holds, kept with the session, so that a loss is told whoever comes to notice it.

    held = Held.from_text(record.kernel)
    held = held.ended(AWAY)             # nobody saw its end: its variables are lost, and not yet told
    losses = Losses(session.take_untold)    # of one turn
    async for event in losses.before(run): ...   # the cell's events
    losses.told                         # what has to be in the turn's result too

A kernel that ends while this program watches tells it by itself. One that ends while no program runs, or with
its program, is missed at the next opening of the session.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Self

from kernels.events import Event, Queued, Restarted

__all__ = ["AWAY", "COPY", "Held", "Losses", "holding", "together", "unused_for"]

MOST, LONGEST = 200, 100  # names that are kept, and characters of one
AWAY = "it ended while I was away"
COPY = "the data was restored from a copy, or another database was used in between"


@dataclass(frozen=True, slots=True)
class Held:
    """The `variables` of a session's kernel, as last noted, and what is lost and not yet told.

    `lost` are names, `reason` says why ("": nothing is to be told). `kept` says what has become of the files:
    "files" are all there, "copy" are those of a copy, "" are gone. With `unnamed` a cell was running at the
    end, and what it had defined is lost too. `swept`: kernel and workspace were removed,
    and nothing came since.
    """

    variables: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    reason: str = ""
    kept: str = "files"
    unnamed: bool = False
    swept: bool = False

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """What `to_text` has made; nothing, where it cannot be read."""
        try:
            fields = json.loads(text or "{}")
            return cls(
                variables=tuple(map(str, fields.get("variables", ()))),
                lost=tuple(map(str, fields.get("lost", ()))),
                reason=str(fields.get("reason", "")),
                kept=str(fields.get("kept", "files")),
                unnamed=bool(fields.get("unnamed")),
                swept=bool(fields.get("swept")),
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
        return Restarted(self.reason, (self.kept,) if self.kept else (), self.lost, self.unnamed)

    def ended(self, reason: str, *, kept: str = "files", unnamed: bool = False) -> Self:
        """The kernel is gone, and nobody has told it. What was to be told before is told with it."""
        return replace(
            self,
            variables=(),
            lost=tuple(dict.fromkeys((*self.lost, *self.variables)))[:MOST],
            reason=reason,
            kept=kept if self.kept == "files" else self.kept,
            unnamed=unnamed or self.unnamed,
        )


def holding(names: Iterable[str], untold: Held | None) -> Held:
    """A kernel with these variables; what is still `untold` of an earlier one stays so."""
    kept = tuple(name[:LONGEST] for name in names)[:MOST]
    return replace(untold or Held(), variables=kept, swept=False)


def unused_for(time: timedelta) -> str:
    """The reason for the end of a session that nobody used."""
    hours = time.total_seconds() / 3600
    return f"your session was not used for {f'{hours:.0f} hours' if hours >= 2 else str(time)}"


def together(first: Restarted, second: Restarted | None) -> Restarted:
    """Two losses told as one, by the reason of the later one."""
    if second is None:
        return first
    lost = tuple(dict.fromkeys((*first.lost, *second.lost)))
    kept = first.kept if first.kept != ("files",) else second.kept
    return Restarted(second.reason, kept, lost, first.unnamed or second.unnamed)


class Losses:
    """Tells within one turn what a session has lost before it; `untold` gives that, or None, when asked."""

    def __init__(self, untold: Callable[[], Restarted | None]) -> None:
        self._untold = untold
        self.told: Restarted | None = None

    async def before(self, events: AsyncIterable[Event]) -> AsyncGenerator[Event]:
        """The events of a cell, and what was lost before the first that shows that it runs."""
        async for event in events:
            if self.told is None and not isinstance(event, Queued) and (lost := self._untold()):
                self.told = lost
                if isinstance(event, Restarted):  # the kernel knows of it too: say it once
                    yield together(lost, event)
                    continue
                yield lost
            yield event
        if self.told is None and (lost := self._untold()):
            self.told = lost
            yield lost
