"""All kernels of this machine: one a session, as many as there is memory for, idle ones ended.

    async with Pool(python=..., workspaces=..., limits=Limits(), size=16) as pool:
        kernel = pool.kernel(session_id, files)
        async with kernel.run(code) as run: ...

Kernels start with their first cell, as many at a time as there are processors, less one. (On two processors a
cell beside 75 starts took 3 to 4 times as long as alone; with one start at a time it takes twice as long, and
the starts together 1.4 times as long.) They stay while there is memory: when the machine runs short of it,
those that nobody uses are ended, the longest idle first, until it no longer is. `size` is the most that there
can be: when all places are taken, a cell waits in line and is told its position, and a kernel that nobody
uses gives its place up for it. Helpers (`kernels.workspace.folder.helper`) have a few places of their own.

Leaving the block ends every kernel and leaves no process, socket or run folder; `pool.detach()` before leaves
the processes running. Workspaces stay in any case.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from kernels.broker import FileSource
from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.concurrency.slots import Line, Turns
from kernels.concurrency.threads import in_thread
from kernels.kernel import DIED, Kernel
from kernels.process.kernel_process import Starter
from kernels.process.launch import Limits
from kernels.process.launchers import Confining, Plain
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.forkserver import LIBRARIES
from kernels.sandbox.limits.machine import Machine, Memory
from kernels.sandbox.policy import Tier
from kernels.sandbox.selftest import choose
from kernels.workspace.folder import Workspace, is_helper
from kernels.workspace.observer import Observer
from kernels.workspace.removal import Removal
from kernels.workspace.temporary import found, own_folder, remove_dead

__all__ = ["Pool"]

log = logging.getLogger(__name__)

SWEEP = 30.0  # seconds between looks for idle kernels
SPARED = 5.0  # seconds for which a kernel that was just used keeps its place although others wait
LOOK = 0.25  # seconds between looks at the machine's memory, of which a cell can take 1 GiB in half a second
BRIEF = 1.0  # seconds for which a kernel that was just used is kept although memory is short
RECENT = 600.0  # seconds for which one is kept until memory is nearly gone: its person has hardly left
NEARLY = 2  # parts of what counts as short, of which one is left then
HELPERS = 6  # that work at one time; a bot has no more, and sees to it that nobody holds them all
TIDY = 60.0  # seconds between looks for folders that killed programs have left


class Pool:
    """The kernels of this machine; see the module's text.

    `python` is the interpreter of the kernels' own environment, `workspaces` the root of all workspaces,
    `size` the most kernels of persons at a time, `idle` the time after which an unused one is ended (None:
    never). `tier` is how kernels are held; None takes the strongest that the machine can do. `libraries` are
    imported once for all of them. `memory` tells what memory there is.
    """

    def __init__(
        self,
        *,
        python: Path,
        workspaces: Path,
        limits: Limits,
        size: int = 16,
        idle: timedelta | None = timedelta(hours=1),
        tier: Tier | None = None,
        libraries: Sequence[str] = LIBRARIES,
        memory: Callable[[], Memory] | None = None,
    ) -> None:
        self.limits = limits
        self.python = python.absolute()  # not resolved: an environment's python is a link
        self._workspaces = workspaces.absolute()
        self._idle = idle
        self._wanted = tier
        self._libraries = libraries
        self._sandbox: Sandbox | None = None
        self._places = Line(size)
        self._helpers = Line(HELPERS)
        self._starts = Turns(max(1, _processors() - 1))  # one is left to the cells of those who are here
        self._memory = memory or Machine().memory
        self._kernels: dict[str, Kernel] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises: SandboxUnavailable when kernels cannot be held as they should."""
        self._workspaces.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            self._run_root = stack.enter_context(own_folder())
            await self._confine(stack)
            self._removal = stack.enter_context(Removal(self._workspaces))
            self._observer = await stack.enter_async_context(Observer(self._workspaces))
            self._sweeper = lasting(self._sweep_often, "kernel pool")
            self._reliever = lasting(self._relieve_often, "memory for kernels")
            self._tidier = lasting(self._tidy_often, "folders of the dead")
            stack.push_async_callback(self._close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def kernel(self, session_id: str, source: FileSource) -> Kernel:
        """The kernel of a session, the same one at each call; `source` gives the cells their stored files.

        Raises: ValueError for a session id that cannot be a folder's name.
        """
        kernel = self._kernels.get(session_id)
        if kernel is None:
            if self._sandbox is not None:  # before anything is placed, or capture would see all of it change
                self._sandbox.own(self.workspace(session_id).path)
            kernel = self._kernels[session_id] = Kernel(
                session_id,
                self.workspace(session_id),
                source,
                starter=partial(self._starter, self.workspace(session_id)),
                run_root=self._run_root,
                places=self._helpers if is_helper(session_id) else self._places,
                starts=self._starts,
                limits=self.limits,
            )
            self._observer.watch(session_id, kernel.hint)
        return kernel

    @property
    def tier(self) -> Tier:
        """How kernels are held."""
        return self._sandbox.tier if self._sandbox else Tier.NONE

    @property
    def outlived(self) -> bool:
        """A kernel ends with its pool."""
        return False

    async def untold(self) -> Sequence[str]:
        """Nothing: nobody but this program has a kernel of it."""
        return ()

    def workspace(self, session_id: str) -> Workspace:
        """The folder of a session, with a kernel or without. Raises: ValueError for an id that is none."""
        return Workspace.open(self._workspaces, session_id)

    async def close(self, session_id: str) -> None:
        """End a session's kernel, and forget it; a session without one is no error."""
        kernel = self._kernels.pop(session_id, None)
        if kernel is not None:
            self._observer.unwatch(session_id)
            await kernel.shutdown()

    async def release(self, session_id: str) -> None:
        """Let a session's kernel go, which is its end: there is nobody else who could have it."""
        await self.close(session_id)

    async def remove(self, session_id: str) -> None:
        """End a session's kernel and throw its workspace away. Raises: ValueError, OSError."""
        workspace = Workspace.named(self._workspaces, session_id)
        await self.close(session_id)
        await self._removal.throw_away(workspace.path)

    async def detach(self) -> None:
        """Leave every kernel's process running without us; leaving the block then ends none."""
        await asyncio.gather(*(kernel.detach() for kernel in self._kernels.values()))

    async def sweep(self, now: float) -> None:
        """End the kernels for which there is a reason (see `_reason`); `now` is monotonic seconds.

        One kernel's failure is logged and never stops the sweep.
        """
        for kernel in sorted(self._kernels.values(), key=lambda kernel: kernel.last_used):
            reason = self._reason(kernel, now)
            if reason is not None:
                try:
                    await kernel.cull(reason)
                except Exception:  # whatever goes wrong with one kernel, the others must be looked at too
                    log.exception("the kernel of session %s could not be ended", kernel.session_id)

    async def _confine(self, stack: AsyncExitStack) -> None:
        """Have a sandbox, by the self-test, unless none is wanted."""
        if self._wanted is Tier.NONE or (self._wanted is None and sys.platform != "linux"):
            log.warning("Kernels run without a sandbox: let nobody in whom you would not give a shell.")
            return

        def make(tier: Tier) -> Sandbox:
            folder = self._run_root / f"sandbox-{tier}"
            return Sandbox(
                tier,
                python=self.python,
                folder=folder,
                workspaces=self._workspaces,
                limits=self.limits,
                libraries=self._libraries,
            )

        closing = stack.enter_context(ExitStack())
        self._sandbox, report = await choose(self._wanted, make, closing)
        log.info("kernels are held by tier %s (%s)", report.tier, report.tried)

    def _starter(self, workspace: Workspace, bell: int) -> Starter:
        if self._sandbox is None:
            return Plain(self.python, workspace.path, bell)
        return Confining(self._sandbox, workspace.path, bell)

    def _reason(self, kernel: Kernel, now: float) -> str | None:
        """Why this kernel is to be ended now, or None. Each condition has its name and its sentence."""
        unused = now - kernel.last_used
        if kernel.dead and not kernel.busy:
            return DIED
        if kernel.busy or not kernel.alive:
            return None
        if self._idle is not None and unused > self._idle.total_seconds():
            return "it was not used for a long time"
        if self._places.waiting and unused > SPARED and not is_helper(kernel.session_id):
            return "it was not in use and others needed its place"
        if unused > BRIEF and self._memory().is_short(self.limits.memory, 1 if unused > RECENT else NEARLY):
            return "it was not in use and the server is short of memory"
        return None

    async def _sweep_often(self) -> None:
        while True:
            await self._places.crowded(SWEEP)
            await self.sweep(monotonic())
            if self._places.waiting:
                await asyncio.sleep(SPARED / 5)  # a kernel becomes spare by time passing

    async def _relieve_often(self) -> None:
        """End idle kernels as soon as memory is short: later the system would end the largest."""
        while True:
            await asyncio.sleep(LOOK)  # nothing tells, in all versions, when memory becomes short
            if self._memory().is_short(self.limits.memory):
                await self.sweep(monotonic())

    async def _tidy_often(self) -> None:
        """Remove what killed programs have left; what their kernels still use is removed at a later look."""
        while True:
            for folder in await in_thread(found):
                with contextlib.suppress(OSError):  # another program was quicker, or it is not ours
                    await in_thread(remove_dead, folder)
            await asyncio.sleep(TIDY)  # their kernels take some time to die, and nothing tells us when

    async def _close(self) -> None:
        await stop(self._sweeper)
        await stop(self._reliever)
        await stop(self._tidier)
        for session_id in self._kernels:
            self._observer.unwatch(session_id)
        endings = (kernel.shutdown() for kernel in self._kernels.values())
        for failure in await asyncio.gather(*endings, return_exceptions=True):
            if failure is not None:
                log.error("a kernel could not be ended", exc_info=failure)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
