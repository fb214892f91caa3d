"""Says how two texts of a cell differ; what changes each time a cell runs does not count as a difference.

    diff_texts("x = 1\\n", "x = 2\\n")       # 'only numbers: "x = 2" instead of "x = 1"'
    diff_texts("10%\\r20%", "20%")          # ""

Both are drawn as a terminal would draw them, since one of them may be just as a kernel sent it. Ignored are
addresses in memory, the times of a cell or a loop that IPython and tqdm print, and the folder of a cell's own
file.
"""

import re
from collections.abc import Callable

from kernels.text.clipping import clip, counted, strip_ansi
from kernels.text.terminal import TerminalText

__all__ = ["diff_texts"]

SHOWN = 60  # characters of a line that differs
PIECE = 1 << 16  # characters that are drawn in one step
MOST = 1 << 19  # characters of each text that are compared, which takes a second or two in the worst case
NEAR = 1 << 16  # characters up to which the kind of a difference is named
_MOVES = re.compile(r"[\r\b\x1b]")
# Bounded and possessive, so that the time is proportional to the length of the text.
_NUMBER = r"\d{1,30}+(?:[.,:]\d{1,30}+){0,5}+(?:e[-+]?\d{1,3})?"
_CHANGING = (
    # The address in a default repr, or one by itself, which begins like this on every 64-bit system.
    (re.compile(r"(?<=\bat )0x[0-9a-fA-F]+|\b0x[57][0-9a-fA-F]{11}\b"), "0x"),
    (re.compile(r"\bT_[0-9a-f]{5}"), "T_"),  # the id that pandas draws at random for a styled table
    (re.compile(r"(?<!\S)\S{0,300}?[/\\]ipykernel_\d+[/\\]\d+\.py"), "<cell>"),
    (re.compile(r"<ipython-input-\d+-[0-9a-f]+>|\bCell In\[\d+\]"), "<cell>"),
    (re.compile(r"^(?:CPU times: user|Wall time:) .*$", re.MULTILINE), "<time>"),
    (re.compile(rf"^{_NUMBER} \w{{1,9}} ± {_NUMBER} \w{{1,9}} per loop \(.*$", re.MULTILINE), "<time>"),
    (re.compile(r"(?<=\[)[\d:?]{1,20}+<[\d:?]{1,20}+, [^\]\n]{0,80}+(?=\])"), "<time>"),  # tqdm
)
_UNITS = r"(?:ns|[µμu]s|ms|s|secs?|seconds?|mins?|minutes?|h|hours?)"
_TIMES = re.compile(rf"{_NUMBER} ?{_UNITS}\b|\b\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?\b")
_DATES = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_NUMBERS = re.compile(rf"(?<!\w){_NUMBER}(?!\w)")


def diff_texts(old: str, new: str) -> str:
    """How `new` differs from `old`; "" if a person would call them the same."""
    if old == new:
        return ""
    before, after = _levelled(old[:MOST]), _levelled(new[:MOST])
    if before == after:
        return "it is too long to be compared" if max(len(old), len(new)) > MOST else ""
    kinds: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("only spaces", lambda text: "".join(text.split())),
        ("only times", lambda text: "".join(_TIMES.sub("", _DATES.sub("", text)).split())),
        ("only numbers", lambda text: "".join(_NUMBERS.sub("", text).split())),
    )
    short = max(len(before), len(after)) <= NEAR
    kind = next((name for name, without in kinds if short and without(before) == without(after)), "")
    return f"{kind}: {_told(before, after)}" if kind else _told(before, after)


def _levelled(text: str) -> str:
    text = strip_ansi(_drawn(text))
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n"))


def _drawn(text: str) -> str:
    if not _MOVES.search(text):
        return text
    terminal = TerminalText()
    for start in range(0, len(text), PIECE):
        terminal.write(text[start : start + PIECE])
    return terminal.render()


def _told(before: str, after: str) -> str:
    """The first line that differs, as it is and as it was."""
    olds, news = before.split("\n"), after.split("\n")
    number = next((n for n, (old, new) in enumerate(zip(olds, news, strict=False)) if old != new), None)
    if number is None:
        more = len(news) - len(olds)
        return f"{counted(abs(more), 'line')} {'more' if more > 0 else 'fewer'}"
    where = f"line {number + 1:,} is " if len(olds) > 1 or len(news) > 1 else ""
    return f"{where}{_quoted(news[number], olds[number])} instead of {_quoted(olds[number], news[number])}"


def _quoted(line: str, other: str) -> str:
    """The part of the line around the point where the other one begins to differ."""
    same = next((n for n, (one, two) in enumerate(zip(line, other, strict=False)) if one != two), 0)
    start = max(0, same - SHOWN // 2)
    return f'"{"…" if start else ""}{clip(line[start : start + SHOWN].strip(), SHOWN)}"'
