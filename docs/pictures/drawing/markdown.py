"""Discord's Markdown as blocks of spans. Pure: nothing is measured or drawn here.

for block in blocks(text, names={7: "ada"}, now=1_700_000_000): ...
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from docs.pictures.drawing.colours import ansi, python
from docs.pictures.drawing.spans import Line, Span, joined

__all__ = ["Block", "blocks", "preview", "relative"]

Kind = Literal["text", "small", "heading", "item", "quote", "fence"]
FENCE = re.compile(r"(?<!\\)```(?:([a-zA-Z0-9_+-]*)\n)?(.*?)```", re.DOTALL)
STARTS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("small", re.compile(r"-# +(.*)")),
    ("heading", re.compile(r"#{1,3} +(.*)")),
    ("quote", re.compile(r"> ?(.*)")),
)
ITEM = re.compile(r"(?P<indent> *)(?P<mark>[-*]|\d+\.) +(?P<words>.*)")
# The markup that Discord's clients look for in a line, in their order. It may enclose escaped marks.
INNER = r"(?:\\.|[^\\])+?"
INLINE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("escaped", re.compile(r"\\([^0-9A-Za-z\s])")),
    ("code", re.compile(r"(?:(?<!`))(`+)(?!`)(.*?[^`])\1(?!`)")),
    ("user", re.compile(r"<@!?(\d+)>")),
    ("moment", re.compile(r"<t:(\d+)(?::\w)?>")),
    ("link", re.compile(r"\[((?:\\.|[^\\\]])+)\]\(<?https?://[^\s)>]+>?\)")),
    ("bold", re.compile(rf"\*\*({INNER})\*\*(?!\*)")),
    ("underlined", re.compile(rf"__({INNER})__(?!_)")),
    ("struck", re.compile(rf"~~(?=\S)({INNER}(?<=\S))~~")),
    ("italic", re.compile(rf"\*(?=\S)({INNER}(?<=\S))\*(?!\*)")),
    ("italic", re.compile(rf"\b_({INNER})_\b")),
)
UNITS = (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600), ("minute", 60))


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of one kind; only a fence has several.

    A list item has its `mark`, "-" or, for example, "1.", and its `depth`, 0 in the outermost list. Text that
    continues an item is one deeper than the item, since it is aligned with the item's words.
    """

    kind: Kind
    lines: tuple[Line, ...]
    depth: int = 0
    mark: str = ""


def blocks(text: str, names: Mapping[int, str], now: float) -> list[Block]:
    """The blocks of a message. `names` has mentioned users by id; `now` is when it is read."""
    found: list[Block] = []
    end = 0
    for fence in FENCE.finditer(text):
        found += _prose(text[end : fence.start()], names, now)
        found.append(_fence(fence[1] or "", fence[2]))
        end = fence.end()
    return [*found, *_prose(text[end:], names, now)]


def preview(shown: Sequence[Block]) -> Line:
    """A whole message as the one line above its reply; a code block becomes inline code."""
    spans: list[Span] = []
    for block in shown:
        spans += [Span(" ")] if spans and not spans[-1].text.endswith(" ") else []
        if block.kind == "fence":
            spans.append(Span(" ".join("".join(s.text for s in line) for line in block.lines), look="code"))
        else:
            spans += block.lines[0]
    return joined(spans)


def relative(moment: float, now: float) -> str:
    """A time as `<t:...:R>` shows it: "in 2 days", "5 minutes ago"."""
    away = abs(moment - now)
    name, size = next(((name, size) for name, size in UNITS if round(away / size) >= 1), ("second", 1))
    count = round(away / size)
    told = f"{count} {name}{'' if count == 1 else 's'}" if count > 1 or name == "second" else f"a {name}"
    told = "an hour" if told == "a hour" else told
    return f"in {told}" if moment >= now else f"{told} ago"


def _fence(language: str, text: str) -> Block:
    text = text.strip("\n")
    if language == "ansi":
        return Block("fence", ansi(text))
    if language in ("py", "python"):
        return Block("fence", python(text))
    return Block("fence", tuple((Span(line),) for line in text.split("\n")))


def _prose(text: str, names: Mapping[int, str], now: float) -> Iterator[Block]:
    lists: list[int] = []  # the indents of the lists that are open, the outermost first
    for line in text.strip("\n").split("\n") if text.strip() else ():
        item = ITEM.fullmatch(line)
        kind: Kind = "text"
        words, depth, mark = line, 0, ""
        if item is not None:
            indent = len(item["indent"])
            while lists and lists[-1] > indent:
                lists.pop()
            if not lists or lists[-1] < indent:
                lists.append(indent)
            kind, words, depth = "item", item["words"], len(lists) - 1
            mark = item["mark"].replace("*", "-")
        elif lists and line.startswith(" ") and line.strip():
            words, depth = line.strip(), len(lists)
        else:
            lists = []
            kind, words = next(
                ((kind, match[1]) for kind, start in STARTS if (match := start.fullmatch(line))), (kind, line)
            )
        yield Block(kind, (joined(tuple(_spans(words, Span(""), names, now))),), depth, mark)


def _spans(text: str, like: Span, names: Mapping[int, str], now: float) -> Iterator[Span]:
    """The spans of a line, styled `like` the given one; text within marks adds their style."""
    place = start = 0
    while place < len(text):
        name, found = next(
            ((name, found) for name, rule in INLINE if (found := rule.match(text, place))), ("", None)
        )
        if found is None:
            place += 1
            continue
        if place > start:
            yield replace(like, text=text[start:place])
        start = place = found.end()
        match name:
            case "escaped":
                yield replace(like, text=found[1])
            case "code":
                yield replace(like, text=found[2].strip(), look="code")
            case "user":
                yield replace(like, text=f"@{names.get(int(found[1]), 'unknown')}", look="mention")
            case "moment":
                yield replace(like, text=relative(int(found[1]), now), look="time")
            case "link":
                yield from _spans(found[1], replace(like, look="link"), names, now)
            case _:
                more: Any = {name: True}
                yield from _spans(found[1], replace(like, **more), names, now)
    if start < len(text):
        yield replace(like, text=text[start:])
