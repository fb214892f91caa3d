"""The events of a cell that nobody has taken yet, kept small: a slow reader gets fewer and larger ones.

inbox.put(Stream("stdout", "a"))
event = await inbox.get(deadline)      # None when it was woken, or at the deadline (monotonic seconds)
"""

import asyncio
import time
from collections import deque

from kernels.events import ClearOutput, Display, Event, Stream
from kernels.text import Terminal

__all__ = ["Inbox"]

MERGE = 256 * 1024  # characters up to which pieces of text are joined


class Inbox:
    """A queue of events in which text is joined and redrawn text, pictures and clears take each other's place."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._woken = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event, merging it with what waits where that loses nothing that a person would see."""
        last = self._events[-1] if self._events else None
        match last, event:
            case Stream(name, before), Stream(same, text) if name == same and len(before) < MERGE:
                self._events[-1] = Stream(name, _redrawn(before + text))
            case Display(update=True, display_id=one), Display(update=True, display_id=other) if one == other:
                self._events[-1] = event
            case ClearOutput(), ClearOutput():
                pass
            case _:
                if isinstance(event, ClearOutput) and not event.wait:
                    kept = [waiting for waiting in self._events if not isinstance(waiting, Stream | Display)]
                    self._events = deque(kept)
                self._events.append(event)
        self._woken.set()

    def wake(self) -> None:
        """Let `get` return, for something other than an event has happened."""
        self._woken.set()

    def take(self) -> Event | None:
        """The next event, or None when there is none."""
        return self._events.popleft() if self._events else None

    async def get(self, deadline: float | None) -> Event | None:
        """The next event; None when woken without one, or when the deadline has passed."""
        if not self._events:
            self._woken.clear()
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                await asyncio.wait_for(self._woken.wait(), left)
            except TimeoutError:
                return None
        return self.take()


def _redrawn(text: str) -> str:
    """`text` with what a later `\\r` in it overwrites left out; a `\\r` at its start stays, for it redraws what was
    shown before.
    """
    if text.count("\r") < 2:
        return text
    head, _, body = text.partition("\r")
    terminal = Terminal()
    terminal.write(body)
    return f"{head}\r{terminal.render()}" + ("\r" if text.endswith("\r") else "")
