"""What a save or a load may take: so many seconds, and so much memory. Then it is given up.

    with WorkBounds(seconds=30, growth=spare_memory()) as bounds:
        bounds.check()          # often; raises GivenUp or TakesTooMuch
        with bounds.part(0.5): ...  # takes at most half of the time that is left; raises TakesTooLong
    bounds.stop()           # it is to be given up now

A value's own code may run for ever without a check, so a timer checks too: again and again, as the code may
catch what is raised. What runs in C without returning to Python cannot be stopped.
"""

import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, Self

from .. import memory
from ..children import forked
from ..files import request_socket
from . import theirs

__all__ = ["GivenUp", "TakesTooLong", "TakesTooMuch", "WorkBounds", "spare_memory"]

MiB = 1 << 20
MOST = 256 * MiB  # that a save may take beside the values themselves
LEAST = 2 * MiB  # it takes some hundred KiB of its own
SHARE = 2  # at most half of what the kernel has left before it is ended for its use of memory
MAPPED = 3 << 30  # as in `kernels.sandbox.policy`, which a kernel cannot import
TICK = 0.05  # seconds between two checks by the timer
LOOK = 0.01  # seconds between looks, which take 20 us


class GivenUp(BaseException):
    """It is not to go on; the text says why. No `Exception`, which values' own code may well catch."""


class TakesTooMuch(BaseException):
    """It takes too much memory."""


class TakesTooLong(TakesTooMuch):
    """A part of it takes too much time."""


class WorkBounds:
    """See the module's text. Entered in the main thread; `growth` in bytes."""

    def __init__(self, seconds: float, growth: int) -> None:
        self._seconds = seconds
        self.growth = growth
        self._until = self._due = 0.0
        self._before = 0
        self._stopped = self._over = self._grown = False

    def __enter__(self) -> Self:
        self._kept = ExitStack()
        timer = signal.setitimer(signal.ITIMER_REAL, 0)
        self._began = monotonic()
        self._until = self._began + self._seconds
        self.grow_from_now()
        theirs.keep(self._kept, "timer", timer, self._go_on)
        theirs.keep(self._kept, "alarm", signal.signal(signal.SIGALRM, self._tick), _handle)
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # discards one that is on its way: it could end us
        self._kept.close()

    def _go_on(self, timer: tuple[float, float]) -> None:
        """Let the person's own timer go on."""
        left, interval = timer
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (monotonic() - self._began), 1e-3), interval)

    def left(self) -> float:
        """The seconds that are left, at least a little."""
        return max(self._until - monotonic(), TICK)

    def grow_from_now(self) -> None:
        """Count the memory that is taken from now on."""
        self._before, self._grown = memory.used(), False

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """While entered, only a share of the time that is left may be used. Raises: TakesTooLong."""
        until = self._until
        self._until = monotonic() + share * self.left()
        try:
            yield
        except GivenUp:
            if self._stopped or monotonic() >= until:
                raise
            raise TakesTooLong from None
        except TakesTooMuch:
            self.grow_from_now()  # or the timer could raise it once more, where it is handled
            raise
        finally:
            self._until = until

    def stop(self) -> None:
        """Have it given up: now, or as soon as it begins."""
        self._stopped = True

    def finish(self) -> None:
        """Do not give it up any more: it is done."""
        self._over = True

    def check(self) -> None:
        """Look around if the last look is some time ago: this is called for each value. Raises as `look`."""
        if self._stopped or monotonic() >= self._due:
            self.look()

    def look(self) -> None:
        """End here if this process is a fork of the kernel: only the kernel itself goes on.

        Raises: GivenUp; TakesTooMuch.
        """
        now = monotonic()
        self._due = now + LOOK
        if forked.is_child():
            forked.leave(None)
        if self._stopped:
            raise GivenUp("it was interrupted")
        if now >= self._until:
            raise GivenUp("it took too long")
        if self._grown or memory.used() - self._before > self.growth:
            self._grown = True  # code that caught the error may have freed the memory, and goes on without it
            raise TakesTooMuch

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        if self._over or (frame is not None and frame.f_code in NEVER_WITHIN):
            return
        self.look()


# What is raised there would leave something behind that ends the kernel later: the timer, or a connection.
NEVER_WITHIN = (
    WorkBounds.__enter__.__code__,
    WorkBounds.__exit__.__code__,
    request_socket.take_back.__code__,
)


def _handle(handler: Any) -> None:
    with suppress(TypeError):  # it is no handler of Python's
        signal.signal(signal.SIGALRM, handler)


def spare_memory() -> int:
    """How many bytes a save may take beside the values themselves."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] - MAPPED
    if limit <= 0:  # there is none that we know
        return MOST
    return min(MOST, max(LEAST, (limit - memory.used()) // SHARE))
