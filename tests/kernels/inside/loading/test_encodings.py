"""Which encoding a text has, and what is no text at all."""

import pytest

from kernels.inside.loading.encodings import Encoding, decode, encoding_of, is_binary, is_text
from kernels.inside.loading.source import Source

GERMAN = "Stra\u00dfe; \u00dcber 5 \u20ac \u2013 \u201egut\u201c\n"


@pytest.mark.parametrize(
    ("data", "name", "sure"),
    [
        (b"plain", "utf-8", True),
        (GERMAN.encode(), "utf-8", True),
        (GERMAN.encode("utf-8-sig"), "utf-8-sig", True),
        (GERMAN.encode("utf-16"), "utf-16", True),
        (GERMAN.encode("utf-32"), "utf-32", True),
        (GERMAN.encode("utf-16-le"), "utf-16-le", False),
        (GERMAN.encode("utf-16-be"), "utf-16-be", False),
        (GERMAN.encode("cp1252"), "cp1252", False),
        ('<meta charset="koi8-r">\u0441\u043b\u043e\u0432\u043e'.encode("koi8-r"), "koi8-r", True),
        ("# coding: cp1251\n\u0441".encode("cp1251"), "cp1251", True),
        ('<?xml version="1.0" encoding="latin-1"?>\u00e9'.encode("latin-1"), "latin-1", True),
        (b'<meta charset="nonsense">caf\xe9', "cp1252", False),
    ],
)
def test_the_encoding_is_found(data: bytes, name: str, *, sure: bool) -> None:
    """A byte order mark, valid UTF-8 or a declaration in the file makes it certain."""
    assert encoding_of(data) == Encoding(name, sure)


def test_any_bytes_have_some_encoding() -> None:
    """Even without charset-normalizer, which is missing here too."""
    found = encoding_of(bytes(range(128, 256)) * 3)
    assert found.sure is False
    bytes(range(128, 256)).decode(found.name)


@pytest.mark.parametrize(
    ("data", "text", "binary"),
    [
        (b"a log with \x1b[31mcolours\x1b[0m and \x07\n", True, False),
        (GERMAN.encode("utf-16"), True, False),
        (GERMAN.encode("cp1252"), False, False),
        (bytes(range(256)), False, True),
        (b"\x00" * 100, False, True),
        (("\u00e9" * 40_000).encode()[:65_537], True, False),
        (b"", True, False),
    ],
)
def test_what_is_text_and_what_is_not(data: bytes, *, text: bool, binary: bool) -> None:
    """A text in another encoding is neither certainly text nor binary."""
    assert is_text(data) is text
    assert is_binary(data) is binary


def test_what_was_guessed_is_noted_and_what_was_told_is_used() -> None:
    """Including the option for bytes that cannot be decoded."""
    source = Source(GERMAN.encode("cp1252"), "a.md", "md", {})
    assert decode(source) == GERMAN
    assert source.assumed == {"encoding": "the encoding cp1252"}
    told = Source(b"caf\xe9", "a.md", "md", {"encoding": "ascii", "errors": "replace"})
    assert decode(told) == "caf\ufffd"
    assert told.assumed == {}
    assert told.options == {}
    with pytest.raises(UnicodeDecodeError):
        decode(Source(b"caf\xe9", "a.md", "md", {"encoding": "utf-8"}))
