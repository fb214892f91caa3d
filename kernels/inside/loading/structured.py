"""Reads JSON, YAML and the like as dicts and lists, and a list of records as a table."""

import json
import plistlib
import re
import tomllib
from importlib import import_module
from io import StringIO
from typing import Any

from .encodings import decode, is_text
from .source import Source

__all__ = ["property_list", "read_json", "read_json_lines", "read_toml", "read_yaml"]

BEGIN = re.compile(r"[^\s,\x1e]")  # of a value, after what separates two; RFC 7464 uses the record separator


def read_json(source: Source) -> Any:
    """The value; a list if there are several, one after the other. With options, as `pandas.read_json`."""
    text = decode(source)
    if source.options:
        return import_module("pandas").read_json(StringIO(text), **source.options)
    try:
        return _records(json.loads(text))
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise
    values = _one_after_the_other(text)
    source.notes.append(f"it has {len(values):,} JSON values, one after the other")
    return _records(values)


def read_json_lines(source: Source) -> Any:
    """A table, or a list of the values. With options, as `pandas.read_json`."""
    text = decode(source)
    if source.options:
        return import_module("pandas").read_json(StringIO(text), lines=True, **source.options)
    return _records(_one_after_the_other(text))


def read_yaml(source: Source) -> Any:
    """The document; a list if there are several."""
    text = decode(source)
    source.use_no_options()
    documents = list(import_module("yaml").safe_load_all(text))
    return documents[0] if len(documents) == 1 else documents


def read_toml(source: Source) -> Any:
    """A dict."""
    text = decode(source)
    source.use_no_options()
    return tomllib.loads(text)


def property_list(source: Source) -> Any:
    """The content of a .plist of macOS, in XML or binary; the text if it is another program's file."""
    source.use_no_options()
    try:
        return plistlib.loads(source.data)
    except (plistlib.InvalidFileException, ValueError):
        if not is_text(source.data):
            raise
        return decode(source)


def _one_after_the_other(text: str) -> list[Any]:
    decoder, values, position = json.JSONDecoder(), list[Any](), 0
    while begin := BEGIN.search(text, position):
        value, position = decoder.raw_decode(text, begin.start())
        values.append(value)
    return values


def _records(value: Any) -> Any:
    """A list of dicts is a table; anything else stays what it is."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return import_module("pandas").DataFrame(value)
    return value
