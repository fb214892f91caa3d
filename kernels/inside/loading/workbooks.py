"""Reads spreadsheets, and what other programs write under their names: tables in HTML, or plain text.

frame = read(source)
"""

from importlib import import_module
from importlib.util import find_spec
from io import BytesIO, StringIO
from typing import Any

from . import delimited
from .content import OLE, kind_of_content, known_as
from .encodings import decode, is_text
from .source import NotLoaded, Source

__all__ = ["read"]

NO_ENGINE = "is {}, which cannot be read here: save it as .xlsx or .csv and send that"
PASSWORD = "is protected by a password: save it without one and send that"  # noqa: S105  a sentence
XML_OF_2003 = "is an XML spreadsheet of Excel 2003, which cannot be read here: save it as .xlsx and send that"
ENGINES = {  # the library that pandas reads it with, and what it is called if that is not installed
    "ole": ("xlrd", "an Excel workbook from before 2007"),
    "xlsb": ("pyxlsb", "a binary Excel workbook"),
    "ods": ("odf", "an OpenDocument spreadsheet"),
}
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the name of an encrypted workbook in a compound file
NAMED = 6  # sheets that are named in what is assumed


def read(source: Source) -> Any:
    """A DataFrame of the first sheet that is not empty, unless the option `sheet_name` says which one."""
    found = kind_of_content(source.data)
    if found == "xlsx":
        return _workbook(source, engine="openpyxl")
    if source.data.startswith(OLE) and ENCRYPTED in source.data:
        raise NotLoaded(PASSWORD)
    if found in ENGINES:
        engine, called = ENGINES[found]
        if find_spec(engine) is None:
            raise NotLoaded(NO_ENGINE.format(called))
        return _workbook(source, engine=engine)
    if found == "zip":  # as workbooks are
        raise NotLoaded(f"could not be read as {source.kind}: it is damaged, or another ZIP archive")
    if found:
        raise NotLoaded(f"could not be read as {source.kind}: it is {known_as(found)}")
    if not is_text(source.data[: 1 << 16]) and not source.data[:512].isascii():
        raise NotLoaded(f"could not be read as {source.kind}: it is not a workbook")
    return _written_as_text(source)


def _workbook(source: Source, engine: str) -> Any:
    pandas = import_module("pandas")
    if "sheet_name" in source.options:
        return pandas.read_excel(BytesIO(source.data), engine=engine, **source.options)
    with pandas.ExcelFile(BytesIO(source.data), engine=engine) as book:
        names = book.sheet_names
        frame, chosen = None, ""
        for chosen in names:
            frame = book.parse(chosen, **source.options)
            if frame.size or len(frame.columns):
                break
        else:
            chosen = names[0] if names else ""
    if len(names) > 1:
        listed = ", ".join(f'"{name}"' for name in names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        why = "" if chosen == names[0] else " (the first that has something)"
        source.assumed["sheet_name"] = f'sheet "{chosen}"{why} of {len(names)}: {listed}{more}'
    return pandas.DataFrame() if frame is None else frame


def _written_as_text(source: Source) -> Any:
    """The largest table of an HTML page, which many programs export as .xls, or a table of text."""
    head = source.data[:4096].lower()
    if b"urn:schemas-microsoft-com:office:spreadsheet" in head:
        raise NotLoaded(XML_OF_2003)
    if b"<table" in source.data.lower() and b"<" in head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]:
        return _page(source)
    kind, source.kind = source.kind, "csv"
    frame = delimited.read(source)
    if len(frame.columns) < 2 and "sep" not in source.assumed:
        raise NotLoaded(f"could not be read as {kind}: it is text, not a workbook")
    source.notes.append("it is a table of text, not a workbook")
    return frame


def _page(source: Source) -> Any:
    pandas = import_module("pandas")
    text = decode(source)
    options = {"thousands": None} | source.options  # by default pandas reads 1,50 as 150
    tables = pandas.read_html(StringIO(text), **options)
    number = max(range(len(tables)), key=lambda index: tables[index].size)
    rows = tables[number].astype(str).values.tolist()
    if "decimal" not in options and delimited.decimal_mark(rows) == ",":
        tables = pandas.read_html(StringIO(text), **options, decimal=",")
        tables[number] = delimited.with_thousands(tables[number])
        source.assumed["decimal"] = "commas before decimals"
    more = f" with {len(tables)} tables, of which this is number {number + 1}" if len(tables) > 1 else ""
    source.notes.append(f"it is an HTML page{more}, not a workbook")
    return tables[number]
