"""Saves as a kernel would make them, and what is on the disk after them."""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import xxhash

from kernels.state.manifest import Buffers, Chunk, Manifest, Meta
from kernels.state.session_state import SessionState

MONTH = timedelta(days=30)
QUOTA = 1 << 30
SESSION = "u7-dm-9"
CHUNK = 1 << 20  # bytes into which a kernel cuts a buffer that is not large


def chunk(data: bytes) -> Chunk:
    """The chunk with these bytes."""
    return Chunk(xxhash.xxh3_128_hexdigest(data), len(data))


def pieces(data: bytes) -> list[bytes]:
    """A buffer cut into chunks."""
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def noise(size: int, seed: object = 0) -> bytes:
    """Bytes that differ with the seed."""
    return random.Random(str(seed)).randbytes(size)


def chunks_of(buffers: Sequence[bytes]) -> list[list[Chunk]]:
    """The list that a kernel sends."""
    return [[chunk(piece) for piece in pieces(buffer)] for buffer in buffers]


def parts(buffers: Sequence[bytes]) -> dict[Chunk, bytes]:
    """The distinct chunks with their bytes, in the order in which they are named."""
    return {chunk(piece): piece for buffer in buffers for piece in pieces(buffer)}


def save(state: SessionState, cell: int, *buffers: bytes, meta: Meta | None = None) -> Manifest:
    """Save these buffers as the exchange with a kernel does."""
    listed, given = chunks_of(buffers), list(parts(buffers).items())
    with state.writing() as writing:
        for index in state.missing(listed):
            writing.add(*given[index])
        return writing.commit(cell, listed, meta or Meta())


def send(state: SessionState, *given: tuple[Chunk, bytes], listed: Buffers = ()) -> None:
    """Save with whatever chunks, of which these are sent."""
    with state.writing() as writing:
        for each, data in given:
            writing.add(each, data)
        writing.commit(2, listed, Meta())


def give_up(state: SessionState, *given: bytes) -> None:
    """Begin a save and end it after these chunks."""
    with suppress(ZeroDivisionError), state.writing() as writing:
        for data in given:
            writing.add(chunk(data), data)
        raise ZeroDivisionError


def loaded(state: SessionState, manifest: Manifest | None) -> list[bytes]:
    """The buffers of a save."""
    assert manifest is not None
    return [b"".join(state.read(manifest, index)) for index in range(len(manifest.buffers))]


def numbers(root: Path, session: str = SESSION) -> list[int]:
    """The numbers of the saves on the disk."""
    return sorted(int(path.stem) for path in (root / session / "saves").iterdir())


def chunk_files(root: Path, session: str = SESSION) -> set[str]:
    """The digests of the chunks on the disk."""
    return {path.name for path in (root / session / "chunks").rglob("*") if path.is_file()}


def everything(root: Path) -> Iterator[Path]:
    """All files and folders that are there."""
    return root.rglob("*")
