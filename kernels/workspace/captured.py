"""What a scan reports: captured files, whose bytes can be read, and what was skipped, and why."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self, runtime_checkable

from kernels.concurrency.threads import in_thread
from kernels.workspace.databases import SQLITE, is_being_written
from kernels.workspace.mapped_writes import make_clean
from kernels.workspace.safe_open import folder, open_path


class FileChanged(Exception):
    """A captured file has changed since or is gone; if it is still there, the next scan reports it again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was changed or removed after it was captured")


class Stamp(NamedTuple):
    """What distinguishes one state of a file from the next without reading it. Code cannot set the ctime."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The stamp within a `stat` result."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@runtime_checkable  # msgspec checks what `kernels.node.encoding` makes of a file in a message
class Captured(Protocol):
    """A new or changed file of a workspace, wherever the workspace is.

    It has no hash: the program that copies its bytes hashes the copy, and so reads them only once.
    """

    @property
    def name(self) -> str:
        """Its path in the workspace, as text that can be shown."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def mtime(self) -> float:
        """In seconds since 1970."""

    @property
    def is_output(self) -> bool:
        """Whether it is no file of the workspace but a cell's printed output (`kernels.cell.overflow`)."""

    def content(self, latest: int | None = None) -> AbstractAsyncContextManager[BinaryIO]:
        """A context with the file's bytes from the start.

        Only if the block is left without FileChanged is what was read a single state of the file. With
        `latest` the file is read as it is now rather than as it was captured, if it has at most so many
        bytes.

        Raises: FileChanged, also when the block is left.
        """


@dataclass(frozen=True)
class CapturedFile:
    """A `Captured` of a workspace on this machine."""

    name: str
    size: int
    mtime: float
    workspace: Path = field(repr=False)
    path: str = field(repr=False)  # in the workspace, as the file system has it (surrogateescape)
    stamp: Stamp = field(repr=False)

    @property
    def is_output(self) -> bool:
        """As a node reports it: such a file is in no workspace, so it has no path there."""
        return not self.path

    def open(self) -> BinaryIO:
        """The file's bytes from the start; read at most `size` of them, since the file may grow meanwhile.

        Raises:
            FileChanged: it is no longer the same file in the same state.
        """
        try:
            with folder(self.workspace) as top:
                descriptor = open_path(self.path, top)
        except OSError:
            raise FileChanged(self.name) from None
        if Stamp.of(os.fstat(descriptor)) != self.stamp:
            os.close(descriptor)
            raise FileChanged(self.name)
        return os.fdopen(descriptor, "rb")

    def check(self, file: BinaryIO) -> None:
        """Make sure that what was read of `file`, which `open` returned, is a single state of it.

        Writing sets the ctime. Besides, a database can be half written for a while, if SQLite's cache was
        full in the middle of a transaction. Its journal is looked at first: if a transaction ends between the
        two looks, it has written to the database, which the second look finds.

        Raises:
            FileChanged: it was written to since it was captured, or is still being written.
        """
        if os.pread(file.fileno(), len(SQLITE), 0) == SQLITE:
            with suppress(OSError), folder(self.workspace) as top:
                if is_being_written(self.path, top):
                    raise FileChanged(self.name)
        if Stamp.of(os.fstat(file.fileno())) != self.stamp:
            raise FileChanged(self.name)

    def renewed(self, limit: int) -> "CapturedFile":
        """The file as it is now, if it has at most `limit` bytes. Raises: FileChanged."""
        try:
            with folder(self.workspace) as top:
                descriptor = open_path(self.path, top)
                try:
                    make_clean(descriptor)  # or later writes through a memory map would not set its times
                    status = os.fstat(descriptor)
                finally:
                    os.close(descriptor)
        except OSError:
            raise FileChanged(self.name) from None
        if status.st_size > limit:
            raise FileChanged(self.name)
        return replace(self, size=status.st_size, mtime=status.st_mtime, stamp=Stamp.of(status))

    @asynccontextmanager
    async def content(self, latest: int | None = None) -> AsyncIterator[BinaryIO]:
        """As `open`, but in a thread; checked and closed when the block is left.

        Raises: FileChanged, OSError.
        """
        now = self if latest is None else await in_thread(self.renewed, latest)
        with await now.opened() as file:
            yield file
            await in_thread(now.check, file)

    async def opened(self) -> BinaryIO:
        """As `open`, in a thread, since code in the workspace can hold the locks of its folders for seconds.

        Raises: FileChanged, OSError.
        """
        opening = asyncio.ensure_future(in_thread(self.open))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise


def _close(opening: asyncio.Future[BinaryIO]) -> None:
    """Close a file that nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


@dataclass(frozen=True)
class Skipped:
    """Something in the workspace that was not captured; `name: reason` reads as a line for a person."""

    name: str
    reason: str


@dataclass(frozen=True)
class Scan:
    """What is new since the last scan; `unrested` if something was left out, as it is being written."""

    captured: tuple[Captured, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    unrested: bool = False
