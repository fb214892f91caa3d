"""Text is repaired at the border, and clipped to its head and tail."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.text.clipping import clip, human_size, repair

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_repaired_can_be_stored(value: object) -> None:
    """Any JSON value becomes one that can be written as standard JSON in UTF-8, without NUL."""
    text = json.dumps(repair(value), allow_nan=False, ensure_ascii=False)
    assert b"\x00" not in text.encode()
    assert "\\u0000" not in text


def test_lone_surrogates_and_nul_become_replacement_characters() -> None:
    """Whatever UTF-8 cannot hold is replaced, in keys too; whole characters stay."""
    assert repair({"a\x00": ["\ud800b", "\U0001f600"]}) == {"a\ufffd": ["\ufffdb", "\U0001f600"]}


def test_what_is_nested_too_deep_is_refused() -> None:
    """A hundred levels are enough for anybody; deeper values could not be written out again."""
    value: object = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(RecursionError):
        repair(value)


@given(JSON)
def test_what_needs_no_repair_comes_back_as_it_is(value: object) -> None:
    """A second repair finds nothing to do, and makes no copy."""
    repaired = repair(value)
    assert repair(repaired) is repaired


@given(st.text(max_size=300), st.integers(min_value=2, max_value=100))
def test_clipped_text_keeps_head_and_tail(text: str, limit: int) -> None:
    """A text over the limit keeps its ends and says how much is missing; one within it stays as it is."""
    clipped = clip(text, limit)
    if len(text) <= limit:
        assert clipped == text
    else:
        assert clipped.startswith(text[: limit // 2])
        assert clipped.endswith(text[len(text) - limit // 2 :])
        assert "left out" in clipped


@pytest.mark.parametrize(
    ("size", "read"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KB"), (50 << 20, "50 MB"), (3.1 * 2**30, "3.1 GB")],
)
def test_sizes_read_as_people_write_them(size: float, read: str) -> None:
    """In steps of 1,024, with one decimal where it matters."""
    assert human_size(size) == read
