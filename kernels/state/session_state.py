"""The saves of one session on disk.

    with state.writing() as writing:           # the session is ours until this ends
        for index in state.missing(buffers): writing.add(chunk, data)
        writing.commit(cell, buffers, meta)    # on the disk once this returns
    manifest = state.newest()
    for data in state.read(manifest, 0): ...

    <folder>/<session>/chunks/<digest>         a chunk, which any of the saves may name
    <folder>/<session>/saves/000000000012.json a manifest; it comes last, and makes the save
    <folder>/<session>/pins.json               which saves are kept, by name
    <folder>/<session>/unfinished/             is there while a save is written

Whatever ends the program, the newest save or the one before is whole; what is left over goes with the next
save, or when the store is tidied. A lock on a file in the session's folder keeps programs and threads apart.
"""

import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from time import monotonic, sleep

from kernels.state import chunks
from kernels.state.errors import OtherFormat, StateBusy, StateDamaged, StateError
from kernels.state.index import SAVES, Index, manifest_path, mark_of, numbers, read_manifest
from kernels.state.locking import acquired, lock_file
from kernels.state.manifest import Buffers, Manifest, distinct
from kernels.state.past.pins import read_pins, write_pins
from kernels.state.quota import Quotas
from kernels.state.writing import Writing
from kernels.workspace.folder import Workspace
from kernels.workspace.safe_open import FOLDER

__all__ = ["ASIDE", "SessionState"]

log = logging.getLogger(__name__)

ASIDE = ".forgotten-"  # begins the name of a session's folder that is being deleted; no session's does
SET_APART = 16  # one part of so many
PATIENCE = 5.0  # seconds that a session in use is waited for
AGAIN = 0.01  # seconds between two tries


