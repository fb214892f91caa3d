"""What was assumed in order to read a file is said on one line, with the way to change it."""

import pytest

from kernels.inside.loading.source import Loaded, Source


def test_what_was_assumed_is_said_with_its_options() -> None:
    """Several are joined; mere remarks come first."""
    loaded = Loaded(
        1, "csv", {"encoding": "the encoding cp1252", "sep": "tabs", "decimal": "commas"}, ["noted"]
    )
    assert loaded.told("load_file('x')") == (
        "noted; read with the encoding cp1252, tabs and commas;"
        " to change that: load_file('x', encoding=..., sep=..., decimal=...)"
    )
    assert Loaded(1, "csv").told("load_file('x')") == ""
    assert Loaded(1, "csv", {}, ["only this"]).told("f()") == "only this"


def test_a_strangers_words_are_on_one_line() -> None:
    """Such as the names of sheets and of archive entries."""
    loaded = Loaded(None, "xlsx", {"sheet_name": 'sheet "a\nb"'}, ["it is c\x1b[2J.csv of the archive"])
    assert loaded.told("load_file('x')") == (
        'it is c_[2J.csv of the archive; read with sheet "a_b";'
        " to change that: load_file('x', sheet_name=...)"
    )


def test_options_that_no_reader_has_are_named() -> None:
    """As Python does for unknown arguments."""
    Source(b"", "a.toml", "toml", {}).use_no_options()
    with pytest.raises(TypeError, match=r"^there is no option sep or decimal$"):
        Source(b"", "a.toml", "toml", {"sep": ";", "decimal": ","}).use_no_options()
