"""The sandbox of a pool: it launches kernels confined as its tier says, and clears away what they leave.

with Sandbox(tier, python=..., folder=..., workspaces=..., limits=...) as sandbox:
    kernel = await sandbox.launch(workspace, name, request, descriptors)
    code = await kernel.wait()
    kernel.fault        # the `kernels.limits.Fault` that ended it: "memory", "workspace" ...
    await kernel.release()
"""

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread
from kernels.descriptors import raise_limit
from kernels.errors import KernelStartFailed, SandboxUnavailable
from kernels.inside.files.elsewhere import LEFT
from kernels.limits import Fault, Limits
from kernels.process.environment import environment
from kernels.sandbox import users
from kernels.sandbox.forkserver import LIBRARIES, Child, Forkserver
from kernels.sandbox.limits import usage
from kernels.sandbox.limits.cgroup import Group, Groups, unique_name
from kernels.sandbox.limits.watchdog import Watchdog, Watched
from kernels.sandbox.policy import SYSTEM, WORKSPACE, Paths, Tier, confine

__all__ = ["Confined", "Sandbox", "readable"]

FONTS = "matplotlib"  # our copy of its list of fonts, which it only reads where it can also write
INSIDE = Path(__file__).resolve().parent.parent / "inside"


class Confined:
    """A confined kernel: its process, its limits, and why it was ended."""

    def __init__(
        self,
        child: Child,
        forkserver: Forkserver,
        group: Group | None,
        watched: Path,
        watchdog: Watchdog,
        *,
        began: int,
        removed: int = 0,
        full_over: int | None,
        namespaces: bool,
    ) -> None:
        self.child = child
        self._forkserver = forkserver
        self._namespaces = namespaces
        self.fault: Fault | None = None
        self._group = group
        self._killed = 0  # processes of the group that `damage` has told about
        self._detached = False
        self._watchdog = watchdog
        self._full_over = full_over  # bytes; it was started unable to write, as its workspace was over this
        self._watched = Watched(child.pid, watched, self._too_much, began=began + removed)
        self._began = began
        watchdog.watch(self._watched)

    def cell_started(self) -> None:
        """A cell has started."""
        self._watched.began = self._began  # files of before have been removed by now, or count
        self._watched.cell_started()

    async def cell_finished(self, *, wrote: bool, background: timedelta | None) -> None:
        """A cell has finished, and `wrote` files or not. A kernel over a limit is ended now.

        So is a kernel whose workspace was full at its start, and has room again.

        What keeps running may use `background` of processor time until the next cell starts (None: no limit).
        Where control groups enforce the other limits, nothing is looked at after a cell that wrote nothing: a
        look takes 1 ms, and a cell 4.
        """
        if wrote or self._group is None:
            await in_thread(self._watchdog.look, self._watched)
        self._watched.cell_finished(background)
        most = self._full_over
        if most is None or self.fault is not None:
            return
        if await in_thread(usage.size, self._watched.workspace) <= most:
            self._too_much(Fault.ROOM)  # Landlock lifts no rule: only another process can write again

    def damage(self) -> Fault | None:
        """Why the system has killed processes of it since the last call, a `Fault`, or None."""
        if self._group is None or (killed := self._group.killed) <= self._killed:
            return None
        self._killed = killed
        return Fault.MEMORY if self._group.at_its_limit else Fault.MACHINE

    async def wait(self) -> int:
        """The exit code, as in subprocess, when the kernel has ended."""
        code = await self.child.wait()
        self._forkserver.child_ended(self.child.pid)
        if not self._namespaces:  # usually the init has ended all, but it may have been killed itself
            await in_thread(self._forkserver.end_orphans)
        if self.fault is None and code < 0:
            self.fault = self.damage()
        return code

    def kill(self) -> None:
        """Kill it and all that it has started."""
        if self._namespaces:
            self.child.kill()
        else:
            self.child.end()

    def detach(self) -> None:
        """Let it outlive us."""
        self.child.detach()
        self._detached = True

    async def release(self) -> None:
        """Release what it held; a kernel that still runs ends, unless it was detached."""
        self._watchdog.unwatch(self._watched)
        self.child.close()
        if self._group is not None:
            self._group.close()
            if not self._detached:
                await to_the_end(in_thread(self._group.remove))

    def _too_much(self, fault: Fault) -> None:
        self.fault = fault
        self.kill()


