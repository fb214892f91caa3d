"""Work on what others have sent or shown, in a sandboxed kernel of nobody's that is thrown away afterwards.

    scratch = ScratchKernel(kernels, "renderer-1")
    bundles = await scratch.work("drawing", {"0": {"kind": "svg", "source": text}}, {}, seconds=20)

The person's own kernel, its variables and its count of cells are never touched. The work is a module of
`kernels/inside` with an `answer`, imported as the kernel has it, so that a card and `load_file` read alike;
`kernels.inside.scratch.tasks` does each task in a process of its own. Where one brings the whole kernel down
all the same it is given up, and those after it are done in a fresh kernel.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any, BinaryIO

from kernels.broker import FileRow, FileUnavailable, Opened
from kernels.cell.events import Display
from kernels.concurrency.threads import in_thread
from kernels.errors import KernelError
from kernels.interface import Cell, Kernels

__all__ = ["ScratchKernel"]

log = logging.getLogger(__name__)

EACH = 8.0  # seconds without an answer: a task has 6 of them, see `errands`
START = 12.0  # seconds more for the kernel's start


class ScratchKernel:
    """A kernel with a name of its own; one piece of work at a time.

    `turn` is entered for each piece of work, and can make it wait for those of others.
    """

    def __init__(
        self,
        kernels: Kernels,
        name: str,
        turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._kernels = kernels
        self._name = name
        self._turn = turn
        self._lock = asyncio.Lock()
        self._cleaning: asyncio.Task[None] | None = None

    async def work(
        self, module: str, tasks: Mapping[str, Any], files: Mapping[str, BinaryIO], *, seconds: float
    ) -> dict[str, Mapping[str, Any]]:
        """The MIME bundle that each task was answered with; of those that failed, nothing.

        `tasks` is what JSON can hold, `files` lie in the working folder under their names. Waits for its turn
        for `seconds` at most, and then ends after `seconds` at the latest, and a little more for cleaning up.
        """
        done: dict[str, Mapping[str, Any]] = {}
        left = dict(tasks)
        async with self._lock, AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(seconds):
                    await stack.enter_async_context(self._turn())
            except TimeoutError:
                log.info("%s: no turn came within %.0f s", self._name, seconds)
                return done
            if self._cleaning is not None:
                await asyncio.wait([self._cleaning])  # who was cancelled did not wait for it
            try:
                async with asyncio.timeout(seconds):
                    while left and not await self._run(module, left, files, done):
                        given_up = next(key for key in tasks if key in left and key not in done)
                        left = {key: left[key] for key in left if key not in done and key != given_up}
            except (TimeoutError, KernelError, OSError) as error:  # OSError: no room for the files
                log.info("%s: %d of %d tasks done: %r", self._name, len(done), len(tasks), error)
            finally:
                self._cleaning = asyncio.create_task(self._throw_away(), name=f"throwing {self._name} away")
                await asyncio.shield(self._cleaning)
        return done

    async def _run(
        self,
        module: str,
        tasks: Mapping[str, Any],
        files: Mapping[str, BinaryIO],
        done: dict[str, Mapping[str, Any]],
    ) -> bool:
        """One try; whether the cell came to its end. Raises: KernelError."""
        await self._kernels.remove(self._name)  # what a program that was killed has left
        kernel = self._kernels.kernel(self._name, _NoFiles())
        for name, data in files.items():
            data.seek(0)
            await kernel.place(name, data)
        await kernel.place("tasks.json", await in_thread(_as_json, tasks))
        work = f"from inside.scratch import tasks, {module}\ntasks.do({module}.answer)"
        run = kernel.run(work, allow_input=False)
        try:
            async with run:
                await self._collect(run, tasks, done)
        except TimeoutError:  # of our patience; where all of the time is over we are cancelled
            return False
        return run.result.status == "ok" or all(key in done for key in tasks)

    async def _collect(self, run: Cell, tasks: Mapping[str, Any], done: dict[str, Mapping[str, Any]]) -> None:
        """Raises: TimeoutError when nothing comes for too long."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(START + EACH) as patience:
            async for event in run:
                key = event.bundle.get("text/plain") if isinstance(event, Display) else None
                if isinstance(event, Display) and isinstance(key, str) and key in tasks:
                    done[key] = event.bundle
                    patience.reschedule(loop.time() + EACH)

    async def _throw_away(self) -> None:
        try:
            await self._kernels.remove(self._name)
        except (KernelError, OSError) as error:  # the next piece of work tries again
            log.warning("%s could not be thrown away: %s", self._name, error)


def _as_json(tasks: Mapping[str, Any]) -> bytes:
    """The tasks as one JSON object, written one by one: of all at once nobody else would have a turn."""
    return (
        b"{"
        + b",".join(f"{json.dumps(key)}:{json.dumps(task)}".encode() for key, task in tasks.items())
        + b"}"
    )


class _NoFiles:
    """What such a kernel may load: nothing."""

    async def open(self, wanted: str) -> Opened:
        raise FileUnavailable.absent(wanted)

    async def place(self, wanted: str) -> str:
        raise FileUnavailable.absent(wanted)

    async def list(self) -> Sequence[FileRow]:
        return []
