"""Says in a few lines what a file holds, for `errands`, in a kernel that is thrown away.

    answer({"path": "0", "filename": "data.csv", "file_type": "data"})      # {"text/card": "table, ..."}

The file is a stranger's. What could run code when it is read (pickles, arrays of objects) is not read, and
no reader may unpickle anything on the way. All else may fail or take too long, which costs nothing but the
card.
"""

import json
import sqlite3
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import loaders  # type: ignore[import-not-found]  # beside us, as everything here

NOT_READ = (loaders.UNPICKLED - {"npy"}) | {"pt", "pth", "h5"}  # of npy the header says all
PICTURES = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO")  # not EPS, which is a program to be run
COLUMNS, SAMPLE_COLUMNS, ROWS = 12, 8, 3
NAME, CELL, LINE = 28, 18, 90  # characters of a column's name, a cell, a line of text
ENTRIES, COUNTED = 6, 5000  # of an archive that are named, and that are looked at
TABLES = 6  # of a database or sheets of a workbook
HEAD = 1 << 16  # bytes by which text is told from other data


def answer(task: dict[str, str]) -> dict[str, str]:
    """The card of one file. Raises: whatever readers do."""
    sys.addaudithook(_refuse_pickles)  # for good: this process does no other task
    data = Path(task["path"]).read_bytes()
    name, kind = task["filename"].lower(), task["file_type"]
    extension, unpack = loaders.kind_of(name)
    if not data:
        return {"text/card": "empty"}
    if extension in NOT_READ:
        return {"text/card": ""}
    try:
        if extension == "npy":
            return {"text/card": _array(unpack(data) if unpack else data)}
        lines = _card(data, name, extension, kind)
    except Exception as error:  # noqa: BLE001  what the name promises is not there: what is?
        lines = [f"not readable as {extension or kind}: {type(error).__name__}", *_text(data)]
    return {"text/card": "\n".join(lines)}


def _refuse_pickles(event: str, _arguments: object) -> None:
    """An audit hook: nothing that is unpickled here may name a function, whatever reader does it."""
    if event == "pickle.find_class":
        raise PermissionError("pickles are not read here")


def _card(data: bytes, name: str, extension: str, kind: str) -> list[str]:
    if extension == "ipynb":
        return _notebook(json.loads(data))
    if zipfile.is_zipfile(BytesIO(data)) and extension not in ("xlsx", "xlsm", "ods", "npz"):
        return _archive(
            (entry.filename, entry.file_size) for entry in zipfile.ZipFile(BytesIO(data)).infolist()
        )
    if name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        with tarfile.open(fileobj=BytesIO(data)) as archive:
            return _archive((entry.name, entry.size) for entry in archive)
    if data.startswith(loaders.SQLITE):
        return _database(data)
    if extension in ("xlsx", "xlsm", "xls", "ods"):
        return _workbook(data)
    reader = loaders.LOADERS.get(extension) or loaders.FALLBACKS.get(kind)
    loaded = loaders.load(data, name, kind, {"formats": PICTURES} if reader is loaders.image else {})
    if extension in ("csv", "txt") and _is_frame(loaded) and len(loaded.columns) == 1:
        separator = next((mark for mark in ";\t|" if mark in str(loaded.columns[0])), "")
        loaded = loaders.load(data, name, kind, {"sep": separator}) if separator else loaded
    return _object(loaded, data)


