"""One kernel process, from its start to its end, through jupyter_client's manager and provisioner.

    with run_folder(path) as folder:
        async with KernelProcess.start(launcher, folder, receive, StartTimes()) as process:
            process.wire.send("shell", ...)
            await process.exited.wait()

When the blocks are left, the process, its sockets and its run folder are gone.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from jupyter_client.manager import AsyncKernelManager

from kernels.concurrency.cancellation import stop, to_the_end
from kernels.errors import KernelStartFailed
from kernels.process.last_words import LastWords, Text
from kernels.process.launchers import Launcher
from kernels.process.stacks import doing
from kernels.provisioner import ConfinedProvisioner, PlainProvisioner
from kernels.wire.connection import Message, Wire

__all__ = ["KernelProcess", "StartTimes", "run_folder"]

log = logging.getLogger(__name__)

ORDERLY = 2.0  # seconds to end by request, and then again by SIGTERM, before SIGKILL
AGAIN = 0.01  # seconds between looks whether an ordinary process listens yet
AT_REST = 2.0  # seconds that a kernel between two cells may take to answer; usually 1 ms
KILLED = 5.0  # seconds until a killed process must be gone
CLOSING = 1.0  # seconds that a process may take to end after it has closed every channel
LOG = "start.log"  # in the run folder: what the process writes to stderr until it is up
LOG_TAIL = 2000  # characters of a failed start's output that its error has


@dataclass(frozen=True)
class StartTimes:
    """How long the start of a kernel may take, in seconds."""

    turn: float = 1.0  # that it makes the next ones wait, at most; it usually takes 0.2
    answer: float = 60.0  # until it must have answered; a loaded machine needs several
    ask_again: float = 10.0  # after which a kernel that has not answered is asked again


@dataclass
class KernelProcess:
    """A running kernel: `wire` to talk to it, `exited` set at its end, `exit_code` as in subprocess.

    `provisioner` watches and ends its processes.
    """

    wire: Wire
    folder: Path
    provisioner: PlainProvisioner | ConfinedProvisioner
    _receiver: "_Receiver"
    _words: LastWords
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int | None = None

    @staticmethod
    @contextlib.asynccontextmanager
    async def start(
        launcher: Launcher, folder: Path, receive: Callable[[Message | None], None], times: StartTimes
    ) -> AsyncIterator["KernelProcess"]:
        """Start the kernel and wait until it answers. `folder` is its run folder.

        Raises: KernelStartFailed, with the reason and the end of what the process wrote, or the system's
        error.
        """
        manager = launcher.manager(folder)
        try:
            async with contextlib.AsyncExitStack() as stack:
                words = stack.enter_context(LastWords())
                receiver = _Receiver(receive, words)
                stack.push_async_callback(_release, manager)
                with (folder / LOG).open("wb") as output:
                    await launcher.start(manager, output, words.descriptors)
                words.started()
                wire = Wire(dict(manager.get_connection_info()), manager.session, receiver)
                provisioner = cast(PlainProvisioner | ConfinedProvisioner, manager.provisioner)
                process = KernelProcess(wire, folder, provisioner, receiver, words)
                stack.push_async_callback(stop, asyncio.create_task(process._watch(), name="kernel exit"))
                stack.push_async_callback(process.end, now=True)
                stack.callback(wire.close)
                await process._wait_until_up(times)
                ending = stack.pop_all()
        except OSError as error:
            raise KernelStartFailed(str(error)) from error
        try:
            yield process
        finally:
            await to_the_end(ending.aclose())

    def interrupt(self, cell: str = "") -> str:
        """Raise KeyboardInterrupt in the cell of this message id, or in the one that runs.

        Returns the message id of the interrupt.
        """
        return self.wire.send("control", "interrupt_request", {"cell": cell} if cell else {})

    async def last_words(self) -> list[Text | Message]:
        """What a dead kernel wrote and displayed but could not send; nothing while it lives.

        What it did send has been received when this returns.
        """
        if not self.exited.is_set():
            return []
        await self.wire.drained()
        return self._words.rest(partial(self.wire.parsed, "iopub"))

    def state(self) -> str:
        """For the log: how far each channel has got, and what the processes are doing."""
        doings = "" if self.exited.is_set() else f"; processes: {doing(self.provisioner.pid)}"
        return f"channels: {self.wire.state}; awaited: {self._receiver.awaited}{doings}"

    async def healthy(self) -> bool:
        """Whether it is idle: it answers, at once or after an interrupt, or has ended."""
        if await self._answers(AT_REST):
            return True
        self.interrupt()
        return await self._answers(AT_REST)

    async def end(self, *, now: bool = False) -> None:
        """End the process: by request, then by SIGTERM, then by SIGKILL; if `now`, by SIGKILL at once.

        A process that is stuck in the system, which not even SIGKILL ends, is left behind and logged.
        """
        if not now and not self.exited.is_set():
            self.interrupt()
            self.wire.send("control", "shutdown_request", {"restart": False})
            if not await self._exits_within(ORDERLY):
                await self.provisioner.terminate()
                await self._exits_within(ORDERLY)
        await self.provisioner.kill()
        if not await self._exits_within(KILLED):
            await self.provisioner.kill()  # now without its init, which does not answer
        if not await self._exits_within(KILLED):
            log.error("the kernel process %s cannot be killed; it is left behind", self.provisioner.pid)

    async def _wait_until_up(self, times: StartTimes) -> None:
        """Wait until it answers. Raises: KernelStartFailed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(times.answer):
                while not self.wire.connect() and not self.exited.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(AGAIN)  # no event tells when its sockets are there
                while not (self.exited.is_set() or await self._answers(times.ask_again)):
                    pid, state = self.provisioner.pid, self.state()
                    log.warning("the kernel process %s has not answered and is asked again: %s", pid, state)
                    self.wire.subscribe()
        if not self._receiver.ready.is_set():
            raise KernelStartFailed(_tail(self.folder / LOG), self._why_not_up(times), self.state())

    def _why_not_up(self, times: StartTimes) -> str:
        if not self.exited.is_set():
            return f"it did not answer within {times.answer:.0f} s"
        if self.provisioner.fault is not None:
            return f"it went over its limit of {self.provisioner.fault}"
        code = self.exit_code or 0
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"

    async def _answers(self, seconds: float) -> bool:
        """Whether it answers a question within some seconds, or ends."""
        self._receiver.expect_answer(self.wire.send("shell", "kernel_info_request", {}))
        exited = asyncio.create_task(self.exited.wait())
        answered = asyncio.create_task(self._receiver.ready.wait())
        try:
            done, _ = await asyncio.wait(
                [exited, answered], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            return bool(done)
        finally:
            await stop(exited)
            await stop(answered)

    async def _exits_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.exited.wait(), seconds)
        return self.exited.is_set()

    async def _watch(self) -> None:
        ending = asyncio.create_task(self._end_without_channels(), name="kernel channels")
        try:
            self.exit_code = await self.provisioner.wait()
            self.exited.set()
        finally:
            await stop(ending)

    async def _end_without_channels(self) -> None:
        await self.wire.ended.wait()
        await asyncio.sleep(CLOSING)  # a process that is ending closes its channels first
        await self.provisioner.kill()


