"""Discord's markdown as blocks of spans. Pure; nothing is measured or drawn here.

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
FENCE = re.compile(r"```(?:([a-zA-Z0-9_+-]*)\n)?(.*?)```", re.DOTALL)
STARTS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("small", re.compile(r"-# +(.*)")),
    ("heading", re.compile(r"#{1,3} +(.*)")),
    ("item", re.compile(r"[-*] +(.*)")),
    ("quote", re.compile(r"> ?(.*)")),
)
MARKS = {"**": "bold", "__": "underlined", "~~": "struck", "*": "italic", "_": "italic"}
INLINE = re.compile(
    r"\\(?P<escaped>[^\w\s])"
    r"|(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|<@!?(?P<user>\d+)>"
    r"|<t:(?P<moment>\d+)(?::\w)?>"
    r"|\[(?P<label>[^\]\n]+)\]\(<?(?P<link>https?://[^\s)>]+)>?\)"
    r"|(?P<mark>\*\*|__|~~|\*|(?<!\w)_)(?=\S)(?P<inner>.+?)(?<=[^\s\\])(?P=mark)(?![*]|(?<=_)\w)",
    re.DOTALL,
)
UNITS = (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600), ("minute", 60))


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of one kind; only a fence has several."""

    kind: Kind
    lines: tuple[Line, ...]


def blocks(text: str, names: Mapping[int, str], now: float) -> list[Block]:
    """The blocks of a message; `names` are those of mentioned users, `now` is when it is read."""
    found: list[Block] = []
    end = 0
    for fence in FENCE.finditer(text):
        found += _prose(text[end : fence.start()], names, now)
        found.append(_fence(fence[1] or "", fence[2]))
        end = fence.end()
    return [*found, *_prose(text[end:], names, now)]


def preview(shown: Sequence[Block]) -> Line:
    """A whole message as the one line above its answer: a fence in it is a piece of code."""
    spans: list[Span] = []
    for block in shown:
        spans += [Span(" ")] if spans and not spans[-1].text.endswith(" ") else []
        if block.kind == "fence":
            spans.append(Span(" ".join("".join(s.text for s in line) for line in block.lines), look="code"))
        else:
            spans += block.lines[0]
    return joined(spans)


def relative(moment: float, now: float) -> str:
    """A time as `<t:..:R>` shows it: "in 2 days", "5 minutes ago"."""
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
    for line in text.strip("\n").split("\n") if text.strip() else ():
        kind, words = next(
            ((kind, match[1]) for kind, start in STARTS if (match := start.fullmatch(line))), ("text", line)
        )
        yield Block(kind, (tuple(_spans(words, Span(""), names, now)),))


def _spans(text: str, like: Span, names: Mapping[int, str], now: float) -> Iterator[Span]:
    """The spans of a line; what stands within marks looks `like` what is around it, and a bit more."""
    end = 0
    for found in INLINE.finditer(text):
        if found.start() > end:
            yield replace(like, text=text[end : found.start()])
        end = found.end()
        if found["escaped"]:
            yield replace(like, text=found["escaped"])
        elif found["code"]:
            yield replace(like, text=found["code"].strip(), look="code")
        elif found["user"]:
            yield replace(like, text=f"@{names.get(int(found['user']), 'unknown')}", look="mention")
        elif found["moment"]:
            yield replace(like, text=relative(int(found["moment"]), now), look="time")
        elif found["link"]:
            yield replace(like, text=found["label"], look="link")
        else:
            marked: Any = {MARKS[found["mark"]]: True}
            yield from _spans(found["inner"], replace(like, **marked), names, now)
    if end < len(text):
        yield replace(like, text=text[end:])
