"""A person's kernel: their variables from one cell to the next, in a process that may come and go.

    kernel = pool.kernel(session_id, files)
    async with kernel.run("x = 1") as run:
        async for event in run: ...
    async for late in kernel.late(): ...      # what threads print or write after their cell

The process starts with the first cell. It may be ended when idle, be killed, or die; then the next cell gets
a fresh one and is told so by `Restarted`, with the names of the variables that are gone. The workspace stays.
"""

import asyncio
import logging
import secrets
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic, time
from typing import Any

from kernels import descriptors, introspection
from kernels.broker import Broker, FileSource
from kernels.cell.events import Restarted
from kernels.cell.router import NUMBER, Late, Router, Variable
from kernels.cell.run import GRACE, Run
from kernels.concurrency.cancellation import cancel, stop, to_the_end
from kernels.concurrency.slots import QueueEntry, SlotQueue, TimedSlots
from kernels.errors import KernelClosed, KernelStartFailed
from kernels.interface import State
from kernels.limits import Limits, over_limit
from kernels.local import LocalKernel
from kernels.process.eviction import Evictable
from kernels.process.kernel_process import KernelProcess, StartTimes, run_folder
from kernels.process.launchers import Launcher
from kernels.state.asking import hint
from kernels.state.keeper import Keeper
from kernels.state.keeping.slots import SaveSlots
from kernels.state.keeping.times import KeeperTimes
from kernels.state.restarts import BroughtBack, Restarts
from kernels.state.store import StateStore
from kernels.travel.traveling import SAVES_ON, Traveling
from kernels.wire import sizes
from kernels.workspace.captured import Scan
from kernels.workspace.copies.listing import Listing
from kernels.workspace.folder import Workspace, owner
from kernels.workspace.late import LateFiles
from kernels.workspace.scan import Capture

__all__ = ["DIED", "Kernel"]

log = logging.getLogger(__name__)

DIED, QUIT = "the kernel died", "quit() ended the kernel"
WENT_ON = "it reported that its cell had finished, and kept running it"
LOST = "[a process that your code had started was killed: {}]\n"
REQUEST = {"silent": False, "store_history": True, "user_expressions": {}, "stop_on_error": False}


