"""Repairs text from a kernel where it enters the program, and clips it to its head and tail."""

import math
import re
from itertools import chain
from typing import Any

__all__ = ["ANSI", "LEFT_OUT", "clip", "counted", "human_size", "left_out", "over", "repair", "strip_ansi"]

DEEPEST = 100  # levels of nested JSON: the program that stores it must be able to write it again
SCALARS = frozenset((bool, float, int, type(None)))
PIECE = 1 << 16  # characters that are processed at a time, before other threads get their turn
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\n\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")

# The line where a text was cut: by `clip`, by the kernel, in a long traceback, or before it was stored.
LEFT_OUT = re.compile(
    r"^\[(?:\.\.\.|…) (?:[\d.]+ [KMGT]?B of text left out|[\d,]+ (?:characters|lines?) left out"
    r"|[\d,]+ characters(?: (?:were lost|went) with the kernel)?) (?:\.\.\.|…)\]$",
    re.MULTILINE,
)


def repair(value: Any, levels: int = DEEPEST) -> Any:
    """A JSON value that can be stored: NUL and lone surrogates become U+FFFD, infinity and NaN become null.

    What needs no repair is returned as it is. Raises: RecursionError if it is nested more than `levels` deep.
    """
    return value if _is_sound(value, levels) else _repaired(value, levels)


def _is_sound(value: Any, levels: int) -> bool:
    """Whether a JSON value needs no repair, one level at a time: 100,000 numbers take 3 ms."""
    level = [value]
    for _ in range(levels):
        kinds = set(map(type, level))
        if str in kinds and not _is_safe("".join(_of(str, level, kinds))):
            return False
        # The sum of finite numbers may be infinite too; then `_repaired` looks at each.
        if float in kinds and not math.isfinite(sum(_of(float, level, kinds))):
            return False
        lists = _of(list, level, kinds) if list in kinds else []
        dicts = _of(dict, level, kinds) if dict in kinds else []
        if not lists and not dicts:
            return kinds <= {*SCALARS, str, list, dict}
        level = list(chain(chain.from_iterable(lists), *dicts, chain.from_iterable(map(dict.values, dicts))))
        if not set(map(type, chain.from_iterable(dicts))) <= {str}:
            return False
    return False


def _of(kind: type, level: list[Any], kinds: set[type]) -> list[Any]:
    return level if len(kinds) == 1 else [value for value in level if type(value) is kind]


def _repaired(value: Any, levels: int) -> Any:
    if levels == 0:
        raise RecursionError("nested too deep")
    match value:
        case str():
            return value if _is_safe(value) else _UNSAFE.sub("\ufffd", value)
        case dict():
            return {_repaired(str(key), 1): _repaired(item, levels - 1) for key, item in value.items()}
        case list() if levels > 1 and SCALARS.issuperset(map(type, value)):
            return [None if type(item) is float and not math.isfinite(item) else item for item in value]
        case list():
            return [_repaired(item, levels - 1) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value


def _is_safe(text: str) -> bool:
    """Whether there is nothing to repair; a regular expression takes ten times as long."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False


def clip(text: str, limit: int) -> str:
    """`text`, or its first and last `limit / 2` characters and a line that says how much is left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return text[:half] + left_out(len(text) - 2 * half) + text[len(text) - half :]


def left_out(count: int) -> str:
    """The line that stands where `count` characters were cut."""
    return f"\n[... {human_size(count)} of text left out ...]\n"


def human_size(count: float) -> str:
    """A size in bytes as people read it: 999 B, 3.1 GB. A KB is 1,024 bytes, as in file managers."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count == int(count) else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def over(size: int, limit: int) -> str:
    """Says that something is too large: "3.1 GB, over the 50 MB limit"; without the size if both match."""
    most, told = human_size(limit), human_size(size)
    alike = told.replace(".0 ", " ") == most.replace(".0 ", " ")
    return f"over the {most} limit" if alike else f"{told}, over the {most} limit"


def counted(number: int, noun: str) -> str:
    """A number of things: "1 row", "1,200 rows". The plural is made with an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def strip_ansi(text: str) -> str:
    """`text` without terminal escape sequences."""
    if "\x1b" not in text:
        return text
    pieces, start = [], 0
    while start < len(text):
        end = _between_codes(text, start + PIECE)
        pieces.append(ANSI.sub("", text[start:end]))
        start = end
    return "".join(pieces)


def _between_codes(text: str, start: int) -> int:
    """The next index outside of any escape sequence. A sequence can end in `ESC \\`, like one by itself."""
    code = text.find("\x1b", start)
    if code < 0:
        return len(text)
    return code + 2 if text.startswith("\x1b\\", code) else code
