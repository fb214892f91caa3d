"""Which cell an interrupt is for, and whether it got there: it goes another way than the cell does.

    turn.begin(message_id)                  # raises KeyboardInterrupt: the interrupt came before the cell
    with turn.code(): ...                   # the person's own code: here it is raised
    turn.end()

    with turn.of(message_id) as running:    # in the thread that interrupts
        ...                                 # the cell does not end meanwhile; not `running`, it never begins
    await turn.insist(message_id, send)

What comes between the beginning and the person's code is raised at its start: IPython's own code around it
lets some exceptions go. What comes after it is dropped. And a signal that comes when Python has let its lock
go, and has not entered the system call yet, waits for the end of that call, `time.sleep(600)`: one of the
first three interrupts did. And what is raised in a `__del__` or another callback of C code, Python prints and
drops. And within a message that is being sent it would leave half of it. So it is sent until it was heard.
"""

import asyncio
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jupyter_client.session import Session

__all__ = ["Turn", "take_interrupts"]

AGAIN, MOST = 0.02, 50  # seconds between two signals of one interrupt; signals at most
# What Python has around it makes enumerations of all, which takes 10 us; each cell asks for it four times.
_handle: Callable[[int, Any], Any] = inspect.unwrap(signal.signal)


def take_interrupts(handler: Any) -> Any:
    """Have `handler` called for an interrupt; returns the one before, as `signal.signal` does."""
    return _handle(signal.SIGINT, handler)


class Turn:
    """See the module's text. A client that names no cell means the one that runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = ""
        self._refused = ""
        self._noted = False
        self._heard = False

    def begin(self, cell: str) -> None:
        """The cell of this message is about to run. Raises: KeyboardInterrupt."""
        with self._lock:
            if cell == self._refused:
                raise KeyboardInterrupt
            self._running, self._heard = cell, False

    def runs(self, cell: str) -> bool:
        """Whether this is the cell that runs."""
        return cell == self._running

    def end(self) -> None:
        """It is over."""
        with self._lock:
            self._running, self._noted = "", False

    @contextmanager
    def of(self, cell: str) -> Iterator[bool]:
        """Whether the cell runs; when it does not, it will not. While entered it stays so."""
        with self._lock:
            running = not cell or cell == self._running
            if running:
                self._heard = False
            else:
                self._refused = cell
            yield running

    async def insist(self, cell: str, send: Callable[[], object]) -> None:
        """Send the signal again until it was heard; not to a handler of the person's own, who hears it."""
        for _ in range(MOST):
            await asyncio.sleep(AGAIN)  # nothing tells that a signal was not heard
            with self._lock:
                running = bool(self._running) if not cell else cell == self._running
                ours = signal.getsignal(signal.SIGINT) in (self.note, self.interrupt)
                if not running or self._heard or not ours:
                    return
                send()

    def note(self, _number: int, _frame: object) -> None:
        """Take the signal outside the person's code."""
        self._noted = self._heard = True

    def interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Take the signal in the person's code. Raises: KeyboardInterrupt, if no message is being sent."""
        while frame is not None:
            if frame.f_code is Session.send.__code__:
                return
            frame = frame.f_back
        self._heard = True
        raise KeyboardInterrupt

    def dropped(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Take what Python could not raise, as `sys.unraisablehook`: an interrupt was not heard then."""
        if unraisable.exc_type is KeyboardInterrupt:
            self._heard = False
        else:
            sys.__unraisablehook__(unraisable)

    @contextmanager
    def code(self) -> Iterator[None]:
        """While entered the signal raises KeyboardInterrupt, as Python does by itself."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = take_interrupts(signal.default_int_handler)
        try:
            if self._noted:
                self._noted = False
                raise KeyboardInterrupt
            yield
        finally:
            take_interrupts(before)
