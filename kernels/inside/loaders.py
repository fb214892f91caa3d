"""Bytes to the natural object of their kind: a table to a DataFrame, a picture to a PIL image.

    load(data, "data.csv.gz", "data", {"sep": ";"})

By the extension first, then by the type that the service gives. Libraries are imported when they are needed.
"""

import bz2
import gzip
import json
import lzma
import pickle
import sqlite3
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO, StringIO
from typing import Any

Loader = Callable[..., Any]

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.decompress,
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
}
# The longer mark first: that of UTF-32 starts as that of UTF-16 does.
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
SQLITE = b"SQLite format 3\x00"
UNPICKLED = frozenset({"npy", "npz", "pkl", "pickle", "joblib"})  # reading them can run what is in them


class NotLoaded(Exception):
    """The bytes are not what their name says, or an option does not fit; the text says what was tried."""


def load(data: bytes, filename: str, file_type: str, options: dict[str, Any]) -> Any:
    """The object that the file holds, or `data` where there is no reader for it.

    Raises:
        NotLoaded: the reader failed.
    """
    extension, unpack = kind_of(filename)
    reader = LOADERS.get(extension) or FALLBACKS.get(file_type, _bytes)
    try:
        return reader(unpack(data) if unpack else data, **options)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  readers raise whatever they like
        what = extension if extension in LOADERS else file_type
        raise NotLoaded(f"could not be read as {what}: {type(error).__name__}: {error}") from None


def kind_of(filename: str) -> tuple[str, Callable[[bytes], bytes] | None]:
    """The extension by which a file is read, and what unpacks it first: for data.csv.gz csv and gunzip."""
    inner, _, extension = filename.lower().rpartition(".")
    unpack = COMPRESSED.get(extension)
    within = inner.rpartition(".")[2]
    return (within, unpack) if unpack and within in LOADERS else (extension, None)


def _bytes(data: bytes) -> bytes:
    return data


def _text(data: bytes, encoding: str = "", errors: str = "strict") -> str:
    """As UTF-8, or what the byte order mark says, or else Latin-1, which fits any bytes."""
    if encoding:
        return data.decode(encoding, errors)
    try:
        return data.decode(_marked(data) or "utf-8", errors)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _marked(data: bytes) -> str:
    return next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "")


def _csv(data: bytes, **options: Any) -> Any:
    read_csv = import_module("pandas").read_csv
    if "encoding" in options:
        return read_csv(BytesIO(data), **options)
    try:
        return read_csv(BytesIO(data), encoding=_marked(data) or "utf-8", **options)
    except UnicodeDecodeError:
        return read_csv(BytesIO(data), encoding="latin-1", **options)


def _tsv(data: bytes, **options: Any) -> Any:
    return _csv(data, **{"sep": "\t"} | options)


def _pandas(function: str, **fixed: Any) -> Loader:
    """A reader of pandas that takes a file."""

    def read(data: bytes, **options: Any) -> Any:
        return getattr(import_module("pandas"), function)(BytesIO(data), **fixed | options)

    return read


def _spss(data: bytes, **options: Any) -> Any:
    with _on_disk(data) as path:  # its reader takes a path only
        return import_module("pandas").read_spss(path, **options)


def _spss_portable(data: bytes, **options: Any) -> Any:
    with _on_disk(data) as path:
        return import_module("pyreadstat").read_por(path, **options)[0]


@contextmanager
def _on_disk(data: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.name


def _json(data: bytes, **options: Any) -> Any:
    if options:
        return import_module("pandas").read_json(StringIO(_text(data)), **options)
    return _records(json.loads(_text(data)))


def _json_lines(data: bytes, **options: Any) -> Any:
    if options:
        return import_module("pandas").read_json(StringIO(_text(data)), lines=True, **options)
    return _records([json.loads(line) for line in _text(data).split("\n") if line.strip()])


def _records(value: Any) -> Any:
    """A list of dicts is a table; anything else stays what it is."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return import_module("pandas").DataFrame(value)
    return value


def _yaml(data: bytes) -> Any:
    documents = list(import_module("yaml").safe_load_all(data))
    return documents[0] if len(documents) == 1 else documents


def _toml(data: bytes) -> Any:
    return tomllib.loads(_text(data))


def _array(data: bytes, **options: Any) -> Any:
    return import_module("numpy").load(BytesIO(data), **{"allow_pickle": True} | options)


def _arrays(data: bytes, **options: Any) -> Any:
    with _array(data, **options) as archive:
        return dict(archive)


def _matlab(data: bytes, **options: Any) -> Any:
    return import_module("scipy.io").loadmat(BytesIO(data), **options)


def _pickle(data: bytes, **options: Any) -> Any:
    try:
        return pickle.loads(data, **options)  # noqa: S301  the person's own, in the person's own kernel
    except Exception:  # noqa: BLE001  joblib's files are called .pkl too, and fail here in any way
        return _joblib(data, **options)


def _joblib(data: bytes, **options: Any) -> Any:
    return import_module("joblib").load(BytesIO(data), **options)


def image(data: bytes, **options: Any) -> Any:
    """A PIL image, decoded."""
    image = import_module("PIL.Image").open(BytesIO(data), **options)
    image.load()  # a broken picture fails here and not later
    return image


def _sqlite(data: bytes, **options: Any) -> Any:
    """A connection to a copy in memory; bytes when it is another kind of database."""
    if not data.startswith(SQLITE):
        return data
    # Bytes 18 and 19 may ask for a write-ahead log, which memory cannot have: sqlite.org/fileformat2.html.
    copy = data[:18] + b"\x01\x01" + data[20:]
    connection = sqlite3.connect(":memory:", **options)
    connection.deserialize(copy)
    return connection


LOADERS: dict[str, Loader] = {
    extension: loader
    for extensions, loader in (
        ("csv", _csv),
        ("tsv tab", _tsv),
        ("xlsx xlsm xls xlsb ods", _pandas("read_excel")),
        ("parquet pq", _pandas("read_parquet")),
        ("feather arrow ipc", _pandas("read_feather")),
        ("orc", _pandas("read_orc")),
        ("dta", _pandas("read_stata")),
        ("sas7bdat", _pandas("read_sas", format="sas7bdat")),
        ("xpt", _pandas("read_sas", format="xport")),
        ("sav zsav", _spss),
        ("por", _spss_portable),
        ("json geojson ipynb", _json),
        ("jsonl ndjson", _json_lines),
        ("yaml yml", _yaml),
        ("toml", _toml),
        ("npy", _array),
        ("npz", _arrays),
        ("mat", _matlab),
        ("pkl pickle", _pickle),
        ("joblib", _joblib),
        ("png jpg jpeg gif webp bmp tif tiff ico", image),
        ("sqlite sqlite3 db", _sqlite),
        ("txt md markdown rst log tex html htm xml svg kml gpx ini cfg conf", _text),
    )
    for extension in extensions.split()
}
FALLBACKS: dict[str, Loader] = {"text": _text, "code": _text, "web": _text, "image": image}
