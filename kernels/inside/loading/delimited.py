"""Tables that are text: finds which mark separates their columns, and which one is before decimals.

frame = read(source)                # what it had to assume is in `source.assumed`
value = text_or_table(source)       # for a .txt, which may be either
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from io import BytesIO, StringIO
from itertools import islice, zip_longest
from typing import Any, NamedTuple

from .encodings import chosen, decode, encoding_of
from .source import Source

__all__ = ["Dialect", "decimal_mark", "dialect", "read", "text_or_table", "with_thousands"]

SAMPLE, ROWS = 1 << 18, 200  # bytes, and rows of these, from which the marks are guessed
MARKS = {";": '";"', "\t": "tabs", "|": '"|"', ",": '","'}  # the likelier first, if two would do
OF_KIND = {"tsv": "\t", "tab": "\t", "psv": "|"}
AS_MANY = 0.9  # of the rows, at least, must have the usual number of columns
EXCEL_SAYS = re.compile(r'\A"?sep=(.)"?\r?(?:\n|\Z)', re.IGNORECASE)  # a first line that Excel reads
WHOLE = re.compile(r"[+-]?\d+")
WITH_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+")
WITH_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?|[+-]?\d+(?:,\d+)?")
AMERICAN = re.compile(r"[+-]?\d{1,3},\d{3}")  # where commas separate columns, a quoted "1,500" may be 1500
NOTHING = frozenset({"", "-", "na", "n/a", "nan", "null", "none"})
LONGEST_CELL = 60  # characters, where a .txt is a table


class Dialect(NamedTuple):
    """How a table is written."""

    separator: str  # "" where none was found
    decimal: str
    first_line: bool = False  # whether Excel's line `sep=;` comes first
    rows: Sequence[Sequence[str]] = ()  # of the sample


def read(source: Source) -> Any:
    """A DataFrame. Options are passed to `pandas.read_csv`; what they set is not guessed."""
    options = source.options
    about = _settle(source)
    frame = import_module("pandas").read_csv(BytesIO(source.data), **options)
    if not hasattr(frame, "columns"):  # with `chunksize` it is an iterator
        return frame
    if "decimal" in source.assumed:
        frame = with_thousands(frame)
    if "index_col" not in options and len(about.rows) > 1 and len(about.rows[0]) == len(about.rows[1]) - 1:
        source.notes.append("its rows have a value more than its header, so the first column is the index")
    return frame


def _settle(source: Source) -> Dialect:
    """Fill in the options that nobody gave, and note what was assumed."""
    options, usual = source.options, OF_KIND.get(source.kind, ",")
    options["encoding"] = chosen(source)
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
        options.setdefault("low_memory", False)  # or a column's type can change from one piece to the next
    return about


def text_or_table(source: Source) -> Any:
    """A str, or a DataFrame if the lines are certainly a table or an option says that they are."""
    if source.options.keys() - {"encoding", "errors"}:
        return read(source)
    encoding = source.options.get("encoding") or encoding_of(source.data).name
    if not _is_table(dialect(_sample(source.data, {"encoding": encoding}), ",")):
        return decode(source)
    source.options.pop("errors", None)
    source.notes.append("its lines are a table; raw=True gives the bytes of its text")
    return read(source)


def dialect(sample: str, usual: str, *, free: bool = True) -> Dialect:
    """The marks of a table, guessed from its first rows. Unless `free`, `usual` separates its columns."""
    said = EXCEL_SAYS.match(sample)
    if said:
        sample = sample[said.end() :]
    if said or not free:
        mark = said[1] if said and free else usual
        rows = _rows(sample, mark)
        return Dialect(mark, decimal_mark(rows[1:], mark), said is not None, rows)
    best, found = 0.0, Dialect("", ".")
    marks = [usual, *(mark for mark in MARKS if mark != usual)] if usual != "," else list(MARKS)
    for mark in marks:
        rows = _rows(sample, mark)
        if (share := _regular(rows)) > best:
            best, found = share, Dialect(mark, decimal_mark(rows[1:], mark), rows=rows)
    return found if found.separator else _one_column(sample)


def _one_column(sample: str) -> Dialect:
    """Recognise a single column of numbers with decimal commas, which looks like two columns."""
    lines = [line.strip() for line in sample.splitlines()[:ROWS] if line.strip()]
    if len(lines) > 1 and "," not in lines[0] and all(map(WITH_COMMA.fullmatch, lines[1:])):
        return Dialect(";", ",", rows=[[line] for line in lines])
    return Dialect("", ".")


def decimal_mark(rows: Sequence[Sequence[str]], separator: str = "") -> str:
    """The mark before decimals: a comma if columns of numbers have commas and no column has points."""
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
    """A table with decimal commas, in which columns of texts such as 1.234,50 have become numbers."""
    pandas = import_module("pandas")
    for number, kind in enumerate(frame.dtypes):
        if not (pandas.api.types.is_object_dtype(kind) or pandas.api.types.is_string_dtype(kind)):
            continue
        column = frame.iloc[:, number]
        cells = column.dropna()
        if len(cells) and all(isinstance(cell, str) and THOUSANDS.fullmatch(cell.strip()) for cell in cells):
            plain = column.str.strip().str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
            frame.isetitem(number, pandas.to_numeric(plain))
    return frame


def _sample(data: bytes, options: dict[str, Any]) -> str:
    """The first lines that are complete."""
    text = data[:SAMPLE].decode(options["encoding"], "ignore")
    if len(data) > SAMPLE:
        text = text[: text.rfind("\n") + 1] or text
    skipped = options.get("skiprows")
    if isinstance(skipped, int):
        text = "".join(text.splitlines(keepends=True)[skipped:])
    return text.removeprefix("\ufeff")


def _rows(sample: str, mark: Any) -> list[list[str]]:
    """Rows of cells; none if the mark cannot separate them."""
    if not isinstance(mark, str) or len(mark) != 1:
        return []
    try:
        reader = csv.reader(StringIO(sample, newline=""), delimiter=mark)
        return [row for row in islice(reader, ROWS) if row]
    except (csv.Error, TypeError, ValueError):
        return []


def _regular(rows: list[list[str]]) -> float:
    """The share of the rows that have the usual number of cells; 0 if they are not a table.

    The header must have that number too, or one less if the first column is an index, as R writes it. With
    only one other column that is not allowed: then the second cell is rather the decimals of a number.
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
    """Whether lines of a file that is not called a table are one.

    All rows must be alike, with a header, and have a column of numbers or be three at least. Prose has commas
    too: if commas separate the columns, one of numbers is needed.
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
