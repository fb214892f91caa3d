"""Splits long text into parts that fit into messages. Lengths are counted as Discord's clients count them.

A part ends at the end of a line if there is one, and never within an emoji, a mention such as `<@1>` or a
row of backticks. A fenced block that goes on in the next part is closed and reopened there with its language.
"""

import re
import unicodedata

__all__ = ["LONGEST", "cut", "length", "split"]

LONGEST = 2000  # characters of one message
_FENCE = re.compile(r"```(?:(?P<language>[\w+#.-]{0,20})\n)?")
_CLOSE = "\n```"
_TOKEN = re.compile(r"<[@#:/at][^<>\n]{0,100}>")
LONGEST_TOKEN = 102  # characters
_JOINER, _VARIATIONS = "\u200d", "\ufe00\ufe0f"
_TONES = ("\U0001f3fb", "\U0001f3ff")
_FLAGS = ("\U0001f1e6", "\U0001f1ff")
_TAGS = ("\U000e0020", "\U000e007f")
FURTHEST_BACK = 200  # characters to go back in search of a good end for a part


def length(text: str) -> int:
    """The number of UTF-16 units, which is at least the number of characters: an emoji has two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """The start of `text`, at most `limit` long, ending between two whole characters."""
    if len(text) <= limit and length(text) <= limit:
        return text
    end = _end(text, 0, limit)
    return text[: _whole(text, 0, end)]


def _balanced(text: str) -> str:
    """`text` with its last fence closed if it was open."""
    return text + _CLOSE if text.count("```") % 2 else text


def split(text: str, limit: int = LONGEST) -> list[str]:
    """The parts in order; none if the text is only white space. `limit` is at least 100."""
    parts: list[str] = []
    text = _balanced(text.strip("\n").rstrip())
    place, opening = 0, ""  # `opening` reopens a block at the start of the next part
    while place < len(text):
        room = limit - len(opening)
        if length(text[place : place + room + 1]) <= room:
            last = _balanced(opening + text[place:])
            if length(last) <= limit:
                parts.append(last)
                break
        end = _best(text, place, _end(text, place, room - len(_CLOSE)), fenced=bool(opening))
        part, inside = opening + text[place:end].rstrip(" \n"), _inside(text[place:end], opening)
        place = end + len(text[end:]) - len(text[end:].lstrip("\n"))
        if inside and text.startswith("```", place):  # the block ends here anyway
            place, inside, part = place + 3, "", part + _CLOSE
            place += len(text[place:]) - len(text[place:].lstrip("\n"))
        elif inside:
            part += _CLOSE
        opening = inside
        parts.append(part)
    return [part for part in parts if part.strip()]


def _end(text: str, place: int, room: int) -> int:
    """Where `room` is used up, counted from `place`."""
    end = min(len(text), place + room)
    while (surplus := length(text[place:end]) - room) > 0:
        end -= max(1, surplus // 2)
    return end


def _best(text: str, place: int, end: int, *, fenced: bool) -> int:
    """The best place to end a part that may go to `end`: the end of a line, outside a fence if possible."""
    window = text[place:end]
    lines = [found.start() for found in re.finditer("\n", text[place : end + 1])]
    late = [line for line in lines if line > len(window) // 2]
    for line in reversed(late):
        if window[:line].count("```") % 2 == fenced:
            return place + line
    if late:
        return _before_empty_block(text, place, place + late[-1])
    space = window.rfind(" ", len(window) // 2)
    if space > 0 and _is_whole(text, place + space):
        return place + space
    return _before_empty_block(text, place, _whole(text, place, end))


def _before_empty_block(text: str, place: int, end: int) -> int:
    """`end`, or the start of the last fenced block if nothing of its content came before `end`."""
    start = text.rfind("```", place, end)
    opened = _FENCE.match(text, start) if start > place else None
    return start if opened and opened.end() >= end and text[place:start].strip() else end


def _inside(part: str, opening: str) -> str:
    """What reopens the block that is open at the end of `part`; "" if none is."""
    for fence in _FENCE.finditer(part):
        opening = "" if opening else f"```{fence['language'] or ''}\n"
    return opening


def _whole(text: str, place: int, end: int) -> int:
    """`end`, or a little before it, so that no character as people see them is cut in two."""
    for candidate in range(end, max(place, end - FURTHEST_BACK), -1):
        if _is_whole(text, candidate):
            return candidate
    return end


def _is_whole(text: str, place: int) -> bool:
    if not 0 < place < len(text):
        return True
    before, after = text[place - 1], text[place]
    if _JOINER in (before, after) or _continues(after) or before == after == "`":
        return False
    if _within(before, _FLAGS) and _within(after, _FLAGS):
        return False
    start = max(0, place - LONGEST_TOKEN)
    return not any(
        found.start() < place < found.end()
        for found in _TOKEN.finditer(text, start, min(len(text), place + LONGEST_TOKEN))
    )


def _continues(letter: str) -> bool:
    """Whether this code point belongs to the character before it."""
    marks = unicodedata.category(letter) in ("Mn", "Me", "Mc")
    return marks or letter in _VARIATIONS or _within(letter, _TONES) or _within(letter, _TAGS)


def _within(letter: str, bounds: tuple[str, str]) -> bool:
    return bounds[0] <= letter <= bounds[1]
