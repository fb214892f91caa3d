"""Describes a file in a few lines, as a task (`tasks`) in a kernel that is thrown away afterwards.

    answer({"path": "0", "file_id": "k7m3q9x2va", "filename": "data.csv"})      # {"text/card": "table, ..."}

It describes what `load_file` returns: both use `loading`. The file is a stranger's: what could run code when
it is read (pickles, arrays of objects) is not read, and no reader may unpickle anything. Anything else may
fail or take too long, which costs nothing but the card.
"""

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

from ..loading import Loaded, NotLoaded, kind_of, load
from ..loading.encodings import is_text
from ..loading.kinds import PICKLES
from ..loading.packed import UNPACK

NOT_READ = PICKLES - {"npy", "npz"}  # the headers of arrays say enough
ARRAYS = 6  # of an archive of arrays that are described
HEADER = 1 << 16  # bytes that the header of an array may have
COLUMNS, SAMPLE_COLUMNS, ROWS = 12, 8, 3
NAME, CELL, LINE, PROBLEM = 28, 18, 90, 240  # characters of a name, a cell, a line of text, an error
ENTRIES, COUNTED = 6, 100_000  # of an archive that are named, and that are counted if it has no index
TABLES = 6  # of a database that are described
ZIPS = frozenset({"zip", "whl", "jar", "kmz"})
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def answer(task: dict[str, str]) -> dict[str, str]:
    """The card of one file. Raises: anything that a reader raises."""
    sys.addaudithook(_refuse_pickles)  # it cannot be removed again, but this process does no other task
    data = Path(task["path"]).read_bytes()
    return {"text/card": "\n".join(_card(data, task["filename"], f"load_file({task['file_id']!r})"))}


def _refuse_pickles(event: str, _arguments: object) -> None:
    """An audit hook: nothing that is unpickled here may name a function, whichever reader unpickles it."""
    if event == "pickle.find_class":
        raise PermissionError("pickles are not read here")


def _card(data: bytes, filename: str, call: str) -> list[str]:
    kind = kind_of(filename)
    if not data:
        return ["empty"]
    if kind in NOT_READ:
        return []
    try:
        if kind in PICKLES:
            extension = filename.lower().rpartition(".")[2]
            return _arrays(UNPACK[extension](data) if extension != kind else data, kind)
        loaded = load(data, filename)
        lines, told = _described(loaded, data, filename.lower()), loaded.told(call)
        return [*lines[:1], told, *lines[1:]] if told else lines
    except NotLoaded as problem:
        return [_short(problem, PROBLEM), *_text(data)]
    except Exception as error:  # noqa: BLE001  a database or an archive can be damaged further in
        return [f"not readable to the end: {type(error).__name__}"]


