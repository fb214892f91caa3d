"""Unpacks files that are packed as a whole, UNPACK["gz"](data), and the only table in a zip archive."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from importlib import import_module
from io import BytesIO

from .source import NotLoaded

__all__ = ["BY_CONTENT", "UNPACK", "only_table"]

# A zip often contains just one of these.
TABLES = frozenset({"csv", "tsv", "tab", "psv", "txt", "json", "jsonl", "ndjson"})
BY_CONTENT = frozenset({"gz", "bz2", "xz", "zst"})  # unpacked whatever their names say; a zip is an archive
LEFT_OUT = ("__MACOSX/", ".DS_Store")  # what macOS adds to an archive


def only_table(data: bytes) -> tuple[str, bytes] | None:
    """The name and the bytes of the archive's only file, if it is a table or a text; otherwise None."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            found = _files(archive)
            if len(found) != 1 or found[0].filename.lower().rpartition(".")[2] not in TABLES:
                return None
            return found[0].filename, archive.read(found[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):  # broken, or with a password
        return None


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    folder, file = LEFT_OUT
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    return [one for one in entries if not (one.filename.startswith(folder) or one.filename.endswith(file))]


def _unzip(data: bytes) -> bytes:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        found = _files(archive)
        if len(found) != 1:
            raise NotLoaded(f"could not be read: the archive has {len(found):,} files, and one was expected")
        return archive.read(found[0])


def _by_arrow(codec: str) -> Callable[[bytes], bytes]:
    """A function that unpacks with pyarrow: Python 3.14 is the first to have zstd, and none has lz4."""

    def unpack(data: bytes) -> bytes:
        arrow = import_module("pyarrow")
        unpacked: bytes = arrow.CompressedInputStream(arrow.BufferReader(data), codec).read()
        return unpacked

    return unpack


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.decompress,
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
    "lzma": lzma.decompress,
    "zst": _by_arrow("zstd"),
    "lz4": _by_arrow("lz4"),
    "zip": _unzip,
}
