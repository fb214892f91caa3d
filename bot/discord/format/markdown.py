"""Other people's text in Discord's Markdown, made harmless: it breaks no fence and mentions nobody.

fenced("print('```')", "py")            # with the three backticks kept apart
code_name("a`b\\n.csv")                 # `aˋb_.csv`, in backticks
plain("2 * 3 * 4")                      # with what Markdown would act on escaped
closed("so ```py\\nx")                  # Markdown that keeps its code to itself: no fence stays open
"""

import re
from collections.abc import Callable
from os.path import splitext

from bot.discord.format.ansi import coloured, has_colour
from bot.discord.format.excerpt import GAP, ends
from bot.discord.format.split import cut, length
from kernels.text.clipping import strip_ansi
from kernels.text.visible import one_line

__all__ = ["LOOKED_AT", "clipped", "closed", "code_name", "fenced", "output_block", "plain", "unfenced"]

APART = "\u200b"  # zero width space
_FENCES = re.compile("`{3,}")
_OPENING = re.compile(r"```(?:[\w+#.-]+\n)?\n*")
_CODE = re.compile(r"\\[^0-9A-Za-z\s]|(`{1,3})")  # an escaped character, or backticks
_PARAGRAPH = re.compile(r"(?=```|\n\n)")  # where it ends; code within a line goes no further
_ROWS = {length: re.compile(f"(?<!`)`{{{length}}}(?!`)") for length in (1, 2)}
_MARKS = re.compile(r"([\\*_~|`<>\[\]@]|^[#-])")
NAME = 60  # characters of a file's name that are shown
NOTICE = 40  # length of the longest line that says how much is left out
LOOKED_AT = 8  # times the room: characters at each end of a text that are looked at, colour codes included


def unfenced(text: str) -> str:
    """`text` with runs of three or more backticks kept apart."""
    return _FENCES.sub(lambda found: APART.join(found[0]), text)


def fenced(text: str, language: str | None = "", *, room: int | None = None, keep: str = "both") -> str:
    """`text` as a fenced block of at most `room` characters: see `clipped`. None is for a cell's output."""
    text = text.rstrip().lstrip("\n")
    parts: tuple[str, ...] = (text,)
    lines: int | None = None
    if room is not None and (shortened := ends(text, LOOKED_AT * room, keep)):
        parts, lines = shortened, text.count("\n") + 1
    bare: Callable[[str], str] = str
    if language is None:
        language, bare = ("ansi", _uncoloured) if any(map(has_colour, parts)) else ("", str)
        parts = tuple(map(coloured if language else strip_ansi, parts))
    text = f"\n{GAP}\n".join(unfenced(part).rstrip() for part in parts).lstrip("\n")
    if room is not None:
        room -= len(language) + len("```\n\n```")
        text = clipped(text, room, keep=keep, bare=bare, lines=lines)
    return f"```{language}\n{text or APART}\n```"


def output_block(text: str, *, room: int | None = None, keep: str = "both") -> str:
    """A cell's output as a fenced block, in its colours if it has any: see `clipped`."""
    return fenced(text, None, room=room, keep=keep)


def clipped(
    text: str, room: int, *, keep: str = "both", bare: Callable[[str], str] = str, lines: int | None = None
) -> str:
    """`text` shortened to `room`: its "head", its "tail" or "both", with a line that says what is missing.

    Lines stay whole if they are short enough; `bare` is applied to a line before it is cut. A text that was
    cut before has a line `GAP` at that place, and `lines` is the number of lines it had.
    """
    if lines is None and len(text) <= room and length(text) <= room:
        return text
    room -= NOTICE
    found = text.split("\n")
    first, count = _taken(found, {"head": room, "tail": 0}.get(keep, room // 2), bare)
    rest = found[count:]
    last, more = _taken(rest[::-1], room - length(first), bare, backwards=True) if keep != "head" else ("", 0)
    missing = (lines or len(found)) - count - more
    what = "line" if missing == 1 else "lines"
    notice = f"[… {missing:,} {what} left out …]" if missing > 0 else "[…]"
    return "\n".join(part for part in (first, notice, last) if part)


def plain(text: str) -> str:
    """`text` on one line, with everything that Markdown acts on escaped."""
    return _MARKS.sub(r"\\\1", one_line(text.replace("\n", " ")))


def closed(text: str) -> str:
    """Markdown whose code ends within it, so that the blocks after it are read as blocks.

    A fence that stays open is closed, unless nothing follows it: then it is left out. An empty block gets
    something invisible, because Discord would take its end for its content. Backticks that begin no code are
    escaped. Discord reads from left to right, and so does this; it takes time in proportion to the length.
    """
    parts: list[str] = []
    place = end = 0  # `end` is that of the paragraph that `place` is in
    while (found := _CODE.search(text, place)) is not None:
        start, row = found.start(), found[1] or ""
        parts.append(text[place:start])
        if not row:
            parts.append(found[0])
            place = found.end()
        elif (opening := _OPENING.match(text, start)) is not None:
            place = text.find("```", opening.end())
            content = text[opening.end() : place if place >= 0 else len(text)]
            if place < 0:
                content = content.rstrip()
                # On a line of its own: with the new end below it, one word would be taken for a language.
                apart = "" if "\n" in opening[0] + content else "\n"
                parts.append(f"{opening[0]}{apart}{content}\n```" if content else "")
                return "".join(parts)
            parts.append(f"{opening[0]}{content or f'{APART}\n'}```")
            place += 3
        else:
            if end <= start:
                end = boundary.end() if (boundary := _PARAGRAPH.search(text, start)) else len(text)
            closing = _ROWS[len(row)].search(text, found.end(), end)
            place = closing.end() if closing else found.end()
            parts.append(text[start:place] if closing else r"\`" * len(row))
    return "".join([*parts, text[place:]])


def code_name(name: str, limit: int = NAME) -> str:
    """A file's name as inline code, shortened to its beginning and its extension if it is long."""
    plain_name = one_line(name).replace("`", "ˋ").strip() or "unnamed"
    if len(plain_name) > limit:
        stem, suffix = splitext(plain_name)
        suffix = suffix[: limit // 4]
        plain_name = f"{stem[: limit - len(suffix) - 1]}…{suffix}"
    return f"`{plain_name}`"


def _uncoloured(text: str) -> str:
    """`text` without its colour codes, which may have kept backticks apart."""
    return unfenced(strip_ansi(text))


def _taken(
    lines: list[str], room: int, bare: Callable[[str], str], *, backwards: bool = False
) -> tuple[str, int]:
    """As many of the first lines as fit, and their number; at least a piece of the very first one."""
    taken: list[str] = []
    for line in lines:
        if line == GAP:
            break
        needed = length(line) + 1
        if needed > room:
            if not taken and room > NOTICE:
                piece = bare(line)
                taken.append(cut(piece[::-1], room)[::-1] if backwards else cut(piece, room))
            break
        taken.append(line)
        room -= needed
    count = len(taken)
    return "\n".join(taken[::-1] if backwards else taken), count
