"""JSON, YAML and the like: dicts and lists, and a table where it is a list of records."""

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

SPACE = re.compile(r"[\s,\x1e]*")  # between two values; of a text sequence (RFC 7464) a record separator


def read_json(source: Source) -> Any:
    """The value; a list where several values stand one after the other. With options, `pandas.read_json`."""
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
    """A table, or a list of the values. With options, `pandas.read_json`."""
    text = decode(source)
    if source.options:
        return import_module("pandas").read_json(StringIO(text), lines=True, **source.options)
    return _records(_one_after_the_other(text))


def read_yaml(source: Source) -> Any:
    """The document; a list where there are several."""
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
    """What a .plist of macOS holds, be it XML or binary; its text where it is of another program."""
    source.use_no_options()
    try:
        return plistlib.loads(source.data)
    except (plistlib.InvalidFileException, ValueError):
        if not is_text(source.data):
            raise
        return decode(source)


def _one_after_the_other(text: str) -> list[Any]:
    decoder = json.JSONDecoder()
    values = []
    place = _next(text, 0)
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        values.append(value)
        place = _next(text, place)
    return values


def _next(text: str, place: int) -> int:
    found = SPACE.match(text, place)
    return found.end() if found else place


def _records(value: Any) -> Any:
    """A list of dicts is a table; anything else stays what it is."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return import_module("pandas").DataFrame(value)
    return value
