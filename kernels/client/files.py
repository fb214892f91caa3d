"""A captured file that lies in a node's workspace: opened there on the same machine, else fetched."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

import aiohttp

from kernels.capture import CapturedFile, FileChanged

__all__ = ["RemoteFile"]

IN_MEMORY = 1 << 20  # bytes; a larger file is on disk while it is read
CHUNK = 1 << 18  # bytes
CHANGED = (404, 410)  # HTTP: the node has it no more, or it is another by now


@dataclass(frozen=True)
class RemoteFile:
    """kernels.capture.Captured; `get` begins the request for its bytes, `here` is it on this machine."""

    name: str
    size: int
    mtime: float
    get: Callable[[], AbstractAsyncContextManager[aiohttp.ClientResponse]] = field(repr=False)
    here: CapturedFile | None = field(default=None, repr=False)
    is_output: bool = False

    @asynccontextmanager
    async def content(self) -> AsyncIterator[BinaryIO]:
        """The file's bytes from the start, to be entered. Raises: FileChanged, OSError, KernelError."""
        opened = await self._opened()
        if opened is None:
            async with self._fetched() as fetched:
                yield fetched
        else:
            with opened:
                yield opened

    async def _opened(self) -> BinaryIO | None:
        """The file itself; None where it cannot be had: the node, which may see another disk, can tell."""
        if self.here is not None:
            with suppress(FileChanged):
                return await self.here.opened()
        return None

    @asynccontextmanager
    async def _fetched(self) -> AsyncIterator[BinaryIO]:
        with BytesIO() if self.size <= IN_MEMORY else tempfile.TemporaryFile() as file:
            try:
                async with self.get() as response:
                    if response.status in CHANGED:
                        raise FileChanged(self.name)
                    response.raise_for_status()
                    async for chunk in response.content.iter_chunked(CHUNK):
                        file.write(chunk)
            except aiohttp.ClientPayloadError:  # it has shrunk while it was sent
                raise FileChanged(self.name) from None
            except aiohttp.ClientError as error:
                raise OSError(str(error)) from error
            file.seek(0)
            yield file
