"""Discord's Markdown as the README's pictures show it."""

import pytest

from docs.pictures.drawing.markdown import blocks, preview, relative
from docs.pictures.drawing.spans import Line, Span

NOW = 1_700_000_000.0


def spans(text: str) -> Line:
    """The spans of a text that is one block."""
    (block,) = blocks(text, {7: "ada"}, NOW)
    return block.lines[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**b** and *i*", [Span("b", bold=True), Span(" and "), Span("i", italic=True)]),
        ("**b *both***", [Span("b ", bold=True), Span("both", bold=True, italic=True)]),
        ("~~s~~ __u__", [Span("s", struck=True), Span(" "), Span("u", underlined=True)]),
        ("`a*b*c`", [Span("a*b*c", look="code")]),
        ("``a`b``", [Span("a`b", look="code")]),
        (r"2 \* 3 \* 4", [Span("2 * 3 * 4")]),
        (r"\*no\* \_no\_ \`no\` \~~no~~ \\", [Span("*no* _no_ `no` ~~no~~ \\")]),
        (r"**a \* b** *c\*d*", [Span("a * b", bold=True), Span(" "), Span("c*d", italic=True)]),
        (
            r"__e \_ f__ **a\*** b",
            [Span("e _ f", underlined=True), Span(" "), Span("a*", bold=True), Span(" b")],
        ),
        (r"**`a\*b`**", [Span("a\\*b", bold=True, look="code")]),
        (
            r"[a \*b\* \] **c**](https://example.org)",
            [Span("a *b* ] ", look="link"), Span("c", bold=True, look="link")],
        ),
        ("snake_case_name and 2 * 3 * 4", [Span("snake_case_name and 2 * 3 * 4")]),
        ("<@7> <@8>", [Span("@ada", look="mention"), Span(" "), Span("@unknown", look="mention")]),
        ("expires <t:1700172800:R>", [Span("expires "), Span("in 2 days", look="time")]),
        ("[docs](https://example.org)", [Span("docs", look="link")]),
    ],
)
def test_words_have_their_looks(text: str, expected: list[Span]) -> None:
    """Markup becomes styling and is not shown; text that only resembles markup stays as it is."""
    assert list(spans(text)) == expected


def test_lines_have_their_kinds() -> None:
    """The start of a line says what it is; every line break counts, except those around a fence."""
    text = "# head\nwords\n\n- item\n> said\n```py\n# no heading\n- 1\n```\n-# small"
    kinds = [block.kind for block in blocks(text, {}, NOW)]
    assert kinds == ["heading", "text", "text", "item", "quote", "fence", "small"]


def test_python_is_coloured_and_stays_the_same_text() -> None:
    """A Python fence is coloured by token; none of its text is lost, not even blank lines."""
    (block,) = blocks("```py\ndef f():\n\n    return 'a'\n```", {}, NOW)
    assert ["".join(span.text for span in line) for line in block.lines] == ["def f():", "", "    return 'a'"]
    assert block.lines[0][0].text == "def"
    assert block.lines[0][0].colour == block.lines[2][-3].colour != ""


def test_ansi_codes_are_colours() -> None:
    """The codes of an `ansi` fence colour what follows, across lines, until they are reset."""
    (block,) = blocks("```ansi\n\x1b[1;31mE\nF\x1b[0m: no\n```", {}, NOW)
    first, second = block.lines
    assert first == (Span("E", bold=True, colour="#dc322f"),)
    assert second == (Span("F", bold=True, colour="#dc322f"), Span(": no"))


def test_other_fences_are_plain() -> None:
    """A fence without a language keeps codes and marks as text."""
    (block,) = blocks("```\n**a**\n```", {}, NOW)
    assert block.lines == ((Span("**a**"),),)


@pytest.mark.parametrize(
    ("away", "told"),
    [(172_800, "in 2 days"), (3600, "in an hour"), (-300, "5 minutes ago"), (-86_400, "a day ago")],
)
def test_relative_times(away: float, told: str) -> None:
    """Times are shown relative to now, in the largest unit."""
    assert relative(NOW + away, NOW) == told


def items(text: str) -> list[tuple[str, int, str, str]]:
    """The kind, depth, mark and text of each block."""
    return [
        (block.kind, block.depth, block.mark, "".join(span.text for span in block.lines[0]))
        for block in blocks(text, {}, NOW)
    ]


def test_lists_are_as_deep_as_they_are_indented() -> None:
    """Whatever the indents are; numbers are kept, and a line that continues an item lies below its text."""
    assert items("- a\n  - b\n     * c\n  - d\n1. e\n    2. f") == [
        ("item", 0, "-", "a"),
        ("item", 1, "-", "b"),
        ("item", 2, "-", "c"),
        ("item", 1, "-", "d"),
        ("item", 0, "1.", "e"),
        ("item", 1, "2.", "f"),
    ]
    assert items("- a\n  more\nno more\n  - alone") == [
        ("item", 0, "-", "a"),
        ("text", 1, "", "more"),
        ("text", 0, "", "no more"),
        ("item", 0, "-", "alone"),
    ]


def test_an_escaped_start_is_no_start() -> None:
    """An escaped mark starts no list, heading, quote or fence."""
    starts = ("- a", "# b", "> c", "-# d")
    assert items("\n".join(f"\\{start}" for start in starts)) == [("text", 0, "", start) for start in starts]
    fence = ("```py", "print(1)", "```")
    assert items("\\`\\`\\`py\nprint(1)\n\\`\\`\\`") == [("text", 0, "", line) for line in fence]
    assert items("\\```py") == [("text", 0, "", "```py")]


def test_preview_is_one_line() -> None:
    """The message that is replied to is shown in one line, including its code."""
    shown = preview(blocks("look:\n```py\na = 1\nb\n```", {}, NOW))
    assert shown == (Span("look: "), Span("a = 1 b", look="code"))
