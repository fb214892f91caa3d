"""JSON of long texts is the same as json's, and a picture is not looked at character by character."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.wire import json_texts
from kernels.wire.json_texts import dumps

PICTURE = "iVBORw0KGgo+" * 1000
VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from([PICTURE, PICTURE + "\n", "ä" * 9000]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture(autouse=True, scope="module")
def soon_long() -> Any:
    """Texts of some thousands of characters count as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_texts, "LONG", 4000)
        yield


@given(VALUES)
def test_it_is_what_json_says(value: Any) -> None:
    """Whatever is in it, at whatever depth, with long texts that have something to escape or not."""
    assert dumps(value) == json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), '"', "\\", "\x7f", "ä", "\u2028", "\ud800"])
def test_each_character_of_a_long_text_is_as_in_json(character: str) -> None:
    """First, last, and in the middle."""
    for text in (character + PICTURE, PICTURE + character, PICTURE + character + PICTURE):
        assert dumps({"a": (text, PICTURE)}) == json.dumps({"a": (text, PICTURE)}, ensure_ascii=False)


def test_a_picture_takes_a_part_of_the_time() -> None:
    """24 ms of 8 MB, in which nobody else had a turn, are 5."""
    shown = {"data": {"image/png": PICTURE * 700}}

    def least(write: Any) -> float:
        times = []
        for _ in range(5):
            began = time.thread_time()
            write(shown)
            times.append(time.thread_time() - began)
        return min(times)

    assert least(dumps) < least(lambda value: json.dumps(value, ensure_ascii=False)) / 1.5
