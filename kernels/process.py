"""One kernel process, from its start to its end, through jupyter_client's manager and provisioner.

    with run_folder(path) as folder:
        async with KernelProcess.start(launch, folder, context, receive) as process:
            process.wire.send("shell", ...)
            await process.exited.wait()

The process, its sockets and its run folder are gone when the blocks are left, unless it was detached: then it
goes on without us, and any Jupyter client can use it by the connection file in its run folder.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from kernels.errors import KernelStartFailed
from kernels.finish import stop, to_the_end
from kernels.launch import Launch
from kernels.wire import Message, Wire

__all__ = ["ALIVE", "DETACHED", "KernelProcess", "run_folder"]

log = logging.getLogger(__name__)

START = 60.0  # seconds until a kernel must have answered; a loaded machine needs several
ORDERLY = 2.0  # seconds to end by request, and again by SIGTERM, before SIGKILL
KILLED = 5.0  # seconds until a killed process must be gone
LOG = "start.log"  # in the run folder: what the process writes to stderr until it is up
DETACHED = "detached"  # the file in a run folder that tells the kernel to outlive its parent
ALIVE = "alive"  # the file in a run folder that the kernel holds locked as long as it lives
LOG_TAIL = 2000  # characters of a failed start's output that are told


@dataclass
class KernelProcess:
    """A running kernel: `wire` to speak with it, `exited` set at its end, `exit_code` as in subprocess."""

    wire: Wire
    folder: Path
    _manager: AsyncKernelManager
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int | None = None
    detached: bool = False

    @staticmethod
    @contextlib.asynccontextmanager
    async def start(
        launch: Launch,
        folder: Path,
        context: zmq.Context[zmq.Socket[bytes]],
        receive: Callable[[Message | None], None],
    ) -> AsyncIterator["KernelProcess"]:
        """Start the kernel and wait until it answers. `folder` is its run folder.

        Raises: KernelStartFailed, with the end of what the process wrote, or what the system said.
        """
        manager = _manager(launch, folder, context)
        ready = _Ready(receive)
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(_release, manager, folder)
                await _launch(launch, folder / LOG, manager)
                wire = Wire(dict(manager.get_connection_info()), context, manager.session, ready)
                process = KernelProcess(wire, folder, manager)
                stack.push_async_callback(stop, asyncio.create_task(process._watch(), name="kernel exit"))
                stack.push_async_callback(process.end, now=True)
                await stack.enter_async_context(wire)
                await process._answered(ready)
                ending = stack.pop_all()
        except (OSError, zmq.ZMQError) as error:
            raise KernelStartFailed(str(error)) from error
        try:
            yield process
        finally:
            await to_the_end(ending.aclose())

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, by a message on the control channel."""
        self.wire.send("control", "interrupt_request", {})

    async def kill(self) -> None:
        """Kill the process and what it has started in its process group, without waiting for their end."""
        if self._manager.provisioner is not None:
            await self._manager.provisioner.kill()

    async def end(self, *, now: bool = False) -> None:
        """End the process: by request, by SIGTERM, by SIGKILL, each with its time; `now`, by SIGKILL at once.

        A process that not even the last one ends, since it is stuck in the system, is left behind and logged.
        """
        provisioner = self._manager.provisioner
        if self.detached or provisioner is None:
            return
        if not now and not self.exited.is_set():
            self.interrupt()
            self.wire.send("control", "shutdown_request", {"restart": False})
            if not await self._exits_within(ORDERLY):
                await provisioner.terminate()
                await self._exits_within(ORDERLY)
        await provisioner.kill()
        if not await self._exits_within(KILLED):
            log.error(
                "the kernel process %s cannot be killed; it is left behind", getattr(provisioner, "pid", "?")
            )

    def detach(self) -> None:
        """Let the process outlive us: leaving the block then only closes our sockets."""
        (self.folder / DETACHED).touch()
        self.detached = True
        self._manager._connection_file_written = False  # it removes what it has written
        provisioner = self._manager.provisioner
        if isinstance(provisioner, LocalProvisioner) and provisioner.process is not None:
            provisioner.process.returncode = (
                0  # subprocess warns of a child that is left, and this one is meant to be
            )
            provisioner.process = None

    async def _answered(self, ready: "_Ready") -> None:
        self.wire.send("shell", "kernel_info_request", {})
        exited = asyncio.create_task(self.exited.wait())
        answered = asyncio.create_task(ready.event.wait())
        try:
            await asyncio.wait([exited, answered], timeout=START, return_when=asyncio.FIRST_COMPLETED)
            if not ready.event.is_set():
                raise KernelStartFailed(_tail(self.folder / LOG))
        finally:
            await stop(exited)
            await stop(answered)

    async def _exits_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.exited.wait(), seconds)
        return self.exited.is_set()

    async def _watch(self) -> None:
        provisioner = self._manager.provisioner
        assert provisioner is not None
        pid = getattr(provisioner, "pid", None)
        if pid is not None and hasattr(os, "pidfd_open"):
            await _ended(pid)
            await (
                provisioner.kill()
            )  # what it leaves behind; its process group is surely its own until it is reaped
        self.exit_code = await provisioner.wait()  # reaps it; where there is no pidfd it looks every 0.1 s
        self.exited.set()


@contextlib.contextmanager
def run_folder(path: Path) -> Iterator[Path]:
    """Make a kernel's run folder, and remove it at the end unless the kernel was detached."""
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        if not (path / DETACHED).exists():
            shutil.rmtree(path, ignore_errors=True)


class _Ready:
    """Receives for the kernel, and notes when it has answered and we are subscribed."""

    def __init__(self, receive: Callable[[Message | None], None]) -> None:
        self._receive = receive
        self._wanted = {"iopub_welcome", "kernel_info_reply"}
        self.event = asyncio.Event()

    def __call__(self, message: Message | None) -> None:
        if message is not None:
            self._wanted.discard(message.kind)
        if not self._wanted:
            self.event.set()
        self._receive(message)


def _manager(launch: Launch, folder: Path, context: zmq.Context[zmq.Socket[bytes]]) -> AsyncKernelManager:
    manager = AsyncKernelManager(
        context=zmq.asyncio.Context.shadow(context.underlying),
        connection_file=str(folder / "kernel.json"),
        transport="ipc",
        ip=str(folder / "s"),
        log=logging.getLogger(f"{__name__}.jupyter"),
    )
    manager._kernel_spec = KernelSpec(argv=list(launch.argv), display_name="Kernelcord", language="python")
    return manager


async def _launch(launch: Launch, log_file: Path, manager: AsyncKernelManager) -> None:
    for path in launch.writable:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log_file.open("wb") as output:
        await manager.start_kernel(
            cwd=str(launch.folder),
            env=dict(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )


async def _release(manager: AsyncKernelManager, folder: Path) -> None:
    """Close what the manager holds, and end a process that was launched but is not watched yet."""
    if (folder / DETACHED).exists():
        manager._close_control_socket()
        return
    if manager.provisioner is not None and manager.has_kernel:
        await manager.provisioner.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(manager.provisioner.wait(), KILLED)
    await manager.cleanup_resources()


def _tail(log_file: Path) -> str:
    return log_file.read_text("utf-8", "replace")[-LOG_TAIL:]


async def _ended(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
