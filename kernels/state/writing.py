"""One save while it is written: new chunks as they come, then the manifest that makes them a save."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from kernels.state import chunks
from kernels.state.errors import StateDamaged, StateFull, StateGone
from kernels.state.index import SAVES, Index, manifest_path, mark_of
from kernels.state.manifest import Buffers, Chunk, Manifest, Meta, distinct, matches
from kernels.state.past.pins import read_pins
from kernels.state.quota import Quotas
from kernels.workspace.copies.listing import FileState

__all__ = ["Writing"]

SHARE = 2  # of what the disk has left when a save begins, it may take one part of so many
NEW = f"{chunks.UNFINISHED}/manifest"


@dataclass(slots=True)
class Writing:
    """A save of the session whose folder is `here`. `SessionState.writing` makes it, and ends it."""

    here: int
    session_id: str
    index: Index
    suspects: set[str]  # chunks that are here but damaged
    quotas: Quotas
    still_here: Callable[[], bool]  # whether the session has not been forgotten
    committed: bool = False
    _incoming: chunks.Incoming = field(init=False)
    _buffers: chunks.SpareBuffers = field(init=False, default_factory=chunks.SpareBuffers)
    _room: int = field(init=False)  # bytes on disk that may still be added, of what the session may have
    _free: int = field(init=False)  # and of what the disk has left

    def __post_init__(self) -> None:
        self._incoming = chunks.Incoming(self.here)
        self._room = self.quotas.room(self.session_id)
        disk = os.fstatvfs(self.here)
        self._free = disk.f_bavail * disk.f_frsize // SHARE

    def receive(self, chunk: Chunk, fill: Callable[[memoryview], object]) -> None:
        """Add a chunk whose bytes `fill` puts into the given memory. Raises: as `add` and `fill`."""
        memory = self._buffers.take()
        data = memoryview(memory)[: chunk.size]
        done = partial(self._buffers.give_back, memory)
        try:
            fill(data)
            wanted = self._wants(chunk, data)
        except BaseException:  # whatever it is, another chunk may have the memory
            done()
            raise
        if wanted:
            self._add(chunk, data, done)
        else:
            done()

    def add(self, chunk: Chunk, data: bytes) -> None:
        """Add a chunk, unless it is here already. An error of the disk may show as late as in `commit`.

        Raises:
            StateDamaged: these are not its bytes.
            StateFull: there is no room for it.
            StateGone: the session was forgotten meanwhile.
            OSError.
        """
        if self._wants(chunk, data):
            self._add(chunk, data, lambda: None)

    def _wants(self, chunk: Chunk, data: bytes | memoryview) -> bool:
        """Whether a chunk is new; its room is taken then."""
        if not matches(chunk, data):
            raise StateDamaged("a chunk has other bytes than its digest or size says")
        if chunk.digest in self._incoming or self._is_here(*chunk):
            return False
        size = chunks.on_disk(chunk.size)
        self._room, self._free = self._room - size, self._free - size
        if self._room < 0:
            raise StateFull("quota", "more chunks were sent than there is room for")
        if self._free < 0:
            raise StateFull("device", "the disk is nearly full")
        return True

    def _add(self, chunk: Chunk, data: bytes | memoryview, done: chunks.Done) -> None:
        with self._writes():
            self._incoming.add(chunk, data, done)

    def commit(
        self,
        cell: int,
        buffers: Buffers,
        meta: Meta,
        *,
        files: Iterable[FileState] = (),
        copy_of: int = 0,
    ) -> Manifest:
        """Make a save of these chunks; it is on the disk once this returns.

        Raises:
            StateDamaged: a chunk is neither here nor was it added, or is named with two sizes.
            StateFull: the save does not fit.
            StateGone: the session was forgotten meanwhile.
            OSError.
        """
        sizes = distinct(buffers)
        number = self.index.newest + 1
        manifest = Manifest.new(number, cell, buffers, meta, files=files, copy_of=copy_of)
        content = manifest.to_bytes()
        needed = sum(map(chunks.on_disk, [*sizes.values(), len(content)]))
        with self.quotas.claimed(self.session_id, needed), self._writes():
            self._incoming.settle(NEW, content)
            for digest, size in sizes.items():
                if digest not in self._incoming and not self._is_here(digest, size):
                    raise StateDamaged("a chunk of the save was not sent")
            pinned = read_pins(self.here).values()  # which may fail: it is no save until it is published
            self._publish(manifest)
            self.quotas.put(self.session_id, self.index.held(pinned))
        if not self.still_here():
            self.quotas.forget(self.session_id)
            raise StateGone(self.session_id)
        self.suspects -= self._incoming.placed
        self.committed = True
        return manifest

    def end(self) -> None:
        """Remove what was added and no save names."""
        if not self.committed:
            with suppress(OSError):
                os.unlink(NEW, dir_fd=self.here)
        self._incoming.discard(self.index.named)

    @contextmanager
    def _writes(self) -> Iterator[None]:
        try:
            with chunks.full_device():
                yield
        except FileNotFoundError as error:  # the folders are being deleted
            if self.still_here():
                raise
            raise StateGone(self.session_id) from error

    def _is_here(self, digest: str, size: int) -> bool:
        return (
            digest in self.index.named
            and digest not in self.suspects
            and chunks.is_there(self.here, digest, size)
        )

    def _publish(self, manifest: Manifest) -> None:
        """Give the manifest its name, and count the save."""
        if not self.index.saves:  # the folders may be new
            chunks.sync_folder(".", self.here)
            chunks.sync_folder("..", self.here)
        name = manifest_path(manifest.number)
        try:
            os.rename(NEW, name, src_dir_fd=self.here, dst_dir_fd=self.here)
            chunks.sync_folder(SAVES, self.here)
            status, mark = os.stat(name, dir_fd=self.here), mark_of(self.here)
        except BaseException:  # whatever it is, the save must not be there although this raises
            with suppress(OSError):
                os.unlink(name, dir_fd=self.here)
            raise
        self.index.add(manifest, status)
        self.index.mark = mark