class Sandbox:
    """Confines kernels as one tier does. `folder` is ours alone, for the zygote's log and the empty root."""

    def __init__(
        self,
        tier: Tier,
        *,
        python: Path,
        folder: Path,
        workspaces: Path,
        limits: Limits,
        libraries: Sequence[str] = LIBRARIES,
        hash_seed: int | None = None,
    ) -> None:
        self.tier = tier
        self.network = limits.network  # whether kernels can reach the host's network
        self._python = python
        self._readable = readable(python)
        self._folder = folder
        self._workspaces = workspaces
        self._limits = limits
        self._groups: Groups | None = None
        self._users = range(0)
        self._claiming = threading.Lock()
        self._root = folder / "root"
        told = environment(python, folder / "ipython", os.environ, hash_seed=hash_seed)
        if tier.namespaces:  # libraries find their folders when they are imported
            told["HOME"] = str(WORKSPACE)
        self._fonts = Path(told["MPLCONFIGDIR"])
        self._forkserver = Forkserver(
            python,
            folder,
            environment={**told, "MPLCONFIGDIR": str(folder / FONTS)},
            libraries=libraries,
            protected=tier.namespaces,
        )
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Raises: SandboxUnavailable if the tier needs what is not there."""
        # Open files on their way through sockets are counted for all programs of a user, and a kernel of our
        # user can have many there (1,024, and 253 more for each processor). A program with a lower limit of
        # open files can then send none itself, as each start of a kernel must (unix(7), ETOOMANYREFS).
        raise_limit()
        self._root.mkdir(mode=0o700, parents=True)
        with contextlib.suppress(OSError):  # without it matplotlib looks for the fonts itself
            shutil.copytree(self._fonts, self._folder / FONTS)
        with ExitStack() as stack:
            self._groups = Groups.found(unique_name())
            if self._groups is not None:
                stack.callback(self._groups.close)
            if self.tier is Tier.S:
                self._users = users.numbers(Path("/proc/self/uid_map").read_text("ascii"))
                if self._groups is None or not self._users or os.geteuid() != 0:
                    raise SandboxUnavailable(
                        f"{self.tier.described} needs root, control groups and users to give away."
                    )
            alone = self.tier.namespaces and not self._limits.network
            self._watchdog = stack.enter_context(
                Watchdog(self._limits, self._workspaces, memory=self._groups is None, alone=alone)
            )
            stack.enter_context(self._forkserver)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def launch(
        self, workspace: Path, name: str, request: Mapping[str, Any], descriptors: Mapping[str, int]
    ) -> Confined:
        """Start a process that does what the spawn request says (see `inside.confinement.child`), confined.

        `name` is that of its control group. `descriptors` go with the request and stay ours too.

        Raises: KernelStartFailed, OSError.
        """
        uid, began, ours, removed = await in_thread(self._measured, workspace)
        most = self._limits.workspace
        full_over = most if most is not None and began > most else None
        confinement = confine(
            self.tier,
            Paths(workspace, self._root, self._readable, self._python),
            self._limits,
            uid=uid,
            own_uid=os.geteuid(),
            own_gid=os.getegid(),
            own_threads=ours,
            full=full_over is not None,
            outside=os.environ,
            counted=self._groups is not None,
        )
        child = await self._forkserver.fork(confinement.clone_flags)
        group = None
        try:
            child.spawn({**request, "confinement": vars(confinement), "over": removed > 0}, descriptors)
            group = await self._grouped(name, child.pid)  # which takes as long as it needs to confine itself
            child.begin()
        except BaseException as error:  # also a cancellation leaves no process
            child.close()
            if group is not None:
                await to_the_end(in_thread(group.remove))
            if isinstance(error, OSError):
                raise KernelStartFailed(str(error)) from error
            raise
        return Confined(
            child,
            self._forkserver,
            group,
            workspace,
            self._watchdog,
            began=began,
            removed=removed,
            full_over=full_over,
            namespaces=self.tier.namespaces,
        )

    async def _grouped(self, name: str, pid: int) -> Group | None:
        """The process's own control group, if there are groups. Raises: OSError; then none is left."""
        if self._groups is None:
            return None
        making = asyncio.ensure_future(in_thread(self._grouped_now, self._groups, name, pid))
        try:
            return await to_the_end(making)
        except asyncio.CancelledError:
            if making.exception() is None:
                await to_the_end(in_thread(making.result().remove))
            raise

    def _grouped_now(self, groups: Groups, name: str, pid: int) -> Group:
        group = groups.make(name, self._limits)
        try:
            with contextlib.suppress(ProcessLookupError):  # it has failed already; its end tells why
                group.add_process(pid)
        except OSError:
            group.remove()
            raise
        return group

    def own(self, workspace: Path) -> int | None:
        """The user who owns this workspace, given once for good; None where kernels run as our own user.

        Raises: OSError.
        """
        if not self._users:
            return None
        if (owner := workspace.lstat().st_uid) in self._users:
            return owner
        with self._claiming:
            return users.claim(self._workspaces, workspace, self._users)

    def _measured(self, workspace: Path) -> tuple[int | None, int, int, int]:
        """The workspace's user and size; the threads of our user, if kernels are that; what is removed.

        That is, of a workspace over its limit, the temporary files that the new kernel removes: the size is
        without them.
        """
        ours = 0 if self.tier.namespaces else usage.threads(usage.owned(os.geteuid()))
        size = removed = 0
        if self._limits.workspace is not None:
            size = usage.size(workspace)
            if usage.UNCOUNTABLE > size > self._limits.workspace:
                left = [name for name in os.listdir(workspace) if LEFT.fullmatch(name)]
                removed = sum(usage.size(workspace / name) for name in left)
        return self.own(workspace), size - removed, ours, removed


def readable(python: Path) -> tuple[Path, ...]:
    """What a kernel may read beside the system's files: its interpreter, its packages, and kernels/inside."""
    interpreter = Path(os.path.realpath(python)).parent.parent
    packages = python.parent.parent  # this can be a link
    found = dict.fromkeys((interpreter, packages, packages.resolve(), INSIDE))
    return tuple(path for path in found if not any(path.is_relative_to(system) for system in SYSTEM))
