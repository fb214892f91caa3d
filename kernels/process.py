"""One kernel process, from its start to its end, through jupyter_client's manager and provisioner.

    async with KernelProcess.start(launch, context, receive) as process:
        process.wire.send("shell", ...)
        await process.exited.wait()

The process, its sockets and its run folder are gone when the block is left, unless it was detached: then it
goes on without us, and any Jupyter client can use it by the connection file in its run folder.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from kernels.errors import KernelStartFailed
from kernels.launch import Launch
from kernels.wire import Message, Wire

__all__ = ["DETACHED", "KernelProcess"]

START = 60.0  # seconds until a kernel must have answered; a loaded machine needs several
END = 4.0  # seconds for an orderly end: half of it by request, half by SIGTERM, then SIGKILL
DETACHED = "detached"  # the file in a run folder that tells the kernel to outlive its parent
LOG_TAIL = 2000  # characters of a failed start's output that are told


@dataclass
class KernelProcess:
    """A running kernel: `wire` to speak with it, `exited` set when it has ended, `exit_code` then as in subprocess."""

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
        """Start the kernel and wait until it answers. `folder` is its run folder, made here and removed at the end.

        Raises: KernelStartFailed, with the end of what the process wrote.
        """
        for path in launch.writable:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        manager = _manager(launch, folder, context)
        ready = _Ready(receive)
        log_file = folder / "start.log"
        try:
            with log_file.open("wb") as output:
                await manager.start_kernel(
                    cwd=str(launch.folder),
                    env=dict(launch.env),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=output,
                )
            connection = dict(manager.get_connection_info())
            async with Wire(connection, context, manager.session, ready) as wire:
                process = KernelProcess(wire, folder, manager)
                watcher = asyncio.create_task(process._watch(), name="kernel exit")
                try:
                    await process._answered(ready, log_file)
                    yield process
                finally:
                    watcher.cancel()
                    await asyncio.wait([watcher])
                    if not process.detached:
                        await _end(manager)
        finally:
            if not (folder / DETACHED).exists():
                shutil.rmtree(folder, ignore_errors=True)

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, by a message on the control channel."""
        self.wire.send("control", "interrupt_request", {})

    async def kill(self) -> None:
        """End the process at once, with all that it started in its process group."""
        if self._manager.provisioner is not None:
            await self._manager.provisioner.kill()
        await self.exited.wait()

    def detach(self) -> None:
        """Let the process outlive us: leaving the block then only closes our sockets."""
        (self.folder / DETACHED).touch()
        self.detached = True

    async def _answered(self, ready: "_Ready", log_file: Path) -> None:
        self.wire.send("shell", "kernel_info_request", {})
        exited = asyncio.create_task(self.exited.wait())
        answered = asyncio.create_task(ready.event.wait())
        try:
            await asyncio.wait([exited, answered], timeout=START, return_when=asyncio.FIRST_COMPLETED)
            if not ready.event.is_set():
                raise KernelStartFailed(log_file.read_text("utf-8", "replace")[-LOG_TAIL:])
        finally:
            exited.cancel()
            answered.cancel()

    async def _watch(self) -> None:
        provisioner = self._manager.provisioner
        assert provisioner is not None
        pid = getattr(provisioner, "pid", None)
        if pid is not None and hasattr(os, "pidfd_open"):
            await _ended(pid)
        self.exit_code = await provisioner.wait()  # reaps it; where there is no pidfd it looks every 0.1 s
        self.exited.set()


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
        shutdown_wait_time=END,
        log=logging.getLogger(f"{__name__}.jupyter"),
    )
    manager._kernel_spec = KernelSpec(argv=list(launch.argv), display_name="Kernelcord", language="python")
    return manager


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


async def _end(manager: AsyncKernelManager) -> None:
    """End the process in order, or by force; close what the manager holds."""
    if manager.has_kernel:
        await manager.shutdown_kernel()
    else:
        await manager.cleanup_resources()
