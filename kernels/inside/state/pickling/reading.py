"""Reads what `writing` has written, item by item.

    for name, value in read(stream, entries, marks, buffers, namespace, lose): ...

An item is read by the quick unpickler in C. If anything in it cannot be made, it is read once more by one in
Python that puts a placeholder in the place of each value that fails, and the next item is read quickly again.
"""

import functools
import pickle
import pickletools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..placeholder import Placeholder
from . import arrays, reasons
from .marks import ReadNans, find, marks
from .reduction import is_ours
from .tolerance import TolerantUnpickler, Unmendable
from .writing import Entry, item_mark

__all__ = ["read"]

PATIENCE = (
    20  # items that fail; after them the unpickler in Python goes on, so that no memo is copied any more
)
PROTO, NONE, STOP, POP, PERSISTENT, MEMOIZE = b"\x80\x05", b"N", b".", b"0", b"Q", b"\x94"


def read(
    stream: memoryview,
    entries: Sequence[Entry],
    marked: Sequence[str],
    buffers: Sequence[bytearray],
    namespace: dict[str, Any],
    lose: Callable[[str, str], None],
) -> Iterator[tuple[str, object]]:
    """The items that have a name. `lose` is told the name of an item and what in it could not be made."""
    here = marks(namespace)
    reading = _Reading(stream, buffers, [find(mark, here) for mark in marked], lose)
    for number, entry in enumerate(entries):
        value = reading.item(number, entry)
        if entry[0]:
            yield entry[0], value


class _Reading:
    def __init__(
        self,
        stream: memoryview,
        buffers: Sequence[bytearray],
        known: list[Any],
        lose: Callable[[str, str], None],
    ) -> None:
        self._source, self._buffers = _Source(stream), _Buffers(buffers)
        self._start = self._first_buffer = self._failed = 0
        self._nans = ReadNans()
        self._told = functools.cache(lose)  # once for each item and what
        self._damaged = ""  # why no further item can be read
        self._memo: dict[int, Any] | None = None  # once the quick unpickler is not used any more
        self._unpickler: Any = self._quick(known)

    def item(self, number: int, entry: Entry) -> object:
        """The next item's value."""
        name, size, buffers = entry
        if self._damaged:
            if name:
                self._told(name, self._damaged)
            return Placeholder(self._damaged, name)
        try:
            if self._memo is not None:
                raise pickle.UnpicklingError("too much has failed")
            self._rewind()
            _, value = self._unpickler.load()
        except BaseException as error:  # whatever the code of a value raises
            arrays.copied.clear()
            if is_ours(error):
                raise
            value = self._tolerantly(number, entry)
        for buffer in arrays.copied:
            if type(buffer) is bytearray:
                with suppress(BufferError):
                    buffer.clear()  # it was copied, and would take twice the memory
        arrays.copied.clear()
        self._start += size
        self._first_buffer += buffers
        return value

    def _rewind(self) -> None:
        self._source.place, self._buffers.place = self._start, self._first_buffer

    def _tolerantly(self, number: int, entry: Entry) -> object:
        """The item with placeholders for what fails in it."""
        name, size, _ = entry
        memo = self._memo
        if memo is None:
            known, mark = self._unpickler.memo.copy(), item_mark(number)
            first = next((place for place in sorted(known) if _is_mark(known[place], mark)), len(known))
            memo = {place: known[place] for place in range(first)}
        first = len(memo)
        for patient in (True, False):
            tolerant = TolerantUnpickler(self._source, self._buffers, memo, name, patient=patient)
            tolerant.persistent_load = self._nans.made
            self._rewind()
            try:
                _, value = tolerant.load()
                break
            except BaseException as error:  # whatever the code of a value raises
                if is_ours(error):
                    raise
                what = str(error) if isinstance(error, Unmendable) else reasons.broken("a value", error)
            while len(memo) > first:
                memo.popitem()
        else:
            value, tolerant.lost = Placeholder(what, name), [what]
            item = bytes(self._source.data[self._start : self._start + size])
            self._fill(memo, item, first, value)
        for what in tolerant.lost:
            self._told(name, what)
        self._failed += 1
        if self._failed > PATIENCE:
            self._memo = memo
        else:
            self._unpickler = self._quick(list(memo.values()))
        return value

    def _fill(self, memo: dict[int, Any], item: bytes, first: int, value: Placeholder) -> None:
        """Let a placeholder stand for all that an item would have put into the memo."""
        try:
            count = sum(operation.name == "MEMOIZE" for operation, _, _ in pickletools.genops(item))
        except Exception:  # noqa: BLE001  whatever damaged bytes lead to; nobody knows what comes where
            self._damaged = value.what
        else:
            memo.update((place, value) for place in range(first, first + count))

    def _quick(self, known: list[Any]) -> pickle.Unpickler:
        """An unpickler whose memo begins with what is known.

        Its memo cannot be set otherwise: setting it to a dict has no effect in C.
        """
        unpickler = _QuickUnpickler(self._source, buffers=self._buffers)
        unpickler.known, unpickler.nan = known, self._nans.made
        operations = [
            b"J" + place.to_bytes(4, "little") + PERSISTENT + MEMOIZE + POP for place in range(len(known))
        ]
        data, place = self._source.data, self._source.place
        self._source.data, self._source.place = memoryview(b"".join((PROTO, *operations, NONE, STOP))), 0
        unpickler.load()
        self._source.data, self._source.place = data, place
        return unpickler


def _is_mark(value: object, mark: str) -> bool:
    return type(value) is str and value == mark


class _QuickUnpickler(pickle.Unpickler):
    known: list[Any]
    nan: Callable[[int], float]

    def persistent_load(self, place: int) -> Any:
        """What the memo had at a place, or a float that is not a number by its name."""
        return self.known[place] if 0 <= place < len(self.known) else self.nan(place)


class _Source:
    """Bytes to read, as from a file, from any place."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.place = data, 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        found = bytes(self.data[self.place : self.place + size])
        self.place += len(found)
        return found

    def readinto(self, target: Any) -> int:
        """Fill a buffer with the next bytes."""
        piece = self.data[self.place : self.place + len(target)]
        target[: len(piece)] = piece
        self.place += len(piece)
        return len(piece)

    def readline(self) -> bytes:
        """The next line, which only older formats have."""
        raise pickle.UnpicklingError("a state has no lines")


class _Buffers:
    """The buffers one after another, from any place."""

    def __init__(self, buffers: Sequence[bytearray]) -> None:
        self._buffers, self.place = buffers, 0

    def __iter__(self) -> "_Buffers":
        return self

    def __next__(self) -> bytearray:
        if self.place >= len(self._buffers):
            raise StopIteration
        self.place += 1
        return self._buffers[self.place - 1]
