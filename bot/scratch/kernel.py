"""Work on what people have sent or shown, in a sandboxed kernel that is thrown away afterwards.

    scratch = ScratchKernel(kernels, "renderer-1")
    bundles = await scratch.work("drawing", {"0": {"kind": "svg", "source": text}}, {}, seconds=20)

The person's own kernel, its variables and its count of cells are never touched. The work is a module of
`kernels/inside/scratch` with a function `answer`. It is imported within the kernel, so that a card and
`load_file` read a file in the same way. `kernels.inside.scratch.tasks` does each task in a process of its
own. If a task still brings down the whole kernel, it is given up, and the others are done in a fresh kernel.
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

EACH = 8.0  # seconds without an answer; a task has 6 of them, see `kernels.inside.scratch.tasks`
START = 12.0  # more seconds for the start of the kernel


class ScratchKernel:
    """A kernel with a name of its own, which does one piece of work at a time.

    `turn` is entered for each piece of work, and can make it wait for the work of others.
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
        self._is_clean = False  # whether nothing is left of any work, an earlier program's included

    async def work(
        self, module: str, tasks: Mapping[str, Any], files: Mapping[str, BinaryIO], *, seconds: float
    ) -> dict[str, Mapping[str, Any]]:
        """The MIME bundle that answers each task; tasks that failed, for whatever reason, are missing.

        `tasks` has what JSON can hold; `files` are put into the working folder under their names. This waits
        for its turn for at most `seconds`, and then takes at most `seconds`, plus a little for cleaning up.
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
            await self._wait_until_cleaned()
            self._is_clean = False
            try:
                async with asyncio.timeout(seconds):
                    while left and not await self._run(module, left, files, done):
                        given_up = next(key for key in tasks if key in left and key not in done)
                        left = {key: left[key] for key in left if key not in done and key != given_up}
            except (TimeoutError, KernelError, OSError) as error:  # OSError: no room for the files
                log.info("%s: %d of %d tasks done: %r", self._name, len(done), len(tasks), error)
            except Exception:  # a fault of ours: nobody's answer may be lost for want of a picture or a card
                log.exception("%s: %d of %d tasks done", self._name, len(done), len(tasks))
            finally:
                self._cleaning = asyncio.create_task(self._throw_away(), name=f"throwing {self._name} away")
                await asyncio.shield(self._cleaning)
        return done

    async def clean(self) -> None:
        """Delete what is left of work that was broken off, also by the end of an earlier program.

        Raises: KernelError, OSError.
        """
        async with self._lock:
            await self._wait_until_cleaned()
            if not self._is_clean:
                await self._kernels.remove(self._name)
                self._is_clean = True

    async def _wait_until_cleaned(self) -> None:
        if self._cleaning is not None:
            await asyncio.wait([self._cleaning])  # a caller that was cancelled did not wait for it

    async def _run(
        self,
        module: str,
        tasks: Mapping[str, Any],
        files: Mapping[str, BinaryIO],
        done: dict[str, Mapping[str, Any]],
    ) -> bool:
        """One attempt; returns whether the cell came to its end. Raises: KernelError."""
        await self._kernels.remove(self._name)  # left by a program that was killed
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
        except TimeoutError:  # no answer for too long; when all of the time is over, we are cancelled
            return False
        return run.result.status == "ok" or all(key in done for key in tasks)

    async def _collect(self, run: Cell, tasks: Mapping[str, Any], done: dict[str, Mapping[str, Any]]) -> None:
        """Collect the answers. Raises: TimeoutError if none comes for too long."""
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
            self._is_clean = True
        except (KernelError, OSError) as error:  # the next piece of work tries again
            log.warning("%s could not be thrown away: %s", self._name, error)


def _as_json(tasks: Mapping[str, Any]) -> bytes:
    """The tasks as one JSON object, in a thread and task by task, so that others get their turn."""
    return (
        b"{"
        + b",".join(f"{json.dumps(key)}:{json.dumps(task)}".encode() for key, task in tasks.items())
        + b"}"
    )


class _NoFiles:
    """The files that a scratch kernel may load: none."""

    async def open(self, wanted: str) -> Opened:
        raise FileUnavailable.absent(wanted)

    async def place(self, wanted: str) -> str:
        raise FileUnavailable.absent(wanted)

    async def list(self) -> Sequence[FileRow]:
        return []
