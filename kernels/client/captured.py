"""A captured file that lies in a node's workspace: opened there on the same machine, else fetched."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

import aiohttp

from kernels.workspace.captured import CapturedFile, FileChanged

__all__ = ["RemoteFile"]

IN_MEMORY = 1 << 20  # bytes; a larger file is on disk while it is read
CHUNK = 1 << 18  # bytes
CHANGED = (404, 410)  # HTTP: the node no longer has it, or it has changed


@dataclass(frozen=True)
class RemoteFile:
    """kernels.workspace.Captured. `get` requests its bytes; `here` is the file, if it is on this machine."""

    name: str
    size: int
    mtime: float
    get: Callable[..., AbstractAsyncContextManager[aiohttp.ClientResponse]] = field(repr=False)
    here: CapturedFile | None = field(default=None, repr=False)
    is_output: bool = False

    @asynccontextmanager
    async def content(self, latest: int | None = None) -> AsyncIterator[BinaryIO]:
        async with AsyncExitStack() as stack:
            try:
                file = await stack.enter_async_context(self._here(latest))
            except FileChanged:  # or not found: the node, which may see another disk, knows
                file = await stack.enter_async_context(self._fetched(latest))
            yield file

    def _here(self, latest: int | None) -> AbstractAsyncContextManager[BinaryIO]:
        if self.here is None:
            raise FileChanged(self.name)
        return self.here.content(latest)

    @asynccontextmanager
    async def _fetched(self, latest: int | None) -> AsyncIterator[BinaryIO]:
        in_memory = (self.size if latest is None else latest) <= IN_MEMORY
        query = {} if latest is None else {"latest": str(latest)}
        with BytesIO() if in_memory else tempfile.TemporaryFile() as file:
            try:
                async with self.get(params=query) as response:
                    if response.status in CHANGED:
                        raise FileChanged(self.name)
                    response.raise_for_status()
                    async for chunk in response.content.iter_chunked(CHUNK):
                        file.write(chunk)
            except aiohttp.ClientPayloadError:  # it changed while it was sent
                raise FileChanged(self.name) from None
            except aiohttp.ClientError as error:
                raise OSError(str(error)) from error
            file.seek(0)
            yield file
