"""Delivers an interrupt to the cell it is meant for, once: it travels another way than the cell does.

    interrupts.begin_cell(message_id)       # raises KeyboardInterrupt if the interrupt came before the cell
    with interrupts.raised(): ...           # around the person's own code: here an interrupt is raised
    interrupts.end_cell()

    with interrupts.aimed_at(message_id) as running:    # in the thread that interrupts
        ...                                 # the cell cannot end meanwhile; if not `running`, it never begins
    await interrupts.insist(message_id, send)

An interrupt that arrives between the beginning of a cell and the person's code is raised when that code
starts, because IPython's own code around it swallows some exceptions. One that arrives after that code is
ignored.

The signal is sent again until the kernel has noticed it, for three reasons. If it arrives when Python has
released its lock but has not entered a system call yet, such as that of `time.sleep(600)`, it waits for the
end of that call: this happened to one of the first three interrupts. Python prints and drops what is raised
in `__del__` or in another callback from C code. And while a message is being sent, an exception would leave
half of it unsent.
"""

import _signal  # type: ignore[import-not-found]  # below `signal`, and without its enumerations
import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jupyter_client.session import Session

from .files import request_socket
from .state.bounds import WorkBounds

__all__ = ["Interrupts", "take_interrupts"]

AGAIN, MOST = 0.02, 50  # seconds between two signals of one interrupt; signals at most
# `signal.signal` looks for an enumeration that the handler is a member of, which takes 15 us; each cell calls
# it four times.
_handle: Callable[[int, Any], Any] = _signal.signal


def take_interrupts(handler: Any) -> Any:
    """Have `handler` called for an interrupt; returns the one before, as `signal.signal` does."""
    return _handle(signal.SIGINT, handler)


def _nothing() -> None:
    pass


class Interrupts:
    """See the module's text. An empty `cell` stands for the one that is running."""

    def __init__(self, again: float = AGAIN) -> None:
        self._again = again
        self._lock = threading.Lock()
        self._running = ""
        self._refused = ""
        self._noted = False
        self._heard = False
        self._also: Callable[[], object] = _nothing

    def begin_cell(self, cell: str) -> None:
        """Note that the cell of this message is about to run. Raises: KeyboardInterrupt."""
        with self._lock:
            if cell == self._refused:
                raise KeyboardInterrupt
            self._running, self._heard = cell, False

    def is_running(self, cell: str) -> bool:
        """Whether this is the cell that is running."""
        return cell == self._running

    def end_cell(self) -> None:
        """Note that the cell is over."""
        with self._lock:
            self._running, self._noted = "", False

    @contextmanager
    def aimed_at(self, cell: str) -> Iterator[bool]:
        """Whether the cell is running; if not, it never will. This stays true while entered."""
        with self._lock:
            running = not cell or cell == self._running
            if running:
                self._heard = False
            else:
                self._refused = cell
            yield running

    async def insist(self, cell: str, send: Callable[[], object]) -> None:
        """Send the signal again until it was noticed; a handler of the person's own is sent it only once."""
        for _ in range(MOST):
            await asyncio.sleep(self._again)  # nothing tells that a signal was not noticed
            with self._lock:
                running = bool(self._running) if not cell else cell == self._running
                ours = signal.getsignal(signal.SIGINT) in (self.note, self.interrupt)
                if not running or self._heard or not ours:
                    return
                send()

    def note(self, _number: int, _frame: object) -> None:
        """Handle the signal outside the person's code: it is raised once that code starts."""
        self._noted, self._heard = bool(self._running), True

    def interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Handle the signal in the person's code.

        Raises: KeyboardInterrupt, unless a message is being sent, a connection taken back, or the timer of a
        save set or ended.
        """
        never = (
            Session.send.__code__,
            request_socket.take_back.__code__,
            WorkBounds.__enter__.__code__,
            WorkBounds.__exit__.__code__,
        )
        while frame is not None:
            if frame.f_code in never:
                return
            frame = frame.f_back
        self._heard = True
        self._also()
        raise KeyboardInterrupt

    def not_raised(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """As `sys.unraisablehook`: an interrupt that Python could not raise was not noticed."""
        if unraisable.exc_type is KeyboardInterrupt:
            self._heard = False
        else:
            sys.__unraisablehook__(unraisable)

    @contextmanager
    def raised(self, also: Callable[[], object] = _nothing) -> Iterator[None]:
        """While entered the signal raises KeyboardInterrupt, as it does in any Python program.

        `also` is called before: the code may catch the exception.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before, self._also = take_interrupts(signal.default_int_handler), also
        try:
            if self._noted:
                self._noted = False
                raise KeyboardInterrupt
            yield
        finally:
            take_interrupts(before)
            self._also = _nothing
