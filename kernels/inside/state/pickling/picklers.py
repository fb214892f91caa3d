"""Two picklers that write the same: a quick one, and one for values that are nested very deeply.

The quick one gives up at some 400 values within each other, like a linked list. What `memo` holds is the same
for both, by the address of a value: its place, and the value.
"""

import io
import pickle
import sys
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

from .marks import has_nan, is_nan
from .reduction import Reduction

__all__ = ["DeepPickler", "Memo", "Nowhere", "PickledBytes", "QuickPickler"]

PROTOCOL = 5
DEEP = 250_000  # frames of Python, of which a value within another takes some five
IN_PYTHON: Any = pickle._Pickler
BY_PICKLE = frozenset(IN_PYTHON.dispatch) - {FunctionType, type}

type Memo = dict[int, tuple[int, Any]]
type KeepBuffer = Callable[[pickle.PickleBuffer], bool]


class PickledBytes:
    """What is written, in memory; with each piece of 64 KiB it is asked whether to go on.

    `has_nan` is whether a float that is not a number may have been written.
    """

    has_nan = False

    def __init__(self, check: Callable[[], None]) -> None:
        self._check, self._data = check, io.BytesIO()

    def write(self, piece: Any) -> int:
        """Add bytes at the end."""
        self._check()
        self.has_nan = self.has_nan or has_nan(piece)
        return self._data.write(piece)

    def tell(self) -> int:
        """How many bytes there are."""
        return self._data.tell()

    def cut(self, size: int) -> None:
        """Remove all but the first bytes."""
        self._data.seek(size)
        self._data.truncate()

    def content(self) -> bytes:
        """All bytes."""
        return self._data.getvalue()


class Nowhere:
    """Takes what is written only to see whether it can be."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def write(self, piece: Any) -> int:
        """Take a piece."""
        self._check()
        return len(piece)


class QuickPickler(pickle.Pickler):
    """The pickler in C."""

    reduce: Callable[..., Reduction]
    check: Callable[[], None]

    def __init__(self, file: PickledBytes, keep_buffer: KeepBuffer) -> None:
        super().__init__(file, PROTOCOL, buffer_callback=keep_buffer)

    def reducer_override(self, value: object) -> Reduction:
        """Reduce any value but Python's own plain ones."""
        self.check()
        return self.reduce(value)


class DeepPickler(IN_PYTHON):  # type: ignore[misc]
    """The pickler in Python, which nests as deeply as there is memory for its frames."""

    def __init__(
        self,
        file: PickledBytes | Nowhere,
        keep_buffer: KeepBuffer,
        reduce: Callable[..., Reduction],
        check: Callable[[], None],
        named: Callable[[object], int | None],
        memo: Memo,
    ) -> None:
        """`named` says what is written in place of a float that is not a number."""
        super().__init__(file, PROTOCOL, buffer_callback=keep_buffer)
        self.memo = memo
        self._reduce, self._check, self._named = partial(reduce, deep=True), check, named

    def dump(self, value: object) -> None:
        """Write one pickle."""
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, DEEP))
        try:
            super().dump(value)
        finally:
            sys.setrecursionlimit(limit)

    def save(self, value: Any, _: bool = True) -> None:
        """Write one value; all calls on the way are between functions in Python, for which there is room."""
        self.framer.commit_frame()
        if (known := self.memo.get(id(value))) is not None:
            self.write(self.get(known[0]))
            return
        cls = type(value)
        if is_nan(value) and (named := self._named(value)) is not None:
            self.save_long(named)
            self.write(pickle.BINPERSID)
            return
        if cls in BY_PICKLE:
            self.dispatch[cls](self, value)
            return
        self._check()
        reduced = self._reduce(value)
        if reduced is NotImplemented or isinstance(reduced, str):
            way = self.dispatch.get(cls) if reduced is NotImplemented else None
            if way is None:
                self.save_global(value, None if reduced is NotImplemented else reduced)
            else:
                way(self, value)
            return
        function, made, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
        self.save_reduce(function, made, state, items, pairs, setter, obj=value)