class Kernel(LocalKernel, Traveling, Evictable, introspection.Hinting):
    """One session's kernel. Made by `Pool.kernel`, which owns the slots and ends it."""

    def __init__(
        self,
        session_id: str,
        workspace: Workspace,
        source: FileSource,
        *,
        launcher: Callable[[int], Launcher],
        run_root: Path,
        slots: SlotQueue,
        starts: TimedSlots,
        limits: Limits,
        claim: Callable[[], object] = lambda: None,
        states: StateStore | None = None,
        saves: SaveSlots | None = None,
        keeping: KeeperTimes | None = None,
    ) -> None:
        capture = Capture(workspace.path, max_file=limits.file, max_files=limits.files)
        super().__init__(workspace, capture, limits, claim)
        self.session_id = session_id
        self.start_times = StartTimes()
        self.grace = GRACE
        self.outputs = workspace.path.parent
        self.queue = SlotQueue(1)
        self.last_used = monotonic()
        self._source = source
        self._launcher = launcher
        self._run_root = run_root
        self._slots = slots
        self._starts = starts
        self._slot: QueueEntry | None = None
        self._stack = AsyncExitStack()
        self._ending = asyncio.Lock()
        self._journeys = asyncio.Lock()  # held while it goes to a save
        self._process: KernelProcess | None = None
        self._columns: int | None = None
        self._starting: asyncio.Task[None] | None = None
        self._death: asyncio.Task[None] | None = None
        self._killing: asyncio.Task[None] | None = None
        self._given_up = self._closed = False
        self._ended_because = DIED
        self._restarts = Restarts()
        self._restored: BroughtBack | None = None  # what came of the last restore
        self._router = Router(limits, self._kill_for_broken_messages)
        listing = Listing(workspace.path, max_file=limits.file)
        self._keeper = Keeper(session_id, states, self._router, saves or SaveSlots(), listing, times=keeping)
        self._began: float | None = None  # the last cell, in seconds since 1970
        self._late_files = LateFiles(
            self.capture, most=limits.files, busy=lambda: self.busy, tell=self._router.late_scan
        )

    @property
    def variables(self) -> tuple[Variable, ...]:
        return self._router.variables

    @property
    def saved(self) -> int:
        """The cell as of which the variables were saved last, as far as is known; 0 if they were not."""
        return self._keeper.saved

    @property
    def busy(self) -> bool:
        """Whether a cell runs or waits."""
        return self.queue.served > 0

    @property
    def alive(self) -> bool:
        """Whether there is a process that holds variables."""
        return self._process is not None and not self.dead

    async def state(self) -> State:
        return await self._keeper.with_saved(State(self.alive, self.busy, self.variables))

    @property
    def dead(self) -> bool:
        """Whether its process has ended by itself, or is being killed."""
        return self._process is not None and (self._process.exited.is_set() or self._given_up)

    def run(self, code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True) -> Run:
        if self._closed:
            raise KernelClosed
        sizes.code(code)
        return Run(self, code, tag=tag, turn=turn, allow_input=allow_input)

    async def late(self) -> AsyncIterator[Late]:
        while True:
            yield await self._router.late.get()

    async def cull(self, reason: str) -> None:
        """End the process unless a cell runs; the next cell is told `reason` and what was lost.

        A cell that comes while variables are saved before that takes the kernel back. If the process has
        ended by itself, the next cell is told why.
        """
        if self.busy or self._closed:  # else its save would take the place of that of `shutdown`
            return
        async with self.queue.enter():
            if self._process is not None and not self.dead:
                await self._keeper.save_unless(self._process, self.queue.crowded())
            if not self.queue.waiting:
                await self.replace(self._why() if self.dead else reason)

    async def shutdown(self, *, saving: float | None = None) -> None:
        """End the process, and close; a running cell ends as "died". A second call does nothing.

        Variables that have no save yet are saved first, within so many seconds (None: as before a cull).
        """
        self._closed = True
        seconds = self._keeper.times.ending if saving is None else saving
        if self._router.running is not None:
            self._router.running.died(-signal.SIGTERM, "the kernel was shut down")
        elif self._process is not None and not self.dead and seconds:
            await self._keeper.save_now(self._process, seconds)
        await self._end()

    def workspace_changed(self) -> None:
        """Look for files that were written after a cell; while one runs, its end does that."""
        if self._process is not None:
            self._late_files.look()

    async def widen(self, columns: int) -> None:
        self._columns = columns
        await self._hint(introspection.COLUMNS, "", columns)

    async def _hint(self, question: str, code: str, position: int) -> Any:
        """The unchecked content of the kernel's reply; None if it does not come in time."""
        if self._process is None or self.dead or self.busy or len(code) > introspection.LONGEST_CODE:
            return None
        return await hint(self._process.wire, self._router, question, code, position)

    # What a run needs (RunHost):

    async def ready(self) -> AsyncGenerator[int]:
        await self.know()
        if self._process is not None and not self._closed and not await self._keeper.make_way():
            await self.replace(SAVES_ON)
        if self.dead:
            await self.replace(self._why())
        if self._process is None and not self._closed:
            slot = self._slot = self._slots.enter(owner(self.session_id))
            try:
                async for position in slot:
                    yield position
                if slot.served and not self._closed:
                    await self._have_started()
            finally:
                if self._process is None:
                    slot.leave()
        if self._closed:
            raise KernelClosed

    def withdraw(self) -> None:
        if self._process is None and self._slot is not None:
            self._slot.leave()
        if self._starting is not None:
            cancel(self._starting)
        if self._process is not None:
            self._keeper.release(self._process)

    def damage(self) -> str | None:
        fault = self._process.provisioner.damage() if self._process is not None and not self.dead else None
        return None if fault is None else LOST.format(over_limit(fault, self.limits))

    def restarted(self) -> Restarted | None:
        return self._restarts.take()

    def execute(self, run: Run) -> None:
        if self._process is None or self._closed:
            run.died(-signal.SIGTERM, "the kernel was shut down")
            return
        self._began = time()
        self._late_files.begin_cell(self._began)
        content = {**REQUEST, "code": run.code, "allow_stdin": run.allow_input}
        self._process.provisioner.cell_started()
        self._router.begin(self._process.wire.send("shell", "execute_request", content), run)
        if self._process.exited.is_set():  # while the run was telling about the kernel before
            run.died(self._process.exit_code or 0)

    def answer(self, text: str) -> None:
        if self._process is not None:
            content: dict[str, Any] = {"value": text}
            if self._router.asked is not None:
                content[NUMBER] = self._router.asked
            self._process.wire.send("stdin", "input_reply", content)

    def interrupt(self) -> None:
        if self._process is not None:
            self._process.interrupt(self._router.running_id)

    def kill(self) -> None:
        if self._process is not None:
            if self._router.idle:  # our fault, not the person's code's
                log.warning(
                    "the kernel says that it is idle, but the end of its cell has not arrived: a message was"
                    " lost or is late; %s",
                    self._process.state(),
                    extra=self._ids(self._router.running),
                )
            self._given_up = True
            self._killing = asyncio.create_task(self._process.provisioner.kill(), name="kernel end")

    async def replace(self, reason: str, *, after: Run | None = None) -> None:
        """Kill the process and wait; the next cell gets a fresh one. A second call does nothing.

        `after` is the cell that is the cause, if it no longer runs.
        """
        if self._process is not None and not self._closed:
            running = self._router.running
            in_cell = running is not None or reason == WENT_ON
            log.warning("the kernel is ended: %s", reason, extra=self._ids(running or after))
            await self._keeper.stop()
            saved = await self._keeper.newest()
            self._restarts.ended(reason, self._router.forget_process(), in_cell=in_cell, saved=saved)
            await self._end(now=True)

    async def look(self) -> Scan:
        ran = self._router.running
        self._router.end()
        self.last_used = monotonic()
        if ran is not None:
            self._keeper.cell_ended(ran.tag)
        asked = self._process if self._router.doubtful and not self._router.quit_asked else None
        looking = self.capture.look(since=self._began)
        scan, healthy = await asyncio.gather(looking, asked.healthy()) if asked else (await looking, True)
        if self._router.quit_asked or not healthy:
            await self.replace(QUIT if self._router.quit_asked else WENT_ON, after=ran)
        elif self._process is not None:
            wrote, background = bool(scan.captured or scan.skipped), self.limits.background
            await self._process.provisioner.cell_finished(wrote=wrote, background=background)
            fault = self._process.provisioner.fault
            if fault is not None:
                await self.replace(over_limit(fault, self.limits), after=ran)
        if self._process is not None and ran is not None:
            self._keeper.release(self._process)
        return replace(scan, skipped=scan.skipped + self._router.elsewhere)

    def _ids(self, run: Run | None) -> dict[str, object]:
        """What a log line is about, for its `extra`."""
        return run.ids if run is not None else {"session": self.session_id}

    # The process:

    async def _have_started(self) -> None:
        """Start in a separate task, which `withdraw` and `_end` can cancel."""
        starting = self._starting = asyncio.create_task(self._start(), name="kernel start")
        try:
            await asyncio.wait([starting])
        finally:
            await to_the_end(stop(starting))
            self._starting = None
            if (starting.cancelled() or starting.exception()) and self._process is not None:
                await self._end(now=True)  # not all of its variables are back
        if not starting.cancelled():
            starting.result()

    async def _start(self) -> None:
        """Start when it is our turn.

        With 30 starts at once on two processors, another person's `1+1` took 200 ms instead of 40, and the
        starts together took no less time.
        """
        async with self._starts.slot(self.start_times.turn):
            await self._start_now()

    async def _start_now(self) -> None:
        process = await self._launch()
        restored = await self._keeper.restore(process)
        if restored is not None and not restored.cell:
            await to_the_end(self._end_process(now=True))
            await self._launch()
        elif restored is not None:
            self._router.restored(restored.variables)
        self._restored = restored
        self._restarts.started(restored)

    async def _launch(self) -> KernelProcess:
        path = self._run_root / secrets.token_hex(4)
        try:
            descriptors.need(descriptors.STARTING)
            async with AsyncExitStack() as stack:
                folder = stack.enter_context(run_folder(path))
                broker = await stack.enter_async_context(Broker(self._source, errands=self._keeper.exchange))
                launcher = self._launcher(broker.request_socket.fileno())
                starting = KernelProcess.start(launcher, folder, self._router.receive, self.start_times)
                self._process = await stack.enter_async_context(starting)
                self._stack = stack.pop_all()
        except KernelStartFailed as error:
            log.warning("a kernel could not be started: %s", error, extra={"session": self.session_id})
            raise
        except OSError as error:
            raise KernelStartFailed(str(error)) from error
        log.info("a kernel has started", extra={"session": self.session_id})
        if self._columns is not None:
            content = {"code": "", "cursor_pos": self._columns}
            self._process.wire.send("shell", f"{introspection.COLUMNS}_request", content)
        self._given_up, self._ended_because = False, DIED
        self._death = asyncio.create_task(self._report_death(self._process), name="kernel death")
        return self._process

    async def _end(self, *, now: bool = False) -> None:
        await to_the_end(self._end_all(now=now))

    async def _end_all(self, *, now: bool) -> None:
        async with self._ending:
            await stop(self._starting)
            await self._end_process(now=now)
            if self._slot is not None:
                self._slot.leave()

    async def _end_process(self, *, now: bool) -> None:
        for task in (self._death, self._killing):
            await stop(task)
        await self._keeper.stop()
        await self._late_files.stop()
        if self._process is not None:
            await self._process.end(now=now)
            self._router.last_words(await self._process.last_words())
        self._death = self._process = None
        await self._stack.aclose()

    async def _report_death(self, process: KernelProcess) -> None:
        await process.exited.wait()
        self._router.last_words(await process.last_words())
        if self._router.running is not None:
            self._router.running.died(process.exit_code or 0, self._why(), process.provisioner.fault)

    def _why(self) -> str:
        """Why the process has ended."""
        fault = self._process.provisioner.fault if self._process is not None else None
        return self._ended_because if fault is None else over_limit(fault, self.limits)

    def _kill_for_broken_messages(self) -> None:
        log.warning("the kernel is killed: it sends broken messages", extra=self._ids(self._router.running))
        self._ended_because = "it sent messages that no kernel sends"
        self.kill()
