"""All kernels of this machine: one a session, as many as there is memory for, idle ones ended.

    async with Pool(python=..., workspaces=..., limits=Limits(), size=16) as pool:
        kernel = pool.kernel(session_id, files)
        async with kernel.run(code) as run: ...

Kernels start with their first cell, as many at a time as there are processors, less one. They stay while
there is memory: when the machine runs short of it, kernels that nobody uses are ended, the largest and
longest idle first, until there is enough. There are `size` slots for kernels: when all are taken, a cell
waits in a queue and tells its position, and the kernel that nobody has used for the longest time is ended to
free its slot, of their own if whoever waits has one. Kernels whose variables cannot be saved go last. A
person with many kernels never holds all slots, and one with fewer goes first. Scratch kernels
(`kernels.workspace.folder.scratch_id`) have a few slots of their own.

Leaving the block ends every kernel and leaves no process, socket or run folder behind. Workspaces stay.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Self

from kernels.broker import FileSource
from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.concurrency.slots import SlotQueue, TimedSlots
from kernels.concurrency.threads import in_thread
from kernels.kernel import DIED, Kernel
from kernels.limits import Limits
from kernels.process.eviction import in_order
from kernels.process.hash_seed import kept_in
from kernels.process.launchers import ConfinedLauncher, Launcher, PlainLauncher
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.forkserver import LIBRARIES
from kernels.sandbox.limits.machine import Machine, Memory
from kernels.sandbox.policy import Tier
from kernels.sandbox.tier_choice import choose
from kernels.state.keeping.slots import SaveSlots
from kernels.state.keeping.times import KeeperTimes
from kernels.state.store import StateStore
from kernels.travel.branching import Branching, branch
from kernels.workspace.folder import Workspace, is_scratch, owner
from kernels.workspace.observer import Observer
from kernels.workspace.removal import Removal
from kernels.workspace.temporary import all_folders, own_folder, remove_dead

__all__ = ["Pool", "PoolTimes"]

log = logging.getLogger(__name__)

LOOK = 0.25  # seconds between looks at the machine's memory; a cell can take 1 GiB in half a second
NEARLY = 2  # memory is nearly gone when a half of what counts as short is left
OTHERS = 4  # one of so many slots, but at least one, is left to others than the person with the most kernels
SHORT = "it was not in use and the server is short of memory"
ENDED_AT_ONCE = 4  # kernels, each of which may have to save its variables first
SAVING_ALL = 20.0  # seconds in which variables without a save are saved when all kernels end
SCRATCH_SLOTS = 6  # for scratch kernels; a bot has no more, and sees to it that nobody holds them all


@dataclass(frozen=True)
class PoolTimes:
    """When a pool looks for kernels to end, and spares them, in seconds."""

    sweep: float = 30.0  # between looks for idle kernels
    spared: float = 5.0  # that a kernel that was just used keeps its slot although others wait
    brief: float = 1.0  # that a kernel that was just used is kept although memory is short
    recent: float = 600.0  # that a kernel is kept until memory is nearly gone: its person may come back
    relief: float = 1.0  # that one which saves because memory is short may take until another one is ended
    tidy: float = 60.0  # between looks for folders that killed programs have left behind
    states: float = 3600.0  # between looks for saved variables that nobody has used for long


# Where variables are saved, an idle kernel that gives way costs its person the half second of a start.
WITH_STATES = PoolTimes(spared=2.0, brief=0.5, recent=60.0)


class Pool:
    """The kernels of this machine; see the module's text.

    `python` is the interpreter of the kernels' own environment, `workspaces` the folder of all workspaces,
    `size` the most kernels of persons at a time, and `idle` the time after which an unused kernel is ended
    (None: never). `tier` is how kernels are held; None takes the strongest that works on this machine.
    `libraries` are imported once for all kernels. `memory` tells how much memory is left, and `times` when
    the pool looks. `states` keeps what people's variables were (None: they are not saved), for `states_kept`
    after the last save of a session, and for as long as its kernel lives. `keeping` is how long saving and
    restoring may take.
    """

    outlived = False  # a kernel ends with its pool

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
        times: PoolTimes | None = None,
        states: StateStore | None = None,
        states_kept: timedelta = timedelta(days=30),
        keeping: KeeperTimes | None = None,
    ) -> None:
        self.limits = limits
        self.python = python.absolute()  # not resolved: an environment's python is a link
        self._workspaces = workspaces.absolute()
        self._idle = idle
        self._wanted = tier
        self._libraries = libraries
        self._sandbox: Sandbox | None = None
        self._slots = SlotQueue(size, share=max(1, size - max(1, size // OTHERS)))
        self._scratch_slots = SlotQueue(SCRATCH_SLOTS)
        self._starts = TimedSlots(max(1, _processors() - 1))  # one is left to the cells that run
        self._memory = memory or Machine().memory
        self._times = times or (PoolTimes() if states is None else WITH_STATES)
        self._states, self._states_kept, self._keeping = states, states_kept, keeping
        self._saves = SaveSlots()
        self._hash_seed: int | None = None
        self._kernels: dict[str, Kernel] = {}
        self._ending: dict[Kernel, int] = {}  # those that are being ended, and the bytes that they hold
        self._endings: set[asyncio.Task[None]] = set()  # which do that
        self._removal = Removal(self._workspaces)
        self._observer = Observer(self._workspaces)
        self._run_root: Path  # since it is entered
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises: SandboxUnavailable when kernels cannot be held as they should."""
        self._workspaces.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            self._run_root = stack.enter_context(own_folder())
            if self._states is not None:
                self._hash_seed = await in_thread(kept_in, self._states.folder)
            await self._confine(stack)
            stack.enter_context(self._removal)
            await stack.enter_async_context(self._observer)
            stack.push_async_callback(self._end_kernels)
            stack.push_async_callback(self._stop_endings)
            stack.push_async_callback(stop, lasting(self._sweep_often, "kernel pool"))
            stack.push_async_callback(stop, lasting(self._relieve_often, "memory for kernels"))
            stack.push_async_callback(stop, lasting(self._tidy_often, "folders of the dead"))
            if self._states is not None:
                stack.push_async_callback(stop, lasting(self._tidy_states, "saved variables"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def kernel(self, session_id: str, source: FileSource) -> Kernel:
        """The kernel of a session, the same one at each call; `source` gives the cells their stored files.

        Raises: ValueError for a session id that cannot be a folder's name.
        """
        kernel = self._kernels.get(session_id)
        if kernel is None:
            workspace = self.workspace(session_id)
            kernel = self._kernels[session_id] = Kernel(
                session_id,
                workspace,
                source,
                launcher=partial(self._launcher, workspace),
                run_root=self._run_root,
                slots=self._scratch_slots if is_scratch(session_id) else self._slots,
                starts=self._starts,
                limits=self.limits,
                claim=partial(self._claim, workspace),
                states=None if is_scratch(session_id) else self._states,
                saves=self._saves,
                keeping=self._keeping,
            )
            self._observer.watch(session_id, kernel.workspace_changed)
        return kernel

    @property
    def tier(self) -> Tier:
        return self._sandbox.tier if self._sandbox else Tier.NONE

    async def untold(self) -> Sequence[str]:
        """Nothing: only this program uses its kernels."""
        return ()

    def workspace(self, session_id: str) -> Workspace:
        """The folder of a session, with or without a kernel. Raises: ValueError for an invalid id."""
        return Workspace.open(self._workspaces, session_id)

    async def release(self, session_id: str) -> None:
        """End a session's kernel, which nobody else could use; a session without one is no error."""
        await self._release(session_id)

    async def _release(self, session_id: str, *, saving: float | None = None) -> None:
        kernel = self._kernels.pop(session_id, None)
        if kernel is not None:
            self._observer.unwatch(session_id)
            await kernel.shutdown(saving=saving)

    def stop_saving(self) -> None:
        """From now on another program saves these sessions' variables, and ours must not replace them."""
        self._saves.closed = True

    async def remove(self, session_id: str, *, keep_state: bool = False) -> None:
        """End a session's kernel and throw its workspace away, and its saved variables unless `keep_state`.

        Raises: ValueError, OSError.
        """
        workspace = Workspace.named(self._workspaces, session_id)
        await self._release(session_id, saving=None if keep_state else 0)
        try:
            if self._states is not None and not keep_state:
                await in_thread(self._states.forget, session_id)
        finally:
            await self._removal.throw_away(workspace.path)

    async def branch(self, session_id: str, to: str) -> int:
        source = Workspace.open(self._workspaces, session_id)
        target = Workspace.named(self._workspaces, to)
        parts = Branching(source, target, self._states, self.limits.workspace)
        cell = await branch(parts, self._kernels.get(session_id))
        if (kernel := self._kernels.get(to)) is not None:
            await kernel.accept()
        return cell

    async def sweep(self, now: float, *, patience: float | None = None) -> None:
        """End the kernels for which there is a reason (see `_reason`); `now` is monotonic seconds.

        A few are ended side by side, since each may take a while to save. What one leaves may be enough when
        memory is short, so that is waited for, but not for long. One kernel's failure is logged and never
        stops the sweep. Those that take longer than `patience` seconds (None: for ever) end after the sweep.
        """
        begun = set[asyncio.Task[None]]()
        for kernel, held in (await self._giving_way(now)).items():
            while len(self._endings) >= ENDED_AT_ONCE:
                first = asyncio.FIRST_COMPLETED
                if not (await asyncio.wait(self._endings, timeout=patience, return_when=first))[0]:
                    return
            reason = self._reason(kernel, now, self._memory_then())  # those before it may be enough
            if reason is not None:
                begun.add(task := self._end_one(kernel, reason, held))
                if reason == SHORT:
                    relief = self._times.relief if self._states is not None else None
                    await asyncio.wait([task], timeout=relief)
        if begun:
            await asyncio.wait(begun, timeout=patience)

    def _end_one(self, kernel: Kernel, reason: str, held: int) -> "asyncio.Task[None]":
        """End a kernel that holds so many bytes."""

        async def end() -> None:
            try:
                await kernel.cull(reason)
            except Exception:  # whatever goes wrong with one kernel, the others must be looked at too
                log.exception("the kernel of session %s could not be ended", kernel.session_id)

        self._ending[kernel] = held
        task = asyncio.create_task(end(), name="end of a kernel")
        self._endings.add(task)
        task.add_done_callback(lambda _: self._ending.pop(kernel))
        task.add_done_callback(self._endings.discard)
        return task

    async def _stop_endings(self) -> None:
        for task in list(self._endings):
            await stop(task)

    async def _confine(self, stack: AsyncExitStack) -> None:
        """Make a sandbox that passes the self-test, unless none is wanted."""
        if self._wanted is Tier.NONE or (self._wanted is None and sys.platform != "linux"):
            log.warning("Kernels run without a sandbox: let in only people to whom you would give a shell.")
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
                hash_seed=self._hash_seed,
            )

        closing = stack.enter_context(ExitStack())
        self._sandbox, tried = await choose(self._wanted, make, closing)
        passed = [f"; not by {tier.described}: {why}" for tier, why in tried.items() if why]
        log.info("kernels are held by %s%s", self._sandbox.tier.described, "".join(passed))

    def _launcher(self, workspace: Workspace, request_socket: int) -> Launcher:
        if self._sandbox is None:
            return PlainLauncher(self.python, workspace.path, request_socket, self._hash_seed)
        return ConfinedLauncher(self._sandbox, workspace.path, request_socket)

    def _claim(self, workspace: Workspace) -> None:
        if self._sandbox is not None:
            with contextlib.suppress(FileNotFoundError):  # it is gone: whatever needs it says so
                self._sandbox.own(workspace.path)

    def _memory_then(self) -> Memory:
        """The memory that is left when the kernels that are being ended have ended."""
        memory = self._memory()
        return Memory(memory.left + sum(self._ending.values()), memory.whole)

    async def _giving_way(self, now: float) -> dict[Kernel, int]:
        """The kernels for which there is a reason now, as `in_order`."""
        memory = self._memory()
        found = [kernel for kernel in self._kernels.values() if self._reason(kernel, now, memory) is not None]
        short = memory.is_short(self.limits.memory)
        return await in_order(found, now, weighed=short, waits=self._slots.waits_for)

    def _reason(self, kernel: Kernel, now: float, memory: Memory) -> str | None:
        """Why this kernel is to be ended now, or None."""
        unused = now - kernel.last_used
        if kernel.dead and not kernel.busy and kernel not in self._ending:
            return DIED
        if kernel.busy or not kernel.alive or kernel in self._ending:
            return None
        if self._idle is not None and unused > self._idle.total_seconds():
            return "it was not used for a long time"
        if unused > self._times.spared and self._slots.waiting and self._is_wanted(kernel):
            return "it was not in use and others needed its place"
        part = 1 if unused > self._times.recent else NEARLY
        if unused > self._times.brief and memory.is_short(self.limits.memory, part):
            return SHORT
        return None

    def _is_wanted(self, kernel: Kernel) -> bool:
        """Whether somebody who waits would get this kernel's place. It sorts all who wait: look here last."""
        if is_scratch(kernel.session_id):
            return False
        leaving = [owner(one.session_id) for one in self._ending if not is_scratch(one.session_id)]
        return self._slots.wants(owner(kernel.session_id), leaving)

    async def _sweep_often(self) -> None:
        while True:
            await self._slots.crowded(self._times.sweep)
            await self.sweep(monotonic(), patience=self._times.relief)
            if self._slots.waiting:
                await asyncio.sleep(self._times.spared / 5)  # a kernel becomes unused by time passing

    async def _relieve_often(self) -> None:
        """End idle kernels as soon as memory is short: otherwise the system would kill the largest."""
        while True:
            await asyncio.sleep(LOOK)  # no event tells, on all versions of Linux, that memory is short
            if self._memory().is_short(self.limits.memory):
                await self.sweep(monotonic(), patience=self._times.relief)

    async def _tidy_often(self) -> None:
        """Remove what killed programs have left behind, unless their kernels still use it."""
        while True:
            for folder in await in_thread(all_folders):
                with contextlib.suppress(OSError):  # another program was quicker, or it is not ours
                    await in_thread(remove_dead, folder)
            await asyncio.sleep(self._times.tidy)  # no event tells when their kernels have ended

    async def _tidy_states(self) -> None:
        """Remove saved variables that nobody has used for long, and what is left over of saves."""
        assert self._states is not None
        while True:
            with contextlib.suppress(OSError):  # the disk is full or away: it is tried again
                await in_thread(self._states.tidy, self._states_kept, spared=self._lives)
            await asyncio.sleep(self._times.states)  # no event tells that time has passed

    def _lives(self, session_id: str) -> bool:
        """Whether a session has a kernel, or is about to have one; asked from a thread."""
        kernel = self._kernels.get(session_id)
        return kernel is not None and (kernel.alive or kernel.busy)

    async def _end_kernels(self) -> None:
        for session_id in self._kernels:
            self._observer.unwatch(session_id)
        endings = (kernel.shutdown(saving=SAVING_ALL) for kernel in self._kernels.values())
        for failure in await asyncio.gather(*endings, return_exceptions=True):
            if failure is not None:
                log.error("a kernel could not be ended", exc_info=failure)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
