"""Untrusted text in Discord's Markdown: it breaks no fence and stays within its limit."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord.format.markdown import clipped, closed, code_name, fenced, output_block, plain
from bot.discord.format.split import length
from kernels.text.clipping import strip_ansi

FENCE_BREAKERS = st.lists(
    st.sampled_from(["`", "``", "```", "````", "x", "\n", "\x1b[31m", "\x1b[0m"]), max_size=60
)


@given(FENCE_BREAKERS.map("".join), st.sampled_from([None, 150, 60]))
def test_no_output_breaks_its_fence(text: str, room: int | None) -> None:
    """The block has its own two fences and no others, and stays within its limit."""
    for block in (fenced(text, "py", room=room), output_block(text, room=room)):
        assert block.count("```") == 2
        assert block.startswith("```")
        assert block.endswith("\n```")
        assert room is None or length(block) <= room


@given(st.text(max_size=400), st.integers(60, 200), st.sampled_from(["head", "tail", "both"]))
def test_clipped_fits(text: str, room: int, keep: str) -> None:
    """Never longer than asked; what fits is unchanged."""
    shown = clipped(text, room, keep=keep)
    assert length(shown) <= room
    if length(text) <= room:
        assert shown == text


def test_clipping_keeps_head_and_tail_in_whole_lines_and_counts_the_rest() -> None:
    """The first and last lines stay, and a line between them says how many are missing."""
    lines = [f"line {n}" for n in range(100)]
    shown = clipped("\n".join(lines), 200).split("\n")
    missing = next(line for line in shown if line.startswith("["))
    kept = [line for line in shown if line != missing]
    assert kept[0] == "line 0"
    assert kept[-1] == "line 99"
    assert missing == f"[… {100 - len(kept)} lines left out …]"
    assert clipped("\n".join(lines), 200, keep="tail").endswith("line 98\nline 99")
    assert clipped("\n".join(lines), 200, keep="head").startswith("line 0\nline 1\n")


def test_a_coloured_block_that_is_clipped_has_no_torn_code() -> None:
    """One very long coloured line loses its colours instead of being cut inside a code."""
    block = output_block("\x1b[31m" + "ab\x1b[32mc" * 2000, room=300)
    assert length(block) <= 300
    assert strip_ansi(block).count("[3") == 0


@pytest.mark.parametrize("keep", ["head", "tail", "both"])
def test_backticks_that_only_colours_keep_apart_break_no_fence(keep: str) -> None:
    """A clipped line loses its colours, and its backticks still do not form a fence."""
    block = output_block("`\x1b[31m`\x1b[32m`" * 1000, room=1000, keep=keep)
    assert block.count("```") == 2
    assert length(block) <= 1000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plot.png", "`plot.png`"),
        ("a`b\n@everyone.csv", "`aˋb_@everyone.csv`"),
        ("rtl\u202etxt.exe", "`rtl_txt.exe`"),
        ("", "`unnamed`"),
        ("x" * 300 + ".parquet", "`" + "x" * 51 + "….parquet`"),
        ("a.b" + "c" * 300, "`a" + "….b" + "c" * 13 + "`"),
    ],
)
def test_names_are_safe_to_show(name: str, shown: str) -> None:
    """A name is one line of inline code, and nothing in it can break out."""
    assert code_name(name) == shown


def test_plain_text_is_shown_as_it_is() -> None:
    """Every character that has a meaning in Markdown or a mention is escaped with a backslash."""
    assert plain("*a* <@1> `b`\n# c") == r"\*a\* \<\@1\> \`b\` # c"
    assert plain("# no heading - no list") == r"\# no heading - no list"


BLOCK = re.compile(r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n][\s\S]*?)\n*```", re.IGNORECASE)
INLINE = re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)")


def acted_on(text: str) -> str:
    """The parts of a message that are not code, as Discord's clients read it: from left to right."""
    rest, place = "", 0
    while place < len(text):
        found = (
            re.compile(r"\\[^0-9A-Za-z\s]").match(text, place)
            or BLOCK.match(text, place)
            or INLINE.match(text, place)
        )
        rest += "" if found else text[place]
        place = found.end() if found else place + 1
    return rest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a `b` ``c ` d`` ```e``` f", "a `b` ``c ` d`` ```e``` f"),
        ("```py\nx = '`'\n```\nso", "```py\nx = '`'\n```\nso"),
        ("so ```py\nx", "so ```py\nx\n```"),
        ("so\n```py\n", "so\n"),
        ("so ```x", "so ```\nx\n```"),
        ("```", ""),
        ("```\n```", "```\n\u200b\n```"),
        ("a ` b\n\nc ` d", "a \\` b\n\nc \\` d"),
        ("it's ` then\n```\n`\n```", "it's \\` then\n```\n`\n```"),
        (r"\`", r"\`"),
    ],
)
def test_code_ends_within_its_markdown(text: str, shown: str) -> None:
    """Complete code stays as it is; code left open is closed, left out or escaped."""
    assert closed(text) == shown
    assert closed(shown) == shown


@given(
    st.lists(st.sampled_from(["`", "``", "```", "x", "py", "\n", "\n\n", "\\", " "]), max_size=40).map(
        "".join
    )
)
def test_no_words_open_the_blocks_after_them(words: str) -> None:
    """Output with its own backticks and links stays code below any words, even in several blocks."""
    output = fenced("OUTPUT ` `` [OUTPUT](https://x.example)")
    message = "\n".join([closed(words), output, closed(words), output])
    assert "OUTPUT" not in acted_on(message)
    assert message.count("```") % 2 == 0


@pytest.mark.parametrize("piece", ["` ", "`` ` ", "```", "\\`", "`a\n\n", "``````x", "```py\n```"])
def test_closing_takes_no_longer_than_the_words(piece: str) -> None:
    """Hundreds of thousands of backticks take less than a second."""
    before = time.process_time()
    closed(piece * (1_000_000 // len(piece)))
    assert time.process_time() - before < 5
