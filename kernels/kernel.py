"""A person's kernel: their variables from one cell to the next, in a process that may come and go.

    kernel = pool.kernel(session_id, files)
    async with kernel.run("x = 1") as run:
        async for event in run: ...
    async for late in kernel.late(): ...      # what threads show or write after their cell

The process starts with the first cell. It may be ended when idle, be killed, or die; then the next cell gets a fresh
one and is told so by `Restarted`, with the names of the variables that are gone. The workspace stays.
"""

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import zmq

from kernels.capture import Capture, Scan
from kernels.errors import KernelClosed
from kernels.events import Event, Queued, Restarted
from kernels.files import Broker, FileSource
from kernels.launch import Limits, plan
from kernels.line import Line, Ticket
from kernels.process import KernelProcess
from kernels.router import Late, Router, Variable
from kernels.run import Run
from kernels.workspace import Workspace

__all__ = ["Kernel"]

log = logging.getLogger(__name__)

SETTLED = 1.0  # seconds; a late file must have rested so long, or each line of a log would be a new version


class Kernel:
    """One session's kernel. Made by `Pool.kernel`, which owns the places and the end of it."""

    def __init__(
        self,
        session_id: str,
        workspace: Workspace,
        source: FileSource,
        *,
        python: Path,
        run_root: Path,
        context: zmq.Context[zmq.Socket[bytes]],
        places: Line,
        limits: Limits,
    ) -> None:
        self.session_id = session_id
        self.workspace = workspace
        self.limits = limits
        self.line = Line(1)
        self.capture = Capture(workspace.path, max_file=limits.file, max_files=limits.files)
        self.last_used = monotonic()
        self._source = source
        self._python = python
        self._run_root = run_root
        self._context = context
        self._places = places
        self._place: Ticket | None = None
        self._stack = AsyncExitStack()
        self._ending = asyncio.Lock()
        self._process: KernelProcess | None = None
        self._death: asyncio.Task[None] | None = None
        self._restarted: Restarted | None = None
        self._closed = False
        self._router = Router(limits, self._condemn)
        self._looking: asyncio.Task[None] | None = None

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The person's variables, as the last cell left them."""
        return self._router.variables

    @property
    def busy(self) -> bool:
        """Whether a cell runs or waits."""
        return self.line.served > 0

    @property
    def alive(self) -> bool:
        """Whether there is a process that holds variables."""
        return self._process is not None and not self._process.exited.is_set()

    @property
    def dead(self) -> bool:
        """Whether its process has ended by itself."""
        return self._process is not None and self._process.exited.is_set()

    def run(self, code: str, *, tag: int = 0, allow_input: bool = True) -> Run:
        """A cell, to be entered with `async with`; its own time is the limits' `cell`.

        `tag` is the caller's name for the cell, given back with late output. Without `allow_input` an `input()` in
        the cell fails at once. Raises: KernelClosed.
        """
        if self._closed:
            raise KernelClosed
        return Run(self, code, tag=tag, allow_input=allow_input)

    async def late(self) -> AsyncIterator[Late]:
        """What comes after the end of its cell: output of threads, files they write. Ends never; one reader."""
        while True:
            yield await self._router.late.get()

    async def restart(self) -> None:
        """End the process, with its variables; the next cell gets a fresh one. The files stay."""
        async with self.line.enter() as ticket:
            async for _ in ticket:
                pass
            await self._end()
            self._router.forget()
            self._restarted = None

    async def cull(self, reason: str) -> None:
        """End the process unless a cell runs; the next cell is told `reason` and what was lost."""
        async with self.line.enter() as ticket:
            if self.line.position(ticket) == 0:
                await self._lose(reason)

    async def detach(self) -> None:
        """Leave the process running, for any Jupyter client that has its connection file, and close."""
        if self._process is not None:
            self._process.detach()
        await self.shutdown()

    async def shutdown(self) -> None:
        """End the process, and close; a running cell ends as "died". Again does nothing."""
        self._closed = True
        if self._router.running is not None:
            self._router.running.died(-signal.SIGTERM)
        await self._end()

    def hint(self) -> None:
        """Something in the workspace may have changed: look, unless the end of a cell will."""
        if self._looking is None and not self.busy and self._process is not None:
            self._looking = asyncio.create_task(self._look_late(), name="late files")

    # What a run needs (RunHost):

    async def ready(self) -> AsyncIterator[Event]:
        """Have a live process, telling of waiting and of a restart. Raises: KernelStartFailed, KernelClosed."""
        if self._closed:
            raise KernelClosed
        if self.dead:
            await self._lose("the kernel ended")
        if self._process is None:
            self._place = self._places.enter()
            async for position in self._place:
                yield Queued(position)
            if self._place is None:  # withdrawn
                return
            await self._start()
        if self._restarted is not None:
            restarted, self._restarted = self._restarted, None
            yield restarted

    def withdraw(self) -> None:
        """Stop waiting for a place in the pool."""
        if self._process is None and self._place is not None:
            self._place.leave()
            self._place = None

    def execute(self, run: Run) -> None:
        """Send the code of `run`, which from now on gets its messages."""
        assert self._process is not None
        content = {
            "code": run.code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": run.allow_input,
            "stop_on_error": False,
        }
        message_id = self._process.wire.send("shell", "execute_request", content)
        self._router.begin(message_id, run)

    def answer(self, text: str) -> None:
        """Send the answer to an `input()`."""
        assert self._process is not None
        self._process.wire.send("stdin", "input_reply", {"value": text})

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell."""
        if self._process is not None:
            await self._process.interrupt()

    async def replace(self, reason: str) -> Restarted:
        """Kill the process, with its variables; the next cell gets a fresh one."""
        lost = self._router.forget()
        await self._end(now=True)
        return Restarted(reason, ("files",), lost)

    async def look(self) -> Scan:
        """Scan the workspace for what the cell wrote; the cell is over then."""
        self._router.end()
        self.last_used = monotonic()
        scan = await self.capture.look()
        if self._router.quit_asked:
            await self._lose("quit() ended the kernel")
        return scan

    # The process:

    async def _start(self) -> None:
        folder = self._run_root / secrets.token_hex(4)
        launch = plan(self._python, run_folder=folder, workspace=self.workspace.path, outside=os.environ)
        async with AsyncExitStack() as stack:
            folder.mkdir(mode=0o700)
            await stack.enter_async_context(Broker(folder / "files.sock", self._source))
            starting = KernelProcess.start(launch, folder, self._context, self._router.receive)
            self._process = await stack.enter_async_context(starting)
            self._stack = stack.pop_all()
        self._death = asyncio.create_task(self._mourn(self._process), name="kernel death")

    async def _lose(self, reason: str) -> None:
        """End the process; the next cell tells `reason` and what was lost."""
        if self._process is not None:
            self._restarted = await self.replace(reason)

    async def _end(self, *, now: bool = False) -> None:
        async with self._ending:
            for task in (self._death, self._looking):
                if task is not None:
                    task.cancel()
                    await asyncio.wait([task])
            if now and self._process is not None:
                await self._process.kill()
            self._death = self._looking = self._process = None
            await self._stack.aclose()
            if self._place is not None:
                self._place.leave()
                self._place = None

    async def _mourn(self, process: KernelProcess) -> None:
        await process.exited.wait()
        await process.wire.drained()
        if self._router.running is not None:
            self._router.running.died(process.exit_code or 0)

    async def _look_late(self) -> None:
        """Look until nothing in the workspace is still being written, or the next cell takes over."""
        try:
            while not self.busy:
                scan = await self.capture.look(rested=SETTLED)
                if scan.captured or scan.skipped:
                    self._router.late_scan(scan)
                if not scan.unrested:
                    return
                await asyncio.sleep(SETTLED)  # what is being written may have rested by then
        finally:
            self._looking = None

    def _condemn(self) -> None:
        """Kill the process: what it sends is not what a kernel sends."""
        if self._process is not None:
            log.warning("the kernel of session %s is ended: it sends broken messages", self.session_id)
            self._killing = asyncio.create_task(self._process.kill(), name="kernel end")
