"""A kernel's message can always be sent."""

import json
import sys
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from kernels.inside.output.packing import pack


@pytest.mark.parametrize("message", [{"text": "caf\u00e9 \U0001f600"}, {"a": [1, 2.5, None, True]}, [], "x"])
def test_an_ordinary_message_is_plain_json(message: Any) -> None:
    """In UTF-8."""
    assert json.loads(pack(message)) == message
    assert json.dumps(message, ensure_ascii=False).encode() == pack(message)


def test_what_utf8_cannot_encode_is_escaped() -> None:
    """It is the same again after decoding."""
    message = {"name": "a\udcff.csv", "text": "half of \ud83d, and caf\u00e9"}
    packed = pack(message)
    assert packed.isascii()
    assert json.loads(packed) == message


def test_what_json_has_no_words_for_is_made_text() -> None:
    """Dates as jupyter_client writes them, and NaN and infinities."""
    assert json.loads(pack({"date": datetime(2024, 1, 2, tzinfo=UTC)}))["date"].startswith("2024-01-02")
    assert json.loads(pack({"x": [float("nan"), float("inf")]})) == {"x": ["nan", "inf"]}


def test_what_contains_itself_is_refused() -> None:
    """As by json, for whoever sends it to handle."""
    message: dict[str, Any] = {}
    message["itself"] = [message]
    with pytest.raises(RecursionError):
        pack(message)


def test_a_message_is_packed_in_one_call() -> None:
    """Each message has four parts, and an encoder made for one of them takes as long as the part itself."""
    called: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        packed = pack({"status": "ok", "payload": []})
    finally:
        sys.setprofile(None)
    assert packed == b'{"status": "ok", "payload": []}'
    assert called == ["pack"]
