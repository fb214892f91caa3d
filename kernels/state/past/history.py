"""A session's saves as a way back: which there are, what files there were, and which are kept by name.

    history = SaveHistory(state, listing)
    history.note_beginning()            # in a fresh process, before its first cell
    history.saves()                     # [SavedCell(1, 0, ...), SavedCell(2, 7, ...)]
    manifest = history.find(2)          # or NoSuchSave
    history.repeat(manifest)            # from now on it is the newest
    history.checkpoint("before", manifest)

Everything here may wait for the disk. A save that only repeats an earlier one is not listed as long as that
one is there.
"""

from collections.abc import Iterable

from kernels.errors import CheckpointRefused, NoSuchSave
from kernels.state.journey import SavedCell
from kernels.state.manifest import Manifest, Meta
from kernels.state.past.pins import BEGINNING
from kernels.state.session_state import SessionState
from kernels.text.visible import one_line
from kernels.workspace.copies.listing import FileState, Listing

__all__ = ["SaveHistory", "saved_cell"]

MOST, LONGEST = 20, 40  # checkpoints of a session, and characters of their names
AT_FIRST = 64 << 20  # bytes of files that are read before the first cell, which waits for it


class SaveHistory:
    """See the module's text."""

    def __init__(self, state: SessionState, listing: Listing) -> None:
        self._state = state
        self._beginning: tuple[FileState, ...] | None = None
        self.listing = listing

    def note_beginning(self) -> None:
        """Note the files as they are before the first cell; they are saved with the first save."""
        self._beginning = tuple(self.listing.now(hashed=AT_FIRST).values())

    def files(self) -> Iterable[FileState]:
        """The files for a save that is being made. Raises: StateError, OSError."""
        files = self.listing.now().values()
        if self._beginning is not None:
            if BEGINNING not in self._state.pins():
                self._state.pin(BEGINNING, self._save_nothing(self._beginning).number)
            self._beginning = None
        return files

    def saves(self) -> list[SavedCell]:
        """The saves that are whole, oldest first. Raises: StateError, OSError."""
        first: dict[int, Manifest] = {}  # by the number of the save that is repeated
        for each in self._state.saves():
            original = each.copy_of or each.number
            if original not in first or first[original].copy_of:  # it is gone: the last copy stands for it
                first[original] = each
        return [saved_cell(first[original]) for original in sorted(first, key=lambda at: first[at].number)]

    def find(self, number: int) -> Manifest:
        """The save of this number; for 0, one with nothing in it. Raises: NoSuchSave, StateError, OSError."""
        wanted = self._state.pins().get(BEGINNING, 0) if number == 0 else number
        for found in self._state.numbered(wanted):
            return found
        if number:
            raise NoSuchSave
        return self._save_nothing(self.listing.now().values())

    def original(self, manifest: Manifest) -> int:
        """The number of a save, or of the one that it repeats. Raises: StateError, OSError."""
        return manifest.copy_of if self._state.numbered(manifest.copy_of) else manifest.number

    def repeat(self, manifest: Manifest) -> Manifest:
        """Make a save the newest one. Raises: StateError, OSError."""
        original = self.original(manifest)
        with self._state.writing() as writing:
            return writing.commit(
                manifest.cell, manifest.buffers, manifest.meta, files=manifest.files, copy_of=original
            )

    def checkpoint(self, name: str, manifest: Manifest) -> SavedCell:
        """Keep a save under a name. Raises: CheckpointRefused, StateError, OSError."""
        self.check_name(name)
        self._state.pin(name, self.original(manifest))
        return saved_cell(manifest)

    def check_name(self, name: str) -> None:
        """Raises: CheckpointRefused for a name that cannot be one, or is too many; StateError, OSError."""
        if not 1 <= len(name) <= LONGEST or one_line(name) != name or not name.strip():
            raise CheckpointRefused("name")
        if len({*self._state.pins(), name} - {BEGINNING}) > MOST:
            raise CheckpointRefused("many")

    def checkpoints(self) -> dict[str, SavedCell]:
        """The saves that are kept under a name, oldest first. Raises: StateError, OSError."""
        pins = sorted(self._state.pins().items(), key=lambda pin: pin[1])
        kept = self._state.numbered(*(number for name, number in pins if name != BEGINNING))
        saves = {each.number: saved_cell(each) for each in kept}
        return {name: saves[number] for name, number in pins if name != BEGINNING and number in saves}

    def forget_checkpoint(self, name: str) -> None:
        """Keep the save of this name no longer. Raises: StateError, OSError."""
        if name != BEGINNING:
            self._state.pin(name, None)

    def _save_nothing(self, files: Iterable[FileState]) -> Manifest:
        with self._state.writing() as writing:
            return writing.commit(0, (), Meta(), files=files)


def saved_cell(manifest: Manifest) -> SavedCell:
    """What is told of a save."""
    return SavedCell(manifest.number, manifest.cell, manifest.saved_at.timestamp())
