"""What a save consists of, as JSON in a file and as a hostile kernel sends it.

    buffers = buffers_from_json(line["buffers"])     # StateDamaged if it is not a list of lists of chunks
    meta = Meta.from_json(line["meta"])              # bounded and repaired, whatever it is
    Manifest.from_bytes(number, manifest.to_bytes()) == manifest

A manifest's last member is a digest of all that stands before it: no damaged number is taken for a real one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Self

import xxhash

from kernels.state.errors import OtherFormat, StateDamaged
from kernels.text.visible import one_line
from kernels.workspace.copies.listing import FileState

__all__ = [
    "CHUNK",
    "UNKNOWN",
    "Buffers",
    "Chunk",
    "LostValue",
    "Manifest",
    "Meta",
    "Portrait",
    "buffers_from_json",
    "distinct",
]

FORMAT = 1
CHUNK = 4 * 1024 * 1024  # bytes of the largest chunk
MOST_CHUNKS = 20_000  # of a save, counted as often as they are named; also its most buffers
MOST_NAMES, LONGEST_NAME = 2_000, 100  # names, and characters of each
MOST_LOST, LONGEST_WHAT = 500, 200
MOST_LIBRARIES = 200
LAST_CELL = 2**53  # the largest whole number that every reader of JSON keeps exactly

_DIGEST = re.compile(r"[0-9a-f]{32}")
_PRINT = re.compile(r"[0-9a-f]{16}")
_CHECK = re.compile(rb',"check":"([0-9a-f]{32})"}')
_CHECK_LENGTH = 44  # bytes that `_CHECK` matches


class Chunk(NamedTuple):
    """A piece of a buffer: the 32 hexadecimal digits of its xxh3_128, and its size in bytes."""

    digest: str
    size: int


type Buffers = Sequence[Sequence[Chunk]]  # the chunks of each buffer, in order; buffer 0 is the graph


@dataclass(frozen=True, slots=True)
class LostValue:
    """A value that was not saved: its name, the cell that made it (0: unknown), and what it is in words."""

    name: str
    cell: int
    what: str


class Portrait(NamedTuple):
    """What is told of a value: its type, its shape or value if that is short, and a digest ("": unknown)."""

    type: str
    detail: str
    digest: str


UNKNOWN = Portrait("", "", "")


@dataclass(frozen=True, slots=True)
class Meta:
    """What a kernel tells of a save: the names in it, what is not in it, and its libraries' versions.

    `values` are what the names stand for, as far as it is known.
    """

    names: tuple[str, ...] = ()
    lost: tuple[LostValue, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Portrait] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """What is usable of a value that a hostile kernel has sent: every text on one line and not long."""
        given = value if isinstance(value, dict) else {}
        libraries = given.get("libraries")
        pairs = list(libraries.items())[:MOST_LIBRARIES] if isinstance(libraries, dict) else []
        return cls(
            names=tuple(dict.fromkeys(filter(None, map(_name, _newest(given, "names"))))),
            lost=tuple(filter(None, map(_lost, _first_lost(given)))),
            libraries={name: _name(version) for key, version in pairs if (name := _name(key))},
            values=dict(_portraits(given)),
        )

    def to_json(self) -> dict[str, object]:
        """The JSON that `from_json` takes."""
        lost = [{"name": each.name, "cell": each.cell, "what": each.what} for each in self.lost]
        values = [self.values.get(name) for name in self.names] if self.values else []
        libraries = dict(self.libraries)
        return {"names": list(self.names), "lost": lost, "libraries": libraries, "values": values}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One save: the state as of a cell."""

    cell: int
    saved_at: datetime  # with its zone
    buffers: tuple[tuple[Chunk, ...], ...]
    meta: Meta
    python: str  # the version of the kernel's Python, "" if it told none
    number: int = 0  # grows with each save of the session
    files: tuple[FileState, ...] = ()  # the workspace's files then
    copy_of: int = 0  # the number of the save that it repeats, 0 if it is none

    @property
    def is_empty(self) -> bool:
        """Whether it stands for a kernel with nothing in it."""
        return not self.buffers

    @property
    def size(self) -> int:
        """Bytes of its chunks."""
        return sum(distinct(self.buffers).values())

    @classmethod
    def new(
        cls,
        number: int,
        cell: int,
        buffers: Buffers,
        meta: Meta,
        *,
        files: Iterable[FileState] = (),
        copy_of: int = 0,
    ) -> Self:
        """A manifest as of now."""
        return cls(
            cell=cell,
            saved_at=datetime.now(UTC),
            buffers=tuple(map(tuple, buffers)),
            meta=meta,
            python=meta.libraries.get("python", ""),
            number=number,
            files=tuple(files),
            copy_of=copy_of,
        )

    @classmethod
    def from_bytes(cls, number: int, content: bytes) -> Self:
        """A manifest as it was written.

        Raises:
            OtherFormat: another version of this program has written it.
            StateDamaged: it is not a manifest, or not as it was written.
        """
        try:
            members = json.loads(content)
            if not isinstance(members, dict):
                raise StateDamaged("the manifest is no JSON object")
            if members.get("format") != FORMAT:
                raise OtherFormat(members.get("format"))
            found = _CHECK.fullmatch(content[-_CHECK_LENGTH:])
            if found is None or found[1].decode() != _digest(content[:-_CHECK_LENGTH]):
                raise StateDamaged("the manifest is not as it was written")
            return cls(
                cell=members["cell"],
                saved_at=datetime.fromisoformat(members["saved_at"]),
                buffers=buffers_from_json(members["buffers"]),
                meta=Meta.from_json(members["meta"]),
                python=members["python"],
                number=number,
                files=tuple(FileState(*file) for file in members["files"]),
                copy_of=members["copy_of"],
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateDamaged(f"the manifest cannot be read: {type(error).__name__}") from error

    def to_bytes(self) -> bytes:
        """The manifest as JSON in ASCII, with its own digest at the end; the number is its file's name."""
        members = {
            "format": FORMAT,
            "cell": self.cell,
            "saved_at": self.saved_at.isoformat(),
            "python": self.python,
            "buffers": self.buffers,
            "meta": self.meta.to_json(),
            "files": self.files,
            "copy_of": self.copy_of,
        }
        content = json.dumps(members, separators=(",", ":"))[:-1].encode("ascii")
        return content + b',"check":"%s"}' % _digest(content).encode()


def buffers_from_json(value: object) -> tuple[tuple[Chunk, ...], ...]:
    """The chunks of each buffer from `[[[digest, size], ...], ...]`, which a hostile kernel has sent.

    Raises: StateDamaged if it is anything else, if a size is not 1 to 4 MiB, or if there are more than
        20,000 chunks or buffers.
    """
    if not isinstance(value, list) or len(value) > MOST_CHUNKS:
        raise StateDamaged("the buffers are not a list, or too many")
    left = MOST_CHUNKS
    buffers = []
    for buffer in value:
        if not isinstance(buffer, list) or len(buffer) > left:
            raise StateDamaged("a buffer's chunks are not a list, or too many")
        left -= len(buffer)
        buffers.append(tuple(map(_chunk, buffer)))
    return tuple(buffers)


def distinct(buffers: Buffers) -> dict[str, int]:
    """The size of each chunk by its digest, in the order in which they are first named.

    Raises: StateDamaged if a chunk is named with two sizes.
    """
    sizes: dict[str, int] = {}
    for buffer in buffers:
        for digest, size in buffer:
            if sizes.setdefault(digest, size) != size:
                raise StateDamaged("a chunk is named with two sizes")
    return sizes


def matches(chunk: Chunk, data: bytes | bytearray | memoryview) -> bool:
    """Whether these are the bytes of the chunk."""
    return len(data) == chunk.size and _digest(data) == chunk.digest


def _chunk(value: object) -> Chunk:
    match value:
        case [str(digest), int(size)] if (
            type(size) is int and 1 <= size <= CHUNK and _DIGEST.fullmatch(digest)
        ):
            return Chunk(digest, size)
    raise StateDamaged("a chunk is not a digest and a size")


def _digest(data: bytes | bytearray | memoryview) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def _newest(given: Mapping[object, object], key: str) -> Iterable[object]:
    """The last names, or what is known of them: as in the list of variables, the newest are kept."""
    value = given.get(key)
    return value[-MOST_NAMES:] if isinstance(value, list) else ()


def _first_lost(given: Mapping[object, object]) -> Iterable[object]:
    value = given.get("lost")
    return value[:MOST_LOST] if isinstance(value, list) else ()


def _name(value: object) -> str:
    return _text(value, LONGEST_NAME)


def _text(value: object, longest: int) -> str:
    return one_line(value[:longest], "\ufffd") if isinstance(value, str) else ""


def _lost(value: object) -> LostValue | None:
    if not isinstance(value, dict) or not (name := _name(value.get("name"))):
        return None
    cell = value.get("cell")
    if not isinstance(cell, int) or isinstance(cell, bool) or not 0 <= cell <= LAST_CELL:
        cell = 0
    return LostValue(name, cell, _text(value.get("what"), LONGEST_WHAT))


def _portraits(given: Mapping[object, object]) -> Iterator[tuple[str, Portrait]]:
    names, values = _newest(given, "names"), _newest(given, "values")
    for named, value in zip(names, values, strict=False):
        match value:
            case [str(kind), str(detail), str(digest)] if name := _name(named):
                yield name, Portrait(_name(kind), _name(detail), digest if _PRINT.fullmatch(digest) else "")
