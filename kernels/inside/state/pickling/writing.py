"""Writes items to one stream, a pickle for each, with one memo for all: what two share, they share again.

Nothing that fails leaves anything behind. A value that cannot be reduced is replaced where it stands
(`reducers`). If pickling fails all the same, all that was written for the item is taken back, the memo too.
Then the item is written again: by a slow pickler without a limit of depth, without those of its parts that
fail by themselves, and in the end without its value.
"""

import pickle
from collections.abc import Callable
from typing import Any

from ..placeholder import Placeholder
from . import reasons
from .marks import WrittenNans, marks
from .picklers import DeepPickler, Nowhere, PickledBytes, QuickPickler
from .reducers import Reducers
from .reduction import is_ours

__all__ = ["LARGE", "Entry", "ItemWriter", "item_mark"]

LARGE = 64 * 1024  # bytes of a buffer that is kept outside of the stream
ROUNDS = 4  # how often parts that fail are looked for in one item
ALL_ROUNDS = 40  # and in all items together
LEVELS = 3  # how deep they are looked for
MANY_PARTS = 500  # of a container, in which they are looked for
MOST_LOST = 8  # kinds of values that are named for one item

type Entry = tuple[str, int, int]  # an item's name ("" if it only fills the memo), its size, its buffers
type Written = Callable[[Any], None]


