"""Long text in parts: whatever the text, nothing is lost or torn, and every fence is complete."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord.format.split import cut, length, split

MARKUP = ["```", "```py\n", "\n```\n", "``", "`x`", "<@123456789>", "</files get:12345678901>"]
LETTERS = ["👩‍👩‍👧‍👦", "🇨🇭🇨🇭", "👍🏽", "é", "e\u0301" * 40, "漢字" * 20, "𝔘" * 60]
SPACES = ["word ", "?", "\n", "\n\n", " " * 30, "? x" * 50, "    indented = 1\n"]
PIECES = st.sampled_from(MARKUP + LETTERS + SPACES)
TEXTS = st.lists(PIECES, max_size=120).map("".join)
LIMIT = 300


def bare(text: str) -> str:
    """What must not be lost: everything but white space and fences with their language."""
    return re.sub(r"\s|`|py", "", text)


@given(TEXTS)
def test_parts_fit_are_whole_and_lose_nothing(text: str) -> None:
    """Each part is within the limit with its fences closed, and together they say the same."""
    parts = split(text, LIMIT)
    for part in parts:
        assert 0 < length(part) <= LIMIT
        assert part.count("```") % 2 == 0
        assert part.strip()
    assert bare("\n".join(parts)) == bare(text)


@given(
    st.lists(
        st.sampled_from(["👩‍👩‍👧‍👦", "🇨🇭", "👍🏽", "<@123456789>", "<t:1234567890:R>", "e\u0301", "ab "]),
        max_size=300,
    )
)
def test_no_character_or_mention_is_torn(tokens: list[str]) -> None:
    """Every emoji, flag and mention is whole in one part."""
    parts = split("".join(tokens), LIMIT)
    for token in ("👩‍👩‍👧‍👦", "👍🏽", "<@123456789>", "<t:1234567890:R>", "e\u0301"):
        assert sum(part.count(token) for part in parts) == tokens.count(token)
    flags = [len(run) for part in parts for run in re.findall("[\U0001f1e6-\U0001f1ff]+", part)]
    assert all(run % 2 == 0 for run in flags)


@given(TEXTS, st.integers(0, 400))
def test_cut_is_a_start_that_fits(text: str, limit: int) -> None:
    """The start of the text, within the limit."""
    start = cut(text, limit)
    assert text.startswith(start)
    assert length(start) <= limit


def test_a_long_block_is_closed_and_opened_again_with_its_language() -> None:
    """Lines stay whole, and every part is a block of the same language."""
    code = "\n".join(f"line_{n} = {n}" for n in range(500))
    parts = split(f"before\n```py\n{code}\n```\nafter")
    assert len(parts) > 3
    assert all(part.startswith("```py\n") for part in parts[1:])
    assert all(part.endswith("\n```") for part in parts[:-1])
    assert parts[-1].endswith("```\nafter")
    lines = [line for part in parts for line in part.split("\n") if line.startswith("line_")]
    assert lines == code.split("\n")


def test_a_part_ends_before_a_block_where_it_can() -> None:
    """A block that fits into the next part is not broken."""
    words, block = "word " * 300, "```py\n" + "x = 1\n" * 100 + "```"
    first, second = split(f"{words}\n{block}\nend")
    assert first == words.rstrip()
    assert second == f"{block}\nend"


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_nothing_has_no_parts(text: str) -> None:
    """White space is not a message."""
    assert split(text) == []


def test_length_counts_as_discords_clients_do() -> None:
    """An emoji beyond the first Unicode plane counts as two."""
    assert [length("abc"), length("é"), length("😀")] == [3, 1, 2]