def _object(loaded: Any, data: bytes) -> list[str]:
    if _is_frame(loaded):
        return _table(loaded)
    if hasattr(loaded, "mode") and hasattr(loaded, "size") and hasattr(loaded, "format"):
        frames = getattr(loaded, "n_frames", 1)
        moving = f", {frames} frames" if frames > 1 else ""
        return [f"picture, {loaded.width} x {loaded.height} pixels, {loaded.mode}{moving}"]
    if isinstance(loaded, dict):
        pairs = [
            f"{_short(key, NAME)} ({type(value).__name__})" for key, value in islice(loaded.items(), COLUMNS)
        ]
        return [f"object with {len(loaded):,} keys", _listed(pairs, len(loaded))]
    if isinstance(loaded, list):
        kinds = Counter(type(item).__name__ for item in loaded)
        return [
            f"list of {len(loaded):,}: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        ]
    return _text(data)


def _array(data: bytes) -> str:
    """An array by its header alone: its values may be pickles."""
    header = import_module("numpy.lib.format")
    stream = BytesIO(data)
    version = header.read_magic(stream)
    read = header.read_array_header_1_0 if version == (1, 0) else header.read_array_header_2_0
    shape, _, dtype = read(stream)
    return f"array, shape {shape}, {_short(dtype, LINE)}"


def _table(frame: Any) -> list[str]:
    rows, count = frame.shape
    nulls = frame.isna().sum().tolist()
    columns = [
        f"{_short(name, NAME)} {dtype}" + (f" ({missing:,} null)" if missing else "")
        for name, dtype, missing in islice(zip(frame.columns, frame.dtypes, nulls, strict=True), COLUMNS)
    ]
    lines = [f"table, {rows:,} rows x {count:,} columns", _listed(columns, count)]
    if rows and count:
        shown = frame.iloc[:ROWS, :SAMPLE_COLUMNS]
        sample = [list(shown.columns), *shown.itertuples(index=False, name=None)]
        lines += [" | ".join(_short(cell, CELL) for cell in row) for row in sample]
    return lines


def _workbook(data: bytes) -> list[str]:
    book = import_module("pandas").ExcelFile(BytesIO(data))
    lines = _table(book.parse(book.sheet_names[0]))
    if len(book.sheet_names) > 1:
        sheets = [_short(name, NAME) for name in book.sheet_names[:TABLES]]
        lines.insert(
            0, f"{len(book.sheet_names)} sheets: {_listed(sheets, len(book.sheet_names))}; the first:"
        )
    return lines


def _notebook(document: Any) -> list[str]:
    cells = document["cells"]
    kinds = Counter(str(cell.get("cell_type")) for cell in cells)
    lines = [
        f"notebook, {len(cells):,} cells: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    ]
    for cell in cells:
        source = cell.get("source", "")
        text = source if isinstance(source, str) else "".join(source)
        heading = next((line for line in text.splitlines() if line.startswith("#")), "")
        if cell.get("cell_type") == "markdown" and heading:
            return [*lines, f"first heading: {_short(heading.lstrip('# '), LINE)}"]
    return lines


def _archive(entries: Iterable[tuple[str, int]]) -> list[str]:
    found = list(islice(entries, COUNTED + 1))
    total = sum(size for _, size in found)
    count = f"more than {COUNTED:,}" if len(found) > COUNTED else f"{len(found):,}"
    names = [f"{_short(name, 2 * NAME)} ({size:,} B)" for name, size in found[:ENTRIES]]
    return [f"archive, {count} entries, {total:,} B unpacked", _listed(names, len(found))]


def _database(data: bytes) -> list[str]:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(data)
    names = [
        row[0] for row in connection.execute("select name from sqlite_master where type = 'table' order by 1")
    ]
    counts = []
    for name in names[:TABLES]:
        quoted = name.replace('"', '""')
        rows = connection.execute(f'select count(*) from "{quoted}"').fetchone()[0]  # noqa: S608  its own name
        counts.append(f"{_short(name, NAME)} ({rows:,} rows)")
    return [f"database, {len(names):,} tables", _listed(counts, len(names))]


def _text(data: bytes) -> list[str]:
    head = data[:HEAD]
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return []
    text = loaders.load(data, "it.txt", "text", {})
    lines = text.splitlines()
    first = [_short(line, LINE) for line in islice((line for line in lines if line.strip()), ROWS)]
    return [f"text, {len(lines):,} lines, {len(text):,} characters", *first]


def _is_frame(loaded: Any) -> bool:
    return hasattr(loaded, "columns") and hasattr(loaded, "dtypes") and hasattr(loaded, "iloc")


def _listed(shown: list[str], count: int) -> str:
    more = f", and {count - len(shown):,} more" if count > len(shown) else ""
    return ", ".join(shown) + more


def _short(value: Any, limit: int) -> str:
    text = " ".join(str(value)[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
