"""Kernelcord's side of a comparison: kernels without a bot, and the whole bot without a front.

async with kernels(ground) as pool:
    await run(pool.kernel("one", NO_FILES), "1+1")
async with bot(ground) as sessions: ...
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.ground import Ground
from bot.compose import compose
from bot.sessions import Sessions
from config.settings import load
from kernels.broker import FileRow, FileSource, FileUnavailable, Opened
from kernels.client import RemoteNode
from kernels.interface import PersonKernel
from kernels.limits import Limits
from kernels.pool import Pool

__all__ = ["NO_FILES", "bot", "kernels", "run"]

SIZE = 128  # kernels at a time, more than any benchmark has
FILES = 128  # files captured per cell


class _NoFiles:
    """A kernels.broker.FileSource for somebody without files."""

    async def open(self, wanted: str) -> Opened:
        raise FileUnavailable.absent(wanted)

    async def place(self, wanted: str) -> str:
        raise FileUnavailable.absent(wanted)

    async def list(self) -> Sequence[FileRow]:
        return ()


NO_FILES: FileSource = _NoFiles()


@asynccontextmanager
async def kernels(ground: Ground, name: str = "workspaces", **more: Any) -> AsyncIterator[Pool]:
    """A pool whose workspaces are in this folder of the ground's; `more` is for the pool."""
    places: dict[str, Any] = {"python": ground.python, "workspaces": ground.folder / name}
    async with Pool(**places | {"limits": Limits(), "size": SIZE, "idle": None} | more) as pool:
        yield pool


@asynccontextmanager
async def bot(ground: Ground, node: str = "auto", **more: object) -> AsyncIterator[Sessions]:
    """The bot on an SQLite store in the ground's folder, with a large quota; `node` is the setting NODE.

    `more` are settings that override the ones here.
    """
    usual: dict[str, object] = {
        "max_kernels": SIZE,
        "max_files": FILES,
        "quota": "1TiB",
        "quota_files": 1_000_000,
        "node_idle": "10s",
    }
    settings = load(
        data=ground.folder / "data",
        kernel_python=ground.python,
        mongodb_uri=None,
        node=node,
        **usual | more,
    )
    async with compose(settings) as sessions:
        yield sessions
        if isinstance(sessions.pool, RemoteNode):
            await sessions.pool.end()  # otherwise the kernels would go on running


async def run(kernel: PersonKernel, code: str, *, tag: int = 0) -> None:
    """Run a cell, with this number, to its end. Raises: RuntimeError if it fails."""
    async with kernel.run(code, tag=tag, allow_input=False) as cell:
        async for _ in cell:
            pass
    if cell.result.status != "ok":
        raise RuntimeError(cell.result.output or cell.result.status)
