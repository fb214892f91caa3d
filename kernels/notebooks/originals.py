"""What a notebook and its cells contain besides words, code and outputs, as far as it may be written again.

    original(raw_cell)          # {"id": "a1", "metadata": {...}, "attachments": {...}}, each if there is any
    metadata(raw, "Cell 3", notes)

A notebook that is run again keeps its ids, slideshow, attached pictures and whatever programs noted in it.
Removed are things that make Jupyter run something (trust in outputs, the state of widgets), text with markup
that is not plain, since some converters put metadata into pages as they are, and entries that nobody has
written by hand: those of more than `LARGEST` characters.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from kernels.notebooks.sanitize.formulas import without_script_links
from kernels.notebooks.sanitize.html import is_plain_html
from kernels.text.clipping import clip, repair

__all__ = ["attachments", "is_id", "metadata", "original", "tags"]

OURS = frozenset({"kernelcord", "tags"})  # for which there are other rules
ACTIVE = frozenset({"trusted", "widgets"})
STALE = frozenset({"execution"})  # the times at which the cell ran, from JupyterLab
LARGEST = 1 << 16  # characters of one entry as JSON
MOST_ENTRIES = 100  # of one cell or notebook, and files attached to one cell
MAX_NAME = 100  # characters of a name that a note mentions
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # by nbformat's schema
_IMAGE = re.compile(r"image/(?:png|jpeg|gif|webp|bmp|svg\+xml)")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*", re.ASCII)


def original(raw: Mapping[str, Any], name: str, notes: list[str]) -> dict[str, Any]:
    """What is kept of a version 4 cell; `name` is what the notes on what is lost call it."""
    found: dict[str, Any] = {}
    if is_id(raw.get("id")):
        found["id"] = raw["id"]
    kept = metadata(raw.get("metadata"), name, notes)
    if raw.get("cell_type") != "code" and (tagged := tags(raw.get("metadata"))[:MOST_ENTRIES]):
        kept["tags"] = tagged
    if kept:
        found["metadata"] = kept
    given = raw.get("attachments")
    if given:
        pictures = attachments(given)
        if pictures:
            found["attachments"] = pictures
        if not isinstance(given, dict) or pictures.keys() != given.keys():
            notes.append(f"{name}: attached files that are not pictures were left out.")
    return found


def is_id(value: Any) -> bool:
    """Whether it can be the id of a cell."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def metadata(raw: Any, name: str = "", notes: list[str] | None = None) -> dict[str, Any]:
    """The entries that may be written again; there is a note for each of the others."""
    kept: dict[str, Any] = {}
    for key, value in islice(raw.items() if isinstance(raw, dict) else (), MOST_ENTRIES):
        if key in OURS or key in STALE:
            continue
        if key not in ACTIVE and _is_plain({key: value}):
            kept[key] = value
        elif notes is not None and value:
            notes.append(f"{name}: its metadata “{clip(repair(str(key)), MAX_NAME)}” was left out.")
    return kept


def tags(raw: Any) -> list[str]:
    """The tags in a cell's metadata; those of a code cell are in its field `tags`."""
    found = raw.get("tags") if isinstance(raw, dict) else None
    return (
        [tag for tag in found if isinstance(tag, str) and _is_plain(tag)] if isinstance(found, list) else []
    )


def attachments(raw: Any) -> dict[str, dict[str, str]]:
    """The attached pictures."""
    kept: dict[str, dict[str, str]] = {}
    for key, bundle in islice(raw.items() if isinstance(raw, dict) else (), MOST_ENTRIES):
        pictures = {
            mime: data
            for mime, data in (bundle.items() if isinstance(bundle, dict) else ())
            if _IMAGE.fullmatch(mime) and isinstance(data, str) and _BASE64.fullmatch(data)
        }
        if pictures and _is_plain(key):
            kept[key] = pictures
    return kept


def _is_plain(value: Any) -> bool:
    """Whether it is JSON that can be stored, of a sensible size, and without active markup or formulas."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        return len(text) <= LARGEST and repair(value) == value and all(map(_only_shows, _texts(value)))
    except (RecursionError, TypeError, ValueError):
        return False


def _only_shows(text: str) -> bool:
    return is_plain_html(text) and without_script_links(text) == text


def _texts(value: Any) -> list[str]:
    """All texts in a JSON value that could be markup, including the names in objects."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str) and any(sign in part for sign in "<\\&"):
            texts.append(part)
    return texts
