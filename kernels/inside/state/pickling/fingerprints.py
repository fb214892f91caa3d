"""A digest of each value by itself, which tells whether the value has changed, also inside.

    prints = Fingerprints(namespace, check, digest_of)
    prints.of(value)            # 16 hexadecimal digits; "" if the value cannot be pickled

It is one of the value's pickle, in which the kernel's own objects always have the same places: whatever else
there is in the kernel does not matter. Nothing is kept of the bytes.
"""

import pickle
import zlib
from collections.abc import Callable
from typing import Any

from xxhash import xxh3_64

from .marks import marks
from .picklers import QuickPickler
from .reducers import Reducers
from .reduction import is_ours
from .writing import LARGE

__all__ = ["Fingerprints"]

OWN = 256  # places for the kernel's own objects, more than there are
BEYOND = 1 << 24  # where their places begin


class Fingerprints:
    """See the module's text. `check` is called often; what it raises ends the work.

    `digest_of` is asked for that of each buffer from 64 KiB on; it may call `check`, too.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        check: Callable[[], None],
        digest_of: Callable[[memoryview], bytes],
    ) -> None:
        self._namespace, self._ask, self._digest_of = namespace, check, digest_of
        self._refusal: BaseException | None = None
        here = marks(namespace)
        self._memo = {id(value): (_place(mark), value) for mark, value in reversed(here.items())}
        while len(self._memo) < OWN:
            filler = object()
            self._memo[id(filler)] = BEYOND - len(self._memo), filler

    def of(self, value: object) -> str:
        """The digest of a value. Raises what `check` raises, and nothing else."""
        digest = xxh3_64()

        def keep(buffer: pickle.PickleBuffer) -> bool:
            memory = buffer.raw()
            self._check()
            digest.update(memory if len(memory) < LARGE else self._digest_of(memory))
            return False

        reducers = Reducers(self._namespace, lambda _value, _what: "")
        pickler = QuickPickler(_Digested(digest.update, self._check), keep)  # type: ignore[arg-type]
        pickler.reduce, pickler.check, pickler.memo = reducers.reduce, self._check, self._memo
        try:
            pickler.dump(value)
        except BaseException as failure:  # whatever the code of a value raises
            if failure is self._refusal or is_ours(failure):
                raise
            return ""
        finally:
            reducers.close()  # they refer to themselves; the next ones would find what they hold
        return digest.hexdigest()

    def _check(self) -> None:
        try:
            self._ask()
        except BaseException as refusal:  # whatever ends the save is told from a value's own error
            self._refusal = refusal
            raise


class _Digested:
    """Takes what is written, for a digest."""

    def __init__(self, update: Callable[[Any], None], check: Callable[[], None]) -> None:
        self._update, self._check = update, check

    def write(self, piece: Any) -> int:
        """Take a piece."""
        self._check()
        self._update(piece)
        return len(piece)


def _place(mark: str) -> int:
    """The same place in every kernel."""
    return BEYOND + zlib.crc32(mark.encode()) % BEYOND