class ItemWriter:
    """One stream that is being written."""

    def __init__(
        self, namespace: dict[str, Any], *, large: Callable[[memoryview], None], check: Callable[[], None]
    ) -> None:
        self.entries: list[Entry] = []
        self.kept: list[str] = []
        self.lost: dict[tuple[str, str], None] = {}  # the item and what, in their order
        self.stream = PickledBytes(self._check)
        self._ask, self._large = check, large
        self._refusal: BaseException | None = None  # what `check` has raised
        self._name, self._named = "", 0  # the item, and how many of its losses are named
        self._losing: list[tuple[object, str]] = []  # by what is being written
        self._buffers: list[memoryview] = []  # of what is being written
        self._missing: dict[int, str] = {}  # addresses of values that were replaced, and why
        self._rounds = 0
        self._nans = WrittenNans()
        self._names_nans = False  # only once there is one, since it takes time for each value
        self._reducers = Reducers(namespace, self._lose)
        self._pickler = QuickPickler(self.stream, self._keep_buffer)
        self._pickler.reduce, self._pickler.check = self._reducers.reduce, self._check
        here = marks(namespace)
        self._held: list[object] = [here]  # an address in the memo must not be used again
        first = {id(value): mark for mark, value in reversed(here.items())}
        self.marks = list(dict.fromkeys(first[id(value)] for value in here.values()))
        self._pickler.memo = {id(here[mark]): (place, here[mark]) for place, mark in enumerate(self.marks)}

    def close(self) -> None:
        """Let go of all values, which would live until garbage is collected: this refers to itself."""
        self._reducers.close()
        vars(self).clear()

    def add(self, name: str, value: object) -> None:
        """Write one item.

        Raises:
            BaseException: what `check` or `large` raises, and nothing else.
        """
        self._name, self._named = name, 0
        self._held.append(value)
        failure = self._written(name, value)
        rounds = 0
        while failure is not None and rounds < ROUNDS and self._rounds < ALL_ROUNDS:
            rounds, self._rounds = rounds + 1, self._rounds + 1
            failing = self._failing_parts(value)
            if not failing:
                break
            self._replace(failing)
            failure = self._written(name, value)
        if failure is not None:
            self._replace([(value, reasons.failed(value, failure))])
            failure = self._written(name, value)
        if failure is not None:
            self._told([(value, reasons.failed(value, failure))])
        elif (what := self._missing.get(id(value))) is not None:
            self._told([(value, what)])
        else:
            self.kept.append(name)

    def _written(self, name: str, value: object) -> str | None:
        """Write an item, in the quick way or the deep one. Returns why that failed."""
        failure = self._attempt(name, value, self._pickler.dump)
        return failure and self._attempt(name, value, self._deeply)

    def _attempt(self, name: str, value: object, write: Written) -> str | None:
        """Write an item whole. If that fails, leave nothing of it, and return why.

        Not the error, which would keep what was on its way alive.
        """
        start, mark = self.stream.tell(), item_mark(len(self.entries))
        self._losing, self._buffers = [], []
        try:
            write((mark, value))
            if self.stream.has_nan and not self._names_nans:
                self._names_nans = True
                self._pickler.persistent_id = self._nans.named  # type: ignore[method-assign]
                self._take_back(start, mark)
                self._losing, self._buffers = [], []
                write((mark, value))
        except BaseException as failure:  # whatever the code of a value raises
            if self._is_passed_on(failure):
                raise
            self._take_back(start, mark)
            return reasons.told(failure)
        self.entries.append((name, self.stream.tell() - start, len(self._buffers)))
        self._told(self._losing)
        for buffer in self._buffers:
            self._large(buffer)
        self._buffers = []
        return None

    def _take_back(self, start: int, mark: str) -> None:
        self.stream.cut(start)
        memo = self._pickler.memo.copy()
        if id(mark) in memo:
            first = memo[id(mark)][0]
            self._pickler.memo = {key: known for key, known in memo.items() if known[0] < first}

    def _deeply(self, item: Any) -> None:
        memo = self._pickler.memo.copy()
        reduce, named = self._reducers.reduce, self._nans.named
        DeepPickler(self.stream, self._keep_buffer, reduce, self._check, named, memo).dump(item)
        self._pickler.memo = memo

    def _failing_parts(self, value: object, level: int = 1) -> list[tuple[object, str]]:
        """Those parts of a value, or of its parts, that cannot be written, and why. Nothing is written."""
        memo = self._pickler.memo.copy()
        nowhere, reduce = Nowhere(self._check), self._reducers.reduce
        trial = DeepPickler(nowhere, _no_buffer, reduce, self._check, self._nans.named, memo)
        found = []
        for part in _parts(value):
            known = len(memo)
            try:
                trial.dump(part)
            except BaseException as failure:  # whatever the code of a value raises
                if self._is_passed_on(failure):
                    raise
                while len(memo) > known:
                    memo.popitem()
                deeper = self._failing_parts(part, level + 1) if level < LEVELS else []
                found += deeper or [(part, reasons.failed(part, reasons.told(failure)))]
        return found

    def _replace(self, values: list[tuple[object, str]]) -> None:
        """Let placeholders stand for the values from now on."""
        new = {id(value): (value, what) for value, what in values if id(value) not in self._missing}
        stand_ins = [(Placeholder(what, self._name), value) for value, what in new.values()]
        failure = self._attempt("", [each for each, _ in stand_ins], self._pickler.dump)
        if failure is not None:
            return
        memo = self._pickler.memo.copy()
        for stand_in, value in stand_ins:
            if id(value) not in memo:
                memo[id(value)] = memo.pop(id(stand_in))[0], value
        self._pickler.memo = memo
        self._held.append(stand_ins)
        self._told(list(new.values()))

    def _lose(self, value: object, what: str) -> str:
        self._losing.append((value, what))
        return self._name

    def _told(self, losses: list[tuple[object, str]]) -> None:
        """Name what was lost with an item that is written now."""
        for value, what in losses:
            self._missing[id(value)] = what
            self._held.append(value)
            if self._named < MOST_LOST and (self._name, what) not in self.lost:
                self.lost[self._name, what] = None
                self._named += 1

    def _keep_buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """Whether a buffer is written to the stream."""
        memory = buffer.raw()
        if memory.nbytes < LARGE:
            return True
        self._buffers.append(memory)
        return False

    def _check(self) -> None:
        try:
            self._ask()
        except BaseException as refusal:  # whatever ends the save is told from a value's own error
            self._refusal = refusal
            raise

    def _is_passed_on(self, error: BaseException) -> bool:
        return error is self._refusal or is_ours(error)


def item_mark(number: int) -> str:
    """What begins an item; its place in the memo is the first of the item's."""
    return f"\0item {number}"


def _no_buffer(_: pickle.PickleBuffer) -> bool:
    return False


def _parts(value: object) -> list[object]:
    """What a container or an instance holds."""
    if type(value) is dict:
        parts = list(value.values())
    elif type(value) in (list, tuple, set, frozenset):
        parts = list(value)  # type: ignore[call-overload]
    else:
        try:
            content = object.__getattribute__(value, "__dict__")
        except Exception:  # noqa: BLE001  the class can do anything there; most likely it has none
            content = None
        parts = list(content.values()) if type(content) is dict else []
    return parts[:MANY_PARTS]
