"""Tables that are text: which mark stands between their columns, and which before decimals.

frame = read(source)                # what it took without being told is in `source.assumed`
value = text_or_table(source)       # of a .txt, which may be either
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from io import BytesIO, StringIO
from itertools import islice, zip_longest
from typing import Any, NamedTuple

from .encodings import decode, encoding_of
from .source import Source

__all__ = ["Dialect", "decimal_mark", "dialect", "read", "text_or_table", "with_thousands"]

SAMPLE, ROWS = 1 << 18, 200  # bytes, and rows of them, by which the marks are told
MARKS = {";": '";"', "\t": "tabs", "|": '"|"', ",": '","'}  # the likelier first, where two would do
OF_KIND = {"tsv": "\t", "tab": "\t", "psv": "|"}
AS_MANY = 0.9  # of the rows have as many columns as most have
EXCEL_SAYS = re.compile(r'\A"?sep=(.)"?\r?(?:\n|\Z)', re.IGNORECASE)  # a first line that Excel reads
WHOLE = re.compile(r"[+-]?\d+")
WITH_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+")
WITH_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?|[+-]?\d+(?:,\d+)?")
AMERICAN = re.compile(r"[+-]?\d{1,3},\d{3}")  # quoted between commas 1,500 may be one thousand five hundred
NOTHING = frozenset({"", "-", "na", "n/a", "nan", "null", "none"})
LONGEST_CELL = 60  # characters, where a .txt is a table


class Dialect(NamedTuple):
    """How a table is written."""

    separator: str  # "" where none was found
    decimal: str
    first_line: bool = False  # whether Excel's line `sep=;` comes first
    rows: Sequence[Sequence[str]] = ()  # of the sample


def read(source: Source) -> Any:
    """A DataFrame. Options go to `pandas.read_csv`, and nothing is assumed in their place."""
    options = source.options
    about = _settle(source)
    frame = import_module("pandas").read_csv(BytesIO(source.data), **options)
    if not hasattr(frame, "columns"):  # a reader of pieces, which `chunksize` asks for
        return frame
    if "decimal" in source.assumed:
        frame = with_thousands(frame)
    if "index_col" not in options and len(about.rows) > 1 and len(about.rows[0]) == len(about.rows[1]) - 1:
        source.notes.append("its rows have a value more than its header, so the first column is the index")
    return frame


def _settle(source: Source) -> Dialect:
    """Fill in the options that nobody gave, and note what was assumed."""
    options, usual = source.options, OF_KIND.get(source.kind, ",")
    if options.get("encoding") is None:
        found = encoding_of(source.data)
        options["encoding"] = found.name
        if not found.sure:
            source.assumed["encoding"] = f"the encoding {found.name}"
    told = next((options[name] for name in ("sep", "delimiter") if name in options), usual)
    free = not {"sep", "delimiter", "dialect"} & options.keys()
    about = dialect(_sample(source.data, options), usual if free else told, free=free)
    if about.first_line:
        options.setdefault("skiprows", 1)
    if free:
        options["sep"] = about.separator or usual
        if about.separator not in ("", usual) and not about.first_line:
            source.assumed["sep"] = f"{MARKS[about.separator]} between columns"
    if "decimal" not in options and about.decimal == ",":
        options["decimal"] = ","
        source.assumed["decimal"] = "commas before decimals"
    if len(str(options.get("sep", "?"))) == 1 and not {"engine", "delimiter"} & options.keys():
        options.setdefault("low_memory", False)  # else a column's kind can change from one piece to the next
    return about


def text_or_table(source: Source) -> Any:
    """A str, or a DataFrame where the lines are a table for certain, or an option says that they are."""
    if source.options.keys() - {"encoding", "errors"}:
        return read(source)
    encoding = source.options.get("encoding") or encoding_of(source.data).name
    if not _is_table(dialect(_sample(source.data, {"encoding": encoding}), ",")):
        return decode(source)
    source.options.pop("errors", None)
    source.notes.append("its lines are a table; raw=True gives the bytes of its text")
    return read(source)


def dialect(sample: str, usual: str, *, free: bool = True) -> Dialect:
    """The marks of a table, as its first rows tell. Unless `free`, `usual` is what stands between columns."""
    said = EXCEL_SAYS.match(sample)
    if said:
        sample = sample[said.end() :]
    if not free:
        rows = _rows(sample, usual)
        return Dialect(usual, decimal_mark(rows[1:], usual), said is not None, rows)
    if said:
        rows = _rows(sample, said[1])
        return Dialect(said[1], decimal_mark(rows[1:], said[1]), first_line=True, rows=rows)
    best, found = 0.0, Dialect("", ".")
    marks = [usual, *(mark for mark in MARKS if mark != usual)] if usual != "," else list(MARKS)
    for mark in marks:
        rows = _rows(sample, mark)
        if (share := _regular(rows)) > best:
            best, found = share, Dialect(mark, decimal_mark(rows[1:], mark), rows=rows)
    return found if found.separator else _one_column(sample)


def _one_column(sample: str) -> Dialect:
    """A column of numbers with decimal commas, which would be two of a table with commas between columns."""
    lines = [line.strip() for line in sample.splitlines()[:ROWS] if line.strip()]
    if len(lines) > 1 and "," not in lines[0] and all(map(WITH_COMMA.fullmatch, lines[1:])):
        return Dialect(";", ",", rows=[[line] for line in lines])
    return Dialect("", ".")


def decimal_mark(rows: Sequence[Sequence[str]], separator: str = "") -> str:
    """The mark before decimals: a comma where columns of numbers have some, and no column has points."""
    with_comma = False
    for column in zip_longest(*rows, fillvalue=""):
        cells = [text for cell in column if (text := str(cell).strip()).lower() not in NOTHING]
        commas = [text for text in cells if WITH_COMMA.fullmatch(text)]
        if any(WITH_POINT.fullmatch(text) and not THOUSANDS.fullmatch(text) for text in cells):
            return "."
        if commas and all(THOUSANDS.fullmatch(text) for text in cells):
            doubtful = separator in ("", ",") and all(AMERICAN.fullmatch(text) for text in commas)
            with_comma = with_comma or not doubtful
    return "," if with_comma else "."


def with_thousands(frame: Any) -> Any:
    """A table with decimal commas whose columns of numbers such as 1.234,50 have become numbers."""
    pandas = import_module("pandas")
    for place, kind in enumerate(frame.dtypes):
        if not (pandas.api.types.is_object_dtype(kind) or pandas.api.types.is_string_dtype(kind)):
            continue
        column = frame.iloc[:, place]
        cells = column.dropna()
        if len(cells) and all(isinstance(cell, str) and THOUSANDS.fullmatch(cell.strip()) for cell in cells):
            plain = column.str.strip().str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
            frame.isetitem(place, pandas.to_numeric(plain))
    return frame


def _sample(data: bytes, options: dict[str, Any]) -> str:
    """The first lines, as far as they are whole."""
    text = data[:SAMPLE].decode(options["encoding"], "ignore")
    if len(data) > SAMPLE:
        text = text[: text.rfind("\n") + 1] or text
    skipped = options.get("skiprows")
    if isinstance(skipped, int):
        text = "".join(text.splitlines(keepends=True)[skipped:])
    return text.removeprefix("\ufeff")


def _rows(sample: str, mark: Any) -> list[list[str]]:
    """Rows of cells; none where the mark cannot stand between them."""
    if not isinstance(mark, str) or len(mark) != 1:
        return []
    try:
        reader = csv.reader(StringIO(sample, newline=""), delimiter=mark)
        return [row for row in islice(reader, ROWS) if row]
    except (csv.Error, TypeError, ValueError):
        return []


def _regular(rows: list[list[str]]) -> float:
    """How many of the rows have as many cells as most of them, and the header; 0 where they are no table.

    The header may have one less, where the first column is an index, as R writes it. Where that would be the
    only other column it is rather a number with a comma.
    """
    if not rows:
        return 0.0
    (width, count), *_ = Counter(map(len, rows[1:] or rows)).most_common(1)
    header = len(rows[0])
    if width < 2 or not (header == width or (header == width - 1 and width > 2)):
        return 0.0
    share = count / len(rows[1:] or rows)
    return share if share >= AS_MANY else 0.0


def _is_table(about: Dialect) -> bool:
    """Whether lines that nothing calls a table are one: all alike, with a header, and numbers or three rows.

    Prose has commas too: with them, a column of numbers has to be there.
    """
    rows = about.rows
    if not about.separator or len(rows) < 2 or len({len(row) for row in rows}) > 1:
        return False
    header = [cell.strip() for cell in rows[0]]
    if len(set(header)) < len(header) or not all(header) or any(map(_is_number, header)):
        return False
    if any(len(cell) > LONGEST_CELL for row in rows for cell in row):
        return False
    numbers = any(all(map(_is_number, column)) for column in zip(*rows[1:], strict=True))
    return numbers or (about.separator != "," and len(rows) > 2)


def _is_number(cell: str) -> bool:
    text = cell.strip()
    return any(one.fullmatch(text) for one in (WHOLE, WITH_POINT, WITH_COMMA))