class SessionState:
    """The saves of one session. `StateStore.session` makes it, the same one for all who ask."""

    def __init__(
        self,
        path: Path,
        *,
        quotas: Quotas,
        history: int,
        thin: Callable[[str], None],
    ) -> None:
        self.session_id = path.name
        self._path = path
        self._quotas = quotas
        self._history = history
        self._thin = thin
        self._index: Index | None = None
        self._suspects: set[str] = set()  # chunks whose bytes were found to be damaged
        self._told: set[int] = set()  # saves that cannot be used, of which the log tells already
        self._writing: Writing | None = None
        self._guard = threading.Lock()  # of `_writing`, while somebody uses it

    def room(self) -> int:
        """How many bytes the chunks of the next save may have, those that are here already included.

        A sixteenth is set apart for what the files of buffers from 64 KiB on take beside these bytes.
        Raises: OSError.
        """
        room = self._quotas.room(self.session_id)
        return room - room // SET_APART

    def newest(self, before: int | None = None) -> Manifest | None:
        """The newest save that is whole, or the newest of those whose number is below `before`.

        Raises: StateBusy, OSError.
        """
        with suppress(FileNotFoundError), self._shared() as here:
            for number in reversed(numbers(here)):
                if before is None or number < before:
                    try:
                        manifest, _ = read_manifest(here, number)
                        self._check(here, manifest)
                    except (StateError, FileNotFoundError) as error:
                        self._tell(number, error)
                    else:
                        return manifest
        return None

    def saves(self) -> list[Manifest]:
        """All saves that are whole, oldest first. Raises: StateBusy, OSError."""
        return self._whole(None)

    def numbered(self, *wanted: int) -> list[Manifest]:
        """Those of these saves that are whole, oldest first: each has up to a megabyte to be read.

        Raises: StateBusy, OSError.
        """
        return self._whole(wanted)

    def _whole(self, wanted: Collection[int] | None) -> list[Manifest]:
        found = []
        with suppress(FileNotFoundError), self._shared() as here:
            for number in numbers(here):
                if wanted is None or number in wanted:
                    with suppress(StateError, FileNotFoundError):
                        manifest, _ = read_manifest(here, number)
                        self._check(here, manifest)
                        found.append(manifest)
        return found

    def pins(self) -> dict[str, int]:
        """The numbers of the pinned saves that are there, by name. Raises: StateBusy, OSError."""
        with suppress(FileNotFoundError), self._shared() as here:
            there = set(numbers(here))
            return {name: number for name, number in read_pins(here).items() if number in there}
        return {}

    def pin(self, name: str, number: int | None) -> None:
        """Keep a save under a name, whatever comes after it, or (None) no longer.

        Raises: StateFull, StateBusy, OSError.
        """
        with suppress(FileNotFoundError), self._locked(fcntl.LOCK_EX) as here:
            pins = read_pins(here)
            pins.pop(name, None)
            if number is not None:
                pins[name] = number
            write_pins(here, pins)
            self._limit_history(here)

    def missing(self, buffers: Buffers) -> list[int]:
        """Which chunks are not here: their places in the list of all distinct ones, as first named.

        Raises:
            StateDamaged: a chunk is named with two sizes.
            StateFull: a save of these chunks would not fit.
            StateBusy, OSError.
        """
        sizes = distinct(buffers)
        self._quotas.check(self.session_id, sum(map(chunks.on_disk, sizes.values())))
        with suppress(FileNotFoundError), self._shared() as here:
            named = self._indexed(here).named
            return [
                place
                for place, (digest, size) in enumerate(sizes.items())
                if digest not in named or digest in self._suspects or not chunks.is_there(here, digest, size)
            ]
        return list(range(len(sizes)))

    def read(self, manifest: Manifest, index: int | None = None) -> Iterator[bytes]:
        """The bytes of a buffer, or of all of them, a chunk at a time.

        Raises:
            StateDamaged: a chunk is gone, or is not what was saved. `newest` skips such a save from now on.
            StateBusy, OSError.
        """
        try:
            with self._locked(fcntl.LOCK_SH) as here:
                wanted = chain(*manifest.buffers) if index is None else manifest.buffers[index]
                for chunk in wanted:
                    try:
                        data = chunks.read(here, chunk)
                    except StateDamaged:
                        self._suspects.add(chunk.digest)
                        raise
                    yield data
        except FileNotFoundError as error:
            raise StateDamaged("the save is gone") from error

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Begin a save; unless it is committed, nothing of it stays.

        Raises:
            StateFull: the disk is full or read-only.
            StateBusy, OSError.
        """
        with ExitStack() as stack:
            with chunks.full_device():
                here = stack.enter_context(self._locked(fcntl.LOCK_EX, create=True))
                self._begin(here)
            writing = Writing(
                here,
                self.session_id,
                index=self._indexed(here),
                suspects=self._suspects,
                quotas=self._quotas,
                still_here=lambda: self._is(here),
            )
            with self._guard:
                self._writing = writing
            try:
                yield writing
                if writing.committed:
                    self._limit_history(here)
            finally:
                with self._guard:
                    self._writing = None
                writing.end()
                with suppress(OSError):
                    os.rmdir(chunks.UNFINISHED, dir_fd=here)
        if writing.committed:
            self._thin(self.session_id)

    def throw_away(self, number: int) -> bool:
        """Delete a save that is not the newest; returns whether it is gone, which fails if it is in use.

        Raises: OSError.
        """
        try:
            with self._locked(fcntl.LOCK_EX, patience=0) as here:
                index, pinned = self._indexed(here), read_pins(here).values()
                if number in index.saves and number != index.newest:
                    self._remove(here, index, number)
                self._quotas.put(self.session_id, self._indexed(here).held(pinned))
        except FileNotFoundError:
            self._quotas.forget(self.session_id)
        except StateBusy:
            return False
        return True

    def forget(self) -> None:
        """Delete all saves, also one that is being written.

        They have no name any more once this returns or raises; what cannot be deleted is tried again when the
        store is tidied. Raises: OSError.
        """
        aside = self._path.with_name(f"{ASIDE}{secrets.token_hex(8)}")
        with suppress(FileNotFoundError):
            os.rename(self._path, aside)
        self._index = None
        self._suspects.clear()
        self._told.clear()
        self._quotas.forget(self.session_id)
        chunks.sync_folder(str(self._path.parent))
        Workspace(aside).remove()

    def tidy(self, oldest: datetime, tidied: object) -> object:
        """Delete what is left over, or everything if the newest save is older than `oldest`.

        It returns a mark; with that as `tidied` the next time, it does nothing unless something has changed.
        Raises: StateBusy if it is being used, OSError.
        """
        with self._locked(fcntl.LOCK_EX, patience=0) as here:
            if _newest_at(here) < oldest:
                self.forget()
                return None
            if tidied is None or tidied != mark_of(here) or chunks.UNFINISHED in os.listdir(here):
                self._index = None
                self._clean(here)
                self._quotas.put(self.session_id, self._indexed(here).held(read_pins(here).values()))
            return mark_of(here)

    def _begin(self, here: int) -> None:
        """Make the folders, and remove what a program that was killed has left."""
        for name in (chunks.CHUNKS, SAVES):
            chunks.make_folder(name, here)
        if chunks.UNFINISHED in os.listdir(here):
            self._index = None
            self._clean(here)
        chunks.make_folder(chunks.UNFINISHED, here)

    def _clean(self, here: int) -> None:
        """Remove unfinished files, and chunks that no save names."""
        for name in chunks.names_in(chunks.UNFINISHED, here):
            chunks.remove(here, f"{chunks.UNFINISHED}/{name}")
        with suppress(OSError):  # there is none, or it has something that is not ours
            os.rmdir(chunks.UNFINISHED, dir_fd=here)
        index = self._indexed(here)
        if not index.has_other_formats:
            for path in chunks.listed(here):
                digest = os.path.basename(path)
                if digest not in index.named:
                    chunks.remove(here, path)

    def _limit_history(self, here: int) -> None:
        """Keep only as many saves as the history may have."""
        try:
            pinned = read_pins(here).values()
            for number in self._indexed(here).too_many(self._history, pinned):
                self._remove(here, self._indexed(here), number)
            self._quotas.put(self.session_id, self._indexed(here).held(pinned))
        except OSError:  # the new save is there all the same
            log.exception("an old save of %s cannot be deleted", self.session_id)

    def _remove(self, here: int, index: Index, number: int) -> None:
        """Remove a save, and the chunks that it alone names."""
        manifest = None
        with suppress(StateError, FileNotFoundError):
            manifest, _ = read_manifest(here, number)
        foreign = index.has_other_formats
        with suppress(FileNotFoundError, IsADirectoryError):  # no such folder is ours
            os.unlink(manifest_path(number), dir_fd=here)
        freed = index.remove(number, manifest)
        if not foreign:
            for digest in freed:
                chunks.remove(here, chunks.path_of(digest))
                self._suspects.discard(digest)
            index.mark = mark_of(here)
        elif not index.has_other_formats:  # now every chunk's saves are known
            self._index = None
            self._clean(here)

    def _check(self, here: int, manifest: Manifest) -> None:
        """Raises: StateDamaged if a chunk of the save is not there, or is known to be damaged."""
        for digest, size in distinct(manifest.buffers).items():
            if digest in self._suspects or not chunks.is_there(here, digest, size):
                raise StateDamaged("a chunk of the save is gone or damaged")

    def _tell(self, number: int, error: Exception) -> None:
        if number not in self._told:
            self._told.add(number)
            kept = "; it is kept" if isinstance(error, OtherFormat) else ""
            log.warning("save %d of %s cannot be used: %s%s", number, self.session_id, error, kept)

    def _indexed(self, here: int) -> Index:
        """The index of the saves, made anew if another program has changed them."""
        if self._index is None or self._index.mark != mark_of(here):
            self._index = Index.of(here)
        return self._index

    @contextmanager
    def _shared(self) -> Iterator[int]:
        """The session's folder, to read; if a save is being written here, in the state before it."""
        with self._guard:
            if self._writing is not None:
                yield self._writing.here
                return
        with self._locked(fcntl.LOCK_SH) as here:
            yield here

    @contextmanager
    def _locked(self, kind: int, *, create: bool = False, patience: float | None = None) -> Iterator[int]:
        """The session's folder, locked.

        Raises:
            FileNotFoundError: it is not there; with `create` it is made.
            StateBusy: it is in use, and was so for too long.
            OSError: a link or a file has its name, or the disk refuses.
        """
        until = monotonic() + (PATIENCE if patience is None else patience)
        with ExitStack() as stack:
            while True:
                here = self._opened(create=create)
                closing = stack.enter_context(ExitStack())
                closing.callback(os.close, here)
                lock = lock_file(here)
                closing.callback(os.close, lock)
                while not acquired(lock, kind):
                    if monotonic() >= until:
                        raise StateBusy(self.session_id)
                    sleep(AGAIN)
                if self._is(here):
                    break
                closing.close()  # it was set aside while we waited
            yield here

    def _opened(self, *, create: bool) -> int:
        if create:
            with suppress(FileExistsError):
                os.mkdir(self._path, 0o700)
        return os.open(self._path, FOLDER)

    def _is(self, here: int) -> bool:
        """Whether this folder still has the session's name."""
        try:
            return os.path.samestat(os.fstat(here), os.stat(self._path, follow_symlinks=False))
        except FileNotFoundError:
            return False


def _newest_at(here: int) -> datetime:
    """When the newest save was written; the beginning of time if there is none."""
    for number in reversed(numbers(here)):
        with suppress(FileNotFoundError):
            try:
                return read_manifest(here, number)[0].saved_at
            except StateError:
                status = os.stat(manifest_path(number), dir_fd=here, follow_symlinks=False)
                return datetime.fromtimestamp(status.st_mtime, UTC)
    return datetime.min.replace(tzinfo=UTC)
