"""Reads and writes notebooks in a separate process, whatever strangers have put into them.

    async with reading(file) as notebook: ...       # a `Notebook`, with its cells in a temporary file
    await write(cells, target, packages={...})      # `cells` come one by one

Anybody may have made a notebook that is read, or the outputs of cells that are written: some megabytes of
text can be gigabytes of values, or markup that takes a minute to check. The process
(`kernels.notebooks.converter`) has limits on its memory and time, nothing of our environment, and can open no
file. We hold one cell at a time in memory.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from kernels.concurrency.threads import in_thread
from kernels.notebooks import cell_lines
from kernels.notebooks.cell_lines import NO_MEMORY, NO_ROOM, REFUSED, first_line, line, to_lines
from kernels.notebooks.cells import Cell, Notebook, NotebookError, StreamedCell
from kernels.notebooks.reading import refuse_too_large

__all__ = ["reading", "write"]

log = logging.getLogger(__name__)

CHECKOUT = Path(__file__).resolve().parents[2]  # where `python -m` finds the converter
PASSED_ON = ("LD_LIBRARY_PATH", "TZ")
DEADLINE = 180.0  # seconds in all; the process also limits its own processor time
TOLD = 2000  # characters at the end of the process's stderr that we keep
Verb = Literal["read", "write"]
Feed = Callable[[asyncio.StreamWriter], Awaitable[None]]

MISSING = {"output_type": "stream", "name": "stderr", "text": "[an output is missing]\n"}

TOO_LONG: dict[Verb, str] = {
    "read": "The notebook takes too long to read. Clear its outputs in Jupyter and try again.",
    "write": "The notebook takes too long to write. Cells and files are unchanged.",
}
TOO_MUCH: dict[Verb, str] = {
    "read": "The notebook contains more than can be read here. Clear its outputs in Jupyter and try again.",
    "write": "The notebook contains more than can be written here. Cells and files are unchanged.",
}
FAILED: dict[Verb, str] = {
    "read": "The notebook could not be read: an error in Kernelcord.",
    "write": "The notebook could not be written: an error in Kernelcord. Cells and files are unchanged.",
}


@asynccontextmanager
async def reading(source: BinaryIO, *, deadline: float = DEADLINE) -> AsyncIterator[Notebook]:
    """The notebook in an open file that has a descriptor, read from its start; the cells are kept on disk.

    Raises: NotebookError with one sentence for the person; OSError if the disk is full.
    """
    refuse_too_large(os.fstat(source.fileno()).st_size)
    with tempfile.TemporaryFile() as lines:
        source.seek(0)
        await _convert("read", source, lines, None, deadline)
        yield await in_thread(_SpooledNotebook, lines)


async def write(
    cells: AsyncIterable[Cell | StreamedCell],
    target: BinaryIO,
    *,
    packages: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write the cells as a notebook into an open file that has a descriptor, from its position on.

    We hold one cell at a time in memory, and of a `StreamedCell` one output at a time. See
    `kernels.notebooks.notebook.written` for what is left out if there is too much.

    Raises: NotebookError, OSError, and whatever `cells` raises.
    """
    target.flush()

    async def feed(pipe: asyncio.StreamWriter) -> None:
        pipe.write(line({"packages": dict(packages or {}), "about": dict(about or {})}))
        async for cell in cells:
            if isinstance(cell, StreamedCell):
                await _feed_streamed(cell, pipe)
            else:
                pipe.writelines(await in_thread(list, to_lines(cell)))
                await pipe.drain()

    await _convert("write", asyncio.subprocess.PIPE, target, feed, DEADLINE)
    target.seek(0, os.SEEK_END)


async def _feed_streamed(cell: StreamedCell, pipe: asyncio.StreamWriter) -> None:
    """Feed the cell's lines, exactly as many outputs as its first line says."""
    pipe.write(await in_thread(first_line, cell.code, cell.count))
    left = cell.count
    async for output in cell.outputs:
        if left:
            left -= 1
            pipe.write(await in_thread(line, output))
            await pipe.drain()
    for _ in range(left):  # the stored bytes of an output are missing
        pipe.write(line(MISSING))


class _SpooledNotebook:
    """A `Notebook` in a file: a line about it, then the lines of its cells."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        about = json.loads(file.readline())
        self.notes: tuple[str, ...] = tuple(about["notes"])
        self.code_cells: int = about["code_cells"]
        self.metadata: dict[str, Any] = about["metadata"]
        self._file = file
        self._start = file.tell()

    @property
    def cells(self) -> Iterable[Cell]:
        """The cells, read from the file again each time."""
        return cell_lines.cells(self._lines())

    def _lines(self) -> Iterator[bytes]:
        position = self._start
        while True:
            self._file.seek(position)
            found = self._file.readline()
            if not found:
                return
            position = self._file.tell()
            yield found


async def _convert(
    verb: Verb, source: BinaryIO | int, target: BinaryIO, feed: Feed | None, seconds: float
) -> None:
    """Let the process do it. Raises: NotebookError, OSError, and whatever `feed` raises."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-E", "-s", "-m", "kernels.notebooks.converter", verb),
        cwd=CHECKOUT,
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"PYTHONUTF8": "1"},
        stdin=source,
        stdout=target,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    hearing = asyncio.create_task(_said(process))
    try:
        async with asyncio.timeout(seconds) as deadline:
            fed = await _fed(process, feed)
            code = await process.wait()
    except TimeoutError:
        if not deadline.expired():  # then `feed` has raised it
            raise
        raise NotebookError(TOO_LONG[verb]) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        said = await hearing
    _judge(verb, code, said)
    if fed is not None:
        raise fed


async def _fed(process: asyncio.subprocess.Process, feed: Feed | None) -> OSError | None:
    """Feed the process. Returns the error if a connection broke: that to the process, or one of `feed`."""
    pipe = process.stdin
    if pipe is None or feed is None:
        return None
    try:
        await feed(pipe)
    except (BrokenPipeError, ConnectionResetError) as error:
        return error  # if the process has failed, its exit code explains it better
    finally:
        pipe.close()
    return None


async def _said(process: asyncio.subprocess.Process) -> str:
    """The end of what the process writes to stderr."""
    said = b""
    assert process.stderr is not None
    while piece := await process.stderr.read(TOLD):
        said = (said + piece)[-TOLD:]
    return said.decode(errors="replace").strip()


def _judge(verb: Verb, code: int, said: str) -> None:
    """Check how the process ended. Raises: NotebookError, OSError."""
    if code == 0:
        return
    if code == REFUSED and said:
        raise NotebookError(said)
    if code == NO_MEMORY:
        raise NotebookError(TOO_MUCH[verb])
    if code == NO_ROOM and said.isdecimal():
        raise OSError(int(said), os.strerror(int(said)))
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise NotebookError(TOO_LONG[verb])
    log.error("the process that was to %s a notebook ended with exit code %d: %s", verb, code, said)
    raise NotebookError(FAILED[verb])
