"""Tokens counted before a request, without a network."""

import struct
from pathlib import Path

import pytest

from bot.model.conversation import ChatMessage, Thought, ToolCall, ToolResult
from bot.model.picture_size import Size, size_of
from bot.model.prompt import TOOLS, system_prompt
from bot.model.tokens import entry_tokens, picture_tokens, request_tokens, text_tokens
from bot.request import Picture


def png(width: int, height: int) -> bytes:
    """The first bytes of a PNG of this size."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


def jpeg(width: int, height: int) -> bytes:
    """A JPEG's first segments: an application segment, then the frame."""
    return b"\xff\xd8\xff\xe0\0\4xx\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + b"..."


@pytest.mark.parametrize(
    ("size", "model", "tokens"),
    [
        # The guide's own examples.
        ((1024, 1024), "gpt-4o", 765),
        ((2048, 4096), "gpt-4o", 1105),
        ((1024, 1024), "gpt-4.1-mini", 1659),
        ((1800, 2400), "gpt-4.1-mini", 2353),
        # Calculated by its rules.
        ((512, 512), "gpt-5", 70 + 140),
        ((512, 512), "gpt-4o-mini-2024-07-18", 2833 + 5667),
        ((32, 32), "o4-mini", 2),
        ((512, 512), "gpt-6.1-terra", 308),
        ((10_000, 10_000), "gpt-6.1-terra", 3000),
        ((1, 10_000), "gpt-6.1-terra", 376),
    ],
)
def test_a_picture_is_counted_by_size_and_model(size: Size, model: str, tokens: int) -> None:
    """Tiles of 512 pixels or patches of 32, within the model's own bounds."""
    assert picture_tokens(size, model) == tokens


def test_a_picture_of_unknown_size_counts_as_a_large_one() -> None:
    """A linked picture is not fetched just to be counted."""
    assert picture_tokens(None, "gpt-4o") == 765
    linked = ChatMessage("person", "", links=("https://example.org/a.png",))
    assert entry_tokens(linked, "gpt-4o") == entry_tokens(ChatMessage("person", ""), "gpt-4o") + 765


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(640, 480), (640, 480)),
        (jpeg(640, 480), (640, 480)),
        (b"GIF89a" + struct.pack("<HH", 640, 480), (640, 480)),
        (b"RIFF....WEBPVP8 " + bytes(10) + struct.pack("<HH", 640, 480), (640, 480)),
        (b"RIFF....WEBPVP8L" + bytes(5) + struct.pack("<I", 639 | 479 << 14), (640, 480)),
        (b"RIFF....WEBPVP8X" + bytes(8) + b"\x7f\x02\0\xdf\x01\0", (640, 480)),
        (png(0, 480), None),
        (png(640, 480)[:20], None),
        (b"\xff\xd8\xff\xe0\0\4", None),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 1_000_000, None),
        (b"no picture", None),
        (b"", None),
    ],
)
def test_a_size_is_read_from_the_first_bytes(data: bytes, size: Size | None) -> None:
    """For the four formats that models take; a truncated or false header gives no size."""
    assert size_of(data) == size


def test_text_is_counted_with_the_newest_vocabulary() -> None:
    """Including a text longer than it takes at once, and one that looks like a control token."""
    assert text_tokens("hello world") == 2
    assert text_tokens("") == 0
    assert text_tokens("<|endoftext|>") > 1
    assert text_tokens("word " * 250_000) == pytest.approx(250_000, rel=0.01)


def test_a_request_counts_all_of_its_parts() -> None:
    """System prompt, tools, words, pictures, calls, results and encrypted reasoning."""
    bare = request_tokens("", [], (), "gpt-4o")
    assert (
        request_tokens(system_prompt(Path("/usr/bin/python3"), network=False), [], (), "gpt-4o") > bare + 300
    )
    assert request_tokens("", [], TOOLS, "gpt-4o") > bare + 100
    for entry, least in (
        (ChatMessage("person", "", (Picture("image/png", png(1024, 1024)),)), 765),
        (ToolCall("a", "run_python", "x" * 400), 50),
        (ToolResult("a", "", (Picture("image/png", png(1024, 1024)),)), 765),
        (Thought({"encrypted_content": "x" * 4000}), 1000),
    ):
        assert request_tokens("", [entry], (), "gpt-4o") >= bare + least