def _described(loaded: Loaded, data: bytes, name: str) -> list[str]:
    value = loaded.value
    if loaded.kind == "ipynb" and isinstance(value, dict):
        return _notebook(value)
    if _is_frame(value):
        return _table(value)
    if hasattr(value, "mode") and hasattr(value, "size") and hasattr(value, "format"):
        return _picture(value)
    if isinstance(value, dict):
        pairs = [f"{_short(key, NAME)} ({_typed(item)})" for key, item in islice(value.items(), COLUMNS)]
        return [f"object with {_count(len(value), 'key')}", _listed(pairs, len(value))]
    if isinstance(value, list):
        kinds = Counter(type(item).__name__ for item in value)
        return [f"list of {len(value):,}: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())]
    if hasattr(value, "execute"):
        return _database(value)
    if hasattr(value, "variables") and hasattr(value, "dimensions"):
        return _data_set(value)
    if isinstance(value, str):
        return _words(value)
    return _packed(data, name)


def _packed(data: bytes, name: str) -> list[str]:
    """An archive's entries; nothing for other bytes."""
    if name.rpartition(".")[2] in ZIPS and zipfile.is_zipfile(BytesIO(data)):
        with zipfile.ZipFile(BytesIO(data)) as packed:
            return _archive([(entry.filename, entry.file_size) for entry in packed.infolist()])
    if name.endswith(ARCHIVES):
        try:
            with tarfile.open(fileobj=BytesIO(data)) as tape:
                return _archive((entry.name, entry.size) for entry in tape)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise NotLoaded(f"could not be read as an archive: {type(error).__name__}: {error}") from None
    return []


def _picture(picture: Any) -> list[str]:
    frames = getattr(picture, "n_frames", 1)
    moving = f", {_count(frames, 'frame')}" if frames > 1 else ""
    return [f"picture, {picture.width} x {picture.height} pixels, {picture.mode}{moving}"]


def _arrays(data: bytes, kind: str) -> list[str]:
    if kind == "npy":
        return [_array(data)]
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = archive.infolist()
        heads = [archive.open(entry).read(HEADER) for entry in entries[:ARRAYS]]
        names = [_short(entry.filename.removesuffix(".npy"), NAME) for entry in entries]
        named = [f"{name} ({_array(head)})" for name, head in zip(names, heads, strict=False)]
    return [_count(len(entries), "array"), _listed(named, len(entries))]


def _array(data: bytes) -> str:
    """An array, described by its header alone: its values may be pickles."""
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
    lines = [f"table, {_count(rows, 'row')} x {_count(count, 'column')}", _listed(columns, count)]
    if rows and count:
        shown = frame.iloc[:ROWS, :SAMPLE_COLUMNS]
        sample = [list(shown.columns), *shown.itertuples(index=False, name=None)]
        lines += [" | ".join(_short(cell, CELL) for cell in row) for row in sample]
    return lines


def _notebook(document: dict[str, Any]) -> list[str]:
    """The cells by kind; in format 3 and before they are in worksheets."""
    cells = document.get("cells")
    if cells is None:
        cells = [cell for sheet in document.get("worksheets", []) for cell in sheet.get("cells", [])]
    kinds = Counter(str(cell.get("cell_type")) for cell in cells)
    told = ", ".join(f"{count:,} {_short(kind, NAME)}" for kind, count in kinds.items())
    lines = [f"notebook, {_count(len(cells), 'cell')}" + (f": {told}" if told else "")]
    for cell in cells:
        source = cell.get("source", "")
        text = source if isinstance(source, str) else "".join(source)
        kind = cell.get("cell_type")
        heading = (
            text if kind == "heading" else next((line for line in text.splitlines() if line[:1] == "#"), "")
        )
        if kind in ("markdown", "heading") and heading:
            return [*lines, f"first heading: {_short(heading.lstrip('# '), LINE)}"]
    return lines


def _archive(entries: Iterable[tuple[str, int]]) -> list[str]:
    known = entries if isinstance(entries, list) else list(islice(entries, COUNTED + 1))
    total = sum(size for _, size in known)
    more = "more than " if not isinstance(entries, list) and len(known) > COUNTED else ""
    names = [f"{_short(name, 2 * NAME)} ({size:,} B)" for name, size in known[:ENTRIES]]
    count = f"{more}{_count(min(len(known), COUNTED) if more else len(known), 'entry', 'entries')}"
    return [f"archive, {count}, {total:,} B unpacked", _listed(names, len(known))]


def _database(connection: Any) -> list[str]:
    names = [
        row[0] for row in connection.execute("select name from sqlite_master where type = 'table' order by 1")
    ]
    counts = []
    for name in names[:TABLES]:
        quoted = name.replace('"', '""')
        rows = connection.execute(f'select count(*) from "{quoted}"').fetchone()[0]  # noqa: S608  its own name
        counts.append(f"{_short(name, NAME)} ({_count(rows, 'row')})")
    return [f"database, {_count(len(names), 'table')}", _listed(counts, len(names))]


def _data_set(value: Any) -> list[str]:
    """A NetCDF file: its variables, with the lengths of their dimensions."""
    named = [
        f"{_short(name, NAME)} ({' x '.join(map(str, variable.shape)) or 'a number'})"
        for name, variable in islice(value.variables.items(), COLUMNS)
    ]
    return [f"data set, {_count(len(value.variables), 'variable')}", _listed(named, len(value.variables))]


def _text(data: bytes) -> list[str]:
    """The first lines of a file that could not be read as its name says, if they are text."""
    return _words(load(data, "it.md").value) if is_text(data) else []


def _words(text: str) -> list[str]:
    lines = text.splitlines()
    first = [_short(line, LINE) for line in islice((line for line in lines if line.strip()), ROWS)]
    return [f"text, {_count(len(lines), 'line')}, {_count(len(text), 'character')}", *first]


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "dtypes") and hasattr(value, "iloc")


def _typed(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} {' x '.join(map(str, shape))}" if shape else type(value).__name__


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _listed(shown: list[str], count: int) -> str:
    more = f", and {count - len(shown):,} more" if count > len(shown) else ""
    return ", ".join(shown) + more


def _short(value: Any, limit: int) -> str:
    text = " ".join(str(value)[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
