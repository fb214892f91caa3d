"""What is told of each saved value: its type, its shape or value if that is short, and a digest.

    portraits = Portraits()
    portraits.of(values, prefixes, buffers, namespace, bounds, took)
    # [["DataFrame", "5 x 3", "9c2e..."], ...]

The digest tells whether a value has changed inside. It is made of the value alone, which takes as long as
saving it, so it is made again only for what comes after the first change in the graph, and for as long as
there is time: values without one have "". The bytes of large buffers, which have digests of their own for the
node, are not read once more.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xxhash import xxh3_64

from ..variables import described
from .bounds import TakesTooMuch, WorkBounds
from .graph import Dumped
from .pickling.fingerprints import Fingerprints
from .selection import Marked, marked
from .transport import Buffer, chunked

__all__ = ["Portraits", "prefixes"]

LEAST, SHARE = 0.3, 1.0  # seconds for digests; or so much of what the graph took, if that is more
MOST = 0.3  # of the time that is left


class Portraits:
    """See the module's text."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, str]] = {}  # by name: what was before and in it, and its digest
        self._slow: set[Marked] = set()  # values that took too long

    def of(
        self,
        values: Mapping[str, object],
        known: Mapping[str, tuple[int, int]],
        buffers: Sequence[Buffer],
        namespace: dict[str, Any],
        bounds: WorkBounds,
        took: float,
    ) -> list[list[str]]:
        """Of each value. `known` are the `prefixes` of their graph, whose `buffers` took so many seconds."""
        before, self._known = self._known, {}
        marks = {name: marked(name, value) for name, value in values.items()}
        self._slow.intersection_update(marks.values())
        new = []
        for name in values:
            if name in before and before[name][0] == known[name][0]:
                self._known[name] = before[name]
            elif marks[name] not in self._slow:
                new.append(name)
        new.sort(key=lambda name: known[name][1])
        name = ""
        try:
            with bounds.part(min(MOST, max(LEAST, SHARE * took) / bounds.left())):
                digests = _BufferDigests(buffers if new else (), bounds.check)
                prints = Fingerprints(namespace, bounds.check, digests.of)
                for name in new:
                    self._known[name] = known[name][0], prints.of(values[name])
        except (TakesTooMuch, MemoryError):  # the others have to do without
            if name:
                self._slow.add(marks[name])
            bounds.grow_from_now()
        return [[*described(name, value)[1:], self._print(name)] for name, value in values.items()]

    def _print(self, name: str) -> str:
        return self._known[name][1] if name in self._known else ""


class _BufferDigests:
    """Digests of large buffers, of which those of the graph are known: they are found by their addresses.

    The graph's own hold their memory, so nothing else can be at the same place.
    """

    def __init__(self, buffers: Sequence[Buffer], check: Callable[[], None]) -> None:
        self._check = check
        self._known: dict[tuple[int, int], Buffer] = {}
        for buffer in buffers[1:]:
            if buffer.pieces and (address := _address(buffer.pieces[0])):
                self._known[address, sum(map(len, buffer.pieces))] = buffer

    def of(self, memory: memoryview) -> bytes:
        """What is the same for the same bytes, whether they were known or not."""
        known = self._known.get((_address(memory), len(memory)))
        buffer = known or chunked([memory], self._check)[0]
        return " ".join(buffer.digests).encode()


def _address(memory: memoryview) -> int:
    """Where the bytes are; 0 if that is not known."""
    numpy = sys.modules.get("numpy")
    try:
        return int(numpy.frombuffer(memory, "u1").__array_interface__["data"][0]) if numpy else 0
    except Exception:  # noqa: BLE001  the person may have changed NumPy in any way
        return 0


def prefixes(dumped: Dumped, buffers: Sequence[Buffer]) -> dict[str, tuple[int, int]]:
    """For each item a digest of all that the graph has up to its end, and the bytes that it adds.

    If the digest is the same, so is the value.
    """
    digest, stream, start, number = xxh3_64("\n".join(dumped.marks).encode()), memoryview(dumped.stream), 0, 1
    found = {}
    for name, size, count in dumped.entries:
        digest.update(stream[start : start + size])
        own = buffers[number : number + count]
        for buffer in own:
            digest.update(" ".join(buffer.digests).encode())
        start, number = start + size, number + count
        found[name] = digest.intdigest(), size + sum(len(piece) for buffer in own for piece in buffer.pieces)
    return found
