"""The events of a cell that wait for their reader, kept small: a slow reader gets fewer and larger ones.

inbox.put(Stream("stdout", "a"))
event = await inbox.get()      # None when it was woken for another reason
"""

import asyncio
import re
from collections import deque

from msgspec.structs import replace

from kernels.cell.events import ClearOutput, Display, Event, Failure, Result, Stream, cost
from kernels.text.clipping import strip_ansi
from kernels.text.terminal import TerminalText

__all__ = ["SHOWN", "Inbox"]

MERGE = 64 * 1024  # characters up to which pieces of text are joined: each piece is drawn in one step
LINE = 2048  # characters of a line that is drawn at each of its pieces, in 2 ms; a longer one stays as it is
SHOWN = (Stream, Display, Result, Failure, ClearOutput)  # what a clear removes
_MOVES = re.compile(r"[\b]|\x1b\[\d*[A-K]")  # the cursor moves, or something is erased


class Inbox:
    """A queue of events that joins text, and replaces what has been redrawn."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._woken = asyncio.Event()

    @property
    def size(self) -> int:
        """The bytes that the events take, counted anew."""
        return sum(map(cost, self._events))

    def put(self, event: Event) -> None:
        """Add an event, merged with those that wait where a person sees no difference."""
        last = self._events[-1] if self._events else None
        match last, event:
            case Stream(name, before), Stream(same, text) if name == same and len(before) < MERGE:
                self._events[-1] = Stream(name, _joined(before, text))
            case _, Display(update=True) if self._updated(event):
                pass
            case ClearOutput(wait=True), Stream() | Display(update=False) | Result() | Failure():
                self._drop_shown()
                self._events += [ClearOutput(wait=True), event]
            case _, ClearOutput(wait=False):
                self._drop_shown()
                self._events.append(event)
            case ClearOutput(), ClearOutput():
                pass
            case _:
                self._events.append(event)
        self._woken.set()

    def wake(self) -> None:
        """Let `get` return, because something other than an event has happened."""
        self._woken.set()

    def take(self) -> Event | None:
        """The next event, or None when there is none."""
        return self._events.popleft() if self._events else None

    async def get(self) -> Event | None:
        """The next event; None when woken without one."""
        if not self._events:
            await self._woken.wait()
        self._woken.clear()
        return self.take()

    def _drop_shown(self) -> None:
        """Drop what is cleared before anybody has seen it."""
        self._events = deque(waiting for waiting in self._events if not isinstance(waiting, SHOWN))

    def _updated(self, update: Display) -> bool:
        """Replace the display that `update` is for if it waits here; returns whether it does."""
        for index, waiting in enumerate(self._events):
            if isinstance(waiting, Display) and waiting.display_id == update.display_id:
                self._events[index] = replace(update, update=waiting.update)
                return True
        return False


def _joined(before: str, text: str) -> str:
    """Both pieces, without what a later `\\r` overwrites in the line that both share.

    The line's first `\\r` stays, because it redraws what was shown before these pieces. Everything stays
    where the cursor moves otherwise, where it rests within the line so that the next piece goes on from
    there, and where the line is too long to draw.
    """
    finished, newline, line = before.rpartition("\n")
    line += text
    head, _, redrawn = line.partition("\r")
    if "\r" not in redrawn or len(line) > LINE or _MOVES.search(line):
        return before + text
    terminal = TerminalText()
    terminal.write(redrawn)
    drawn, last = terminal.render(), strip_ansi(redrawn.rpartition("\r")[2])
    if 0 < len(last) < len(strip_ansi(drawn)):
        return before + text
    return f"{finished}{newline}{head}\r{drawn}" + ("" if last else "\r")
