"""No message of a kernel is larger than the other end accepts."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from kernels.inside.output import clip


@pytest.fixture
def pack() -> Any:
    """A session's packer, clipping what it packs."""
    session = SimpleNamespace(pack=lambda content: json.dumps(content).encode())
    clip.session(session)
    return session.pack


def test_an_ordinary_message_stays_as_it_is(pack: Any) -> None:
    """However many marks there are within its texts."""
    content = {"text": ',[{"\\' * 100_000, "values": [1] * 90_000}
    assert json.loads(pack(content)) == content


def test_a_long_text_keeps_its_head_and_tail(pack: Any) -> None:
    """It also says how much is missing."""
    content = {"name": "stdout", "text": f"head{'x' * (clip.LARGEST + 1)}tail"}
    told = json.loads(pack(content))
    assert told["clipped"]
    assert told["text"].startswith("headx")
    assert told["text"].endswith("xtail")
    left_out = len(content["text"]) - clip.LONGEST
    assert f"\n[... {left_out:,} characters left out ...]\n" in told["text"]
    assert clip.text("short") == "short"


def test_a_large_picture_is_left_out_and_named(pack: Any) -> None:
    """Its text stays, as does a smaller picture beside it; an error's lines are clipped."""
    data = {"image/png": "x" * (clip.LARGEST + 1), "image/jpeg": "small", "text/plain": "a figure"}
    told = json.loads(pack({"data": data}))["data"]
    assert set(told) == {"image/jpeg", "text/plain"}
    assert told["text/plain"].startswith("a figure\n[image/png left out: over 12 MB together")
    error = json.loads(pack({"traceback": ["x" * clip.LARGEST] * 3, "ename": "E"}))
    assert [len(line) < clip.LONGEST + 100 for line in error["traceback"]] == [True] * 3


def test_too_many_values_are_left_out(pack: Any) -> None:
    """Even if they take no more bytes than an ordinary message."""
    told = json.loads(pack({"data": {"application/json": [[]] * (clip.MOST_VALUES + 1)}}))["data"]
    assert set(told) == {"text/plain"}
    assert f"{clip.MOST_VALUES:,} values" in told["text/plain"]


def test_what_cannot_be_made_smaller_is_an_empty_reply(pack: Any) -> None:
    """So that the cell still ends."""
    told = json.loads(pack({"status": "ok", "metadata": [[]] * (clip.MOST_VALUES + 1)}))
    assert told == {"status": "ok", "execution_count": None}
