"""JSON and similar formats become dicts and lists."""

import plistlib
from collections.abc import Callable
from typing import Any

import pytest

from kernels.inside.loading import structured
from kernels.inside.loading.source import Source


def source(text: str, **options: Any) -> Source:
    """A file with this text."""
    return Source(text.encode(), "a.json", "json", options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1, 2]", [1, 2]),
        ("\ufeff3", 3),
        ("[]", []),
        ('[{"a": 1}, 2]', [{"a": 1}, 2]),
    ],
)
def test_a_value_is_what_it_is(text: str, value: object) -> None:
    """Only a list of objects is a table, which needs pandas."""
    assert structured.read_json(source(text)) == value


def test_several_values_are_a_list() -> None:
    """Whatever separates them; a note says so."""
    made = source("1 [2],\n3\x1e4\n")
    assert structured.read_json(made) == [1, [2], 3, 4]
    assert made.notes == ["it has 4 JSON values, one after the other"]
    assert structured.read_json_lines(source('"a"\n"b"\n')) == ["a", "b"]
    assert structured.read_json_lines(source("")) == []


@pytest.mark.parametrize("text", ['{"a": }', "nonsense", "1 2 nonsense"])
def test_what_is_no_json_is_an_error(text: str) -> None:
    """The error is that of Python's own reader."""
    with pytest.raises(ValueError, match="Expecting"):
        structured.read_json(source(text))


def test_toml_is_a_dict() -> None:
    """It takes no options but the encoding."""
    assert structured.read_toml(source("a = 1", encoding="utf-8")) == {"a": 1}
    with pytest.raises(TypeError, match="no option sep"):
        structured.read_toml(source("a = 1", sep=";"))


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_a_property_list_is_its_content(form: Any) -> None:
    """A .plist from another program is a text, or an error."""
    read: Callable[[Source], Any] = structured.property_list
    assert read(Source(plistlib.dumps({"a": 1}, fmt=form), "a.plist", "plist", {})) == {"a": 1}
    assert read(source("some words")) == "some words"
    with pytest.raises(plistlib.InvalidFileException):
        read(Source(b"\x00\x01", "a.plist", "plist", {}))
