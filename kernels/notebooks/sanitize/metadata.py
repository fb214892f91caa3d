"""What a notebook keeps of an output's metadata: for each kind of data how large it is shown and the like.

    sanitize_metadata("image/png", {"width": 300, "onload": "alert(1)"})     # {"width": 300}

What is not known here is left out: a renderer may take it for an address, for HTML or for options of its own.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["sanitize_metadata"]

_LENGTH = re.compile(r"[0-9]{1,5}(?:px|%)?", re.ASCII)
_NAME = re.compile(r"[\w .-]{1,100}")
LONGEST = 100_000  # pixels


def _is_length(value: Any) -> bool:
    if isinstance(value, str):
        return _LENGTH.fullmatch(value) is not None
    return type(value) in (int, float) and 0 <= value <= LONGEST


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


type Known = Mapping[str, Callable[[Any], bool]]

_SIZE: Known = {"width": _is_length, "height": _is_length}
_PICTURE: Known = {**_SIZE, "unconfined": _is_flag, "needs_background": _is_name, "isolated": _is_flag}
_OTHERS: Mapping[str, Known] = {
    "application/json": {"expanded": _is_flag, "root": _is_name},
    "application/pdf": _SIZE,
    "text/html": {"isolated": _is_flag},
}


def sanitize_metadata(mime: str, metadata: Any) -> dict[str, Any]:
    """What the metadata of one kind of data say about how it is shown; empty if they are not a dict."""
    known = _PICTURE if mime.startswith("image/") else _OTHERS.get(mime, {})
    about = metadata if isinstance(metadata, dict) else {}
    return {key: about[key] for key, is_plain in known.items() if key in about and is_plain(about[key])}
