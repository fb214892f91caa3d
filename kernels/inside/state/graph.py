"""All variables as one graph of objects: bytes that another kernel makes the same graph of.

    dumped = dump([("df", df), ("conn", conn)], namespace, large=buffers.append, check=lambda: None)
    dumped.names, dumped.lost           # ("df",), (Lost("conn", "a database connection"),)
    for name, value in load(dumped.stream, buffers, namespace): ...

What two variables share, they share again. The stream is a pickle for each item, one after another, then an
index in JSON, and its size.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .pickling.reading import read
from .pickling.writing import ItemWriter

__all__ = ["Dumped", "Lost", "UnknownFormat", "dump", "load"]

FORMAT = 1
SIZE = 8  # bytes of the size at the end


class UnknownFormat(Exception):
    """A stream is not one that this version reads."""


@dataclass(frozen=True)
class Lost:
    """A value that is not kept: the item in which it was found, and what it is, in words."""

    name: str
    what: str


@dataclass(frozen=True)
class Dumped:
    """A graph as bytes, without its large buffers.

    `names` are the items that are kept; of some of them a part may be among `lost`. `entries` are what the
    stream consists of: the name of each ("" for one that only others refer to), its size in bytes, and how
    many of the large buffers are its own; `marks` are the kernel's own objects that they may refer to.
    """

    stream: bytes
    names: tuple[str, ...]
    lost: tuple[Lost, ...]
    entries: tuple[tuple[str, int, int], ...] = ()
    marks: tuple[str, ...] = ()


def dump(
    items: Iterable[tuple[str, object]],
    namespace: dict[str, Any],
    *,
    large: Callable[[memoryview], None],
    check: Callable[[], None],
) -> Dumped:
    """Write items. A value that cannot be kept is replaced by a placeholder and named.

    Args:
        items: names, none of them empty, and values.
        namespace: the person's, which functions go on using.
        large: is given each buffer of 64 KiB or more, in order: a value's memory, which can still change.
        check: is called often; what it raises ends the save.
    """
    writing = ItemWriter(namespace, large=large, check=check)
    try:
        for name, value in items:
            writing.add(name, value)
        index = {"format": FORMAT, "marks": writing.marks, "items": writing.entries}
        packed = json.dumps(index).encode()
        writing.stream.write(packed + len(packed).to_bytes(SIZE, "little"))
        lost = tuple(Lost(name, what) for name, what in writing.lost)
        content, kept = writing.stream.content(), tuple(writing.kept)
        return Dumped(content, kept, lost, tuple(writing.entries), tuple(writing.marks))
    finally:
        writing.close()


def load(
    stream: bytes | bytearray | memoryview,
    buffers: Sequence[bytearray],
    namespace: dict[str, Any],
    *,
    lose: Callable[[Lost], None] = lambda _: None,
) -> Iterator[tuple[str, object]]:
    """The items that were written, one after another; what cannot be made is a placeholder in its place.

    Args:
        stream: what `dump` gave.
        buffers: what `large` was given, in its order; they are used up.
        namespace: the person's, in this kernel.
        lose: is told of each value that was kept and cannot be made.

    Raises:
        UnknownFormat: it was written by another version, or is damaged.
    """
    data = memoryview(stream)
    size = int.from_bytes(data[-SIZE:], "little")
    try:
        index = json.loads(bytes(data[-SIZE - size : -SIZE]))
        if index["format"] != FORMAT:
            raise UnknownFormat(f"format {index['format']}")
        entries = [(str(name), int(length), int(count)) for name, length, count in index["items"]]
        marks = [str(mark) for mark in index["marks"]]
    except (ValueError, KeyError, TypeError):
        raise UnknownFormat("damaged") from None
    return read(data, entries, marks, buffers, namespace, lambda name, what: lose(Lost(name, what)))