@contextlib.contextmanager
def run_folder(path: Path) -> Iterator[Path]:
    """Make a kernel's run folder, and remove it at the end."""
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class _Receiver:
    """Passes messages on, and notes when a question was answered and our subscription was confirmed."""

    def __init__(self, receive: Callable[[Message | None], None], words: LastWords) -> None:
        self._receive = receive
        self._words = words
        self._question = ""
        self._answered = self._welcomed = False
        self.ready = asyncio.Event()

    @property
    def awaited(self) -> str:
        """What has not arrived yet, for the log."""
        missing = {"an answer": self._answered, "iopub_welcome": self._welcomed}
        return " and ".join(what for what, came in missing.items() if not came) or "nothing"

    def expect_answer(self, question: str) -> None:
        """Note the answer to the request of this id from now on."""
        self._question, self._answered = question, False
        self.ready.clear()

    def __call__(self, message: Message | None) -> None:
        if message is not None:
            if not self._words.is_news(message):
                return
            if message.channel == "shell" and message.parent_id == self._question:
                self._answered = True
            elif message.kind == "iopub_welcome":
                self._welcomed = True
            if self._answered and self._welcomed:
                self.ready.set()
        self._receive(message)


async def _release(manager: AsyncKernelManager) -> None:
    """Close what the manager holds, and end a process that was launched but is not yet watched."""
    if manager.provisioner is not None and manager.has_kernel:
        await manager.provisioner.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(manager.provisioner.wait(), KILLED)
    await manager.cleanup_resources()


def _tail(log_file: Path) -> str:
    return log_file.read_text("utf-8", "replace")[-LOG_TAIL:]
