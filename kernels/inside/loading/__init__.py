"""Loads a file's bytes as the natural object of their kind, and says what had to be assumed.

    loaded = load(data, "prices.csv.gz", {"decimal": ","})
    loaded.value                                # a DataFrame
    loaded.told("load_file('k7m3q9x2va')")      # "read with the encoding cp1252; to change that: ..."

It serves `load_file` in a cell, the card that describes a file when it arrives, and a bundle's `load_file`,
so that these cannot disagree. Which reader is used for which kind of file is in `kinds`.
"""

import warnings
from typing import Any

from . import kinds, packed
from .content import kind_of_content, known_as
from .encodings import is_binary, is_text
from .source import Loaded, NotLoaded, Source

__all__ = ["Loaded", "NotLoaded", "kind_of", "load"]


def load(data: bytes, filename: str, options: dict[str, Any] | None = None) -> Loaded:
    """The object that the file holds; its bytes, where no reader is known for it.

    `options` go to the reader.

    Raises:
        NotLoaded: the bytes are not what the name says, or an option does not fit; its text says which.
    """
    source = Source(data, filename, kind_of(filename), dict(options or {}))
    try:
        with warnings.catch_warnings():
            # They are about lines of libraries, which the person cannot change.
            warnings.simplefilter("ignore")
            value = _read(source)
    except (MemoryError, NotLoaded):
        raise
    except Exception as error:  # noqa: BLE001  readers can raise anything
        if (reason := kinds.WITHOUT_A_READER.get(source.kind)) and isinstance(error, ImportError):
            raise NotLoaded(reason) from None
        said = str(error).strip()
        what = f"{type(error).__name__}: {said}" if said else type(error).__name__
        raise NotLoaded(f"could not be read as {source.kind}: {what}") from None
    return Loaded(value, source.kind, source.assumed, source.notes)


def kind_of(filename: str) -> str:
    """The extension by which a file is read: "csv" for data.csv, and for data.csv.gz."""
    inner, _, extension = filename.lower().rpartition(".")
    within = inner.rpartition(".")[2]
    if extension in packed.UNPACK and within in kinds.READERS:
        return within
    return extension if inner else ""


def _read(source: Source) -> Any:
    _unpack(source)
    if not source.data:
        return _nothing(source)
    named, found = source.kind, kind_of_content(source.data)
    if source.kind in kinds.TEXTS and found and not is_text(source.data):
        if found not in kinds.READERS:
            raise NotLoaded(f"could not be read as {source.kind}: it is {known_as(found)}")
        _take_for(source, found)
    elif source.kind in kinds.TEXTS and is_binary(source.data):
        if source.kind == "dat":  # an extension that says nothing
            return source.data
        raise NotLoaded(f"could not be read as {source.kind}: it is not text")
    elif source.kind in kinds.WITHOUT_A_READER:
        if found not in kinds.READERS:
            raise NotLoaded(kinds.WITHOUT_A_READER[source.kind])
        _take_for(source, found)
    elif source.kind not in kinds.READERS:
        source.kind = _unknown(source, found)
    if source.kind in kinds.PICKLES and source.kind != named:  # no name warns that reading it can run code
        source.options.setdefault("allow_pickle", False)
    reader = kinds.READERS.get(source.kind)
    return reader(source) if reader else source.data


def _take_for(source: Source, found: str) -> None:
    """Read the file as what its content is, whatever its name says."""
    source.notes.append(f"it is {known_as(found)}, whatever its name says")
    source.kind = found


def _unknown(source: Source, found: str) -> str:
    """The kind of a file whose name does not tell it, "" if only its bytes can be given."""
    if source.kind in kinds.GIVEN_AS_BYTES:
        return ""
    if found in kinds.READERS:
        return found
    return "txt" if is_text(source.data) else ""


def _unpack(source: Source) -> None:
    """Unpack a file that is packed by its name (data.csv.gz) or its content (a gzipped data.csv)."""
    extension = source.filename.lower().rpartition(".")[2]
    if extension == "zip" and source.kind == "zip":
        if only := packed.only_table(source.data):
            name, source.data = only
            source.kind = kind_of(name)
            source.notes.append(f"it is {name} of the archive")
    elif extension in packed.UNPACK and source.kind != extension:
        source.data = packed.UNPACK[extension](source.data)
    elif source.kind in kinds.TEXTS and (found := kind_of_content(source.data)) in packed.BY_CONTENT:
        source.data = packed.UNPACK[found](source.data)
        source.notes.append(f"it was packed ({found}), whatever its name says")


def _nothing(source: Source) -> Any:
    """What an empty file is loaded as: an empty text where text is natural."""
    if source.kind in kinds.READERS and source.kind not in kinds.PLAIN_TEXTS:
        raise NotLoaded("is empty")
    return "" if source.kind in kinds.PLAIN_TEXTS else b""
