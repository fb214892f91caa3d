"""A request that keeps a kernel busy, as a cell does: to save its variables, or to load them.

with asking(process, router, "save_request", {...}) as asked:
    if not await asked.answered(seconds):
        asked.interrupt()
    asked.reply             # the content of its reply, if there is one
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Protocol

from kernels.cell.router import Router
from kernels.concurrency.cancellation import stop
from kernels.introspection import PATIENCE

__all__ = ["Asked", "AskedProcess", "asking", "hint"]


class AskedWire(Protocol):
    """What is needed of `kernels.wire.connection.Wire`."""

    def send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """Send a request; returns its message id."""


class AskedProcess(Protocol):
    """What is needed of `kernels.process.kernel_process.KernelProcess`."""

    exited: asyncio.Event

    @property
    def wire(self) -> AskedWire:
        """The channels to the process."""

    def interrupt(self, cell: str) -> str:
        """Interrupt what the process does for this message; returns the interrupt's own message id."""


class Asked:
    """See the module's text; `began` is in monotonic seconds."""

    def __init__(
        self, process: AskedProcess, router: Router, sent: str, answer: "asyncio.Future[Any]"
    ) -> None:
        self.began = monotonic()
        self.interrupted = False
        self._process = process
        self._router = router
        self._sent = sent
        self._answer = answer

    @property
    def reply(self) -> dict[str, Any] | None:
        """The reply, whatever a hostile kernel says in it; None without one."""
        return self._answer.result() if self._answer.done() and not self._answer.cancelled() else None

    async def answered(self, seconds: float | None) -> bool:
        """Whether the kernel is free again, or gone, after so many seconds at most (None: for ever)."""
        exited = asyncio.create_task(self._process.exited.wait())
        try:
            await asyncio.wait([self._answer, exited], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(exited)
        return self._answer.done() or self._process.exited.is_set()

    def interrupt(self) -> None:
        """Have the kernel give it up; doing so twice is no error."""
        if not self.interrupted:
            self.interrupted = True
            self._router.unheeded.add(self._process.interrupt(self._sent))


@contextmanager
def asking(process: AskedProcess, router: Router, kind: str, content: dict[str, Any]) -> Iterator[Asked]:
    """Send a request on the shell channel; when this is left, nobody waits for its answer any more."""
    sent = process.wire.send("shell", kind, content)
    with router.awaited(sent) as answer:
        try:
            yield Asked(process, router, sent, answer)
        finally:
            answer.cancel()


async def hint(wire: AskedWire, router: Router, question: str, code: str, position: int) -> Any:
    """The content of a kernel's reply to a question; None if it does not come in time."""
    sent = wire.send("shell", f"{question}_request", {"code": code, "cursor_pos": position})
    with router.awaited(sent) as answer, suppress(TimeoutError):
        return await asyncio.wait_for(answer, PATIENCE)
    return None
