"""Names and anything a file says stay on one line; `test_visible` tests which characters are hidden."""

import pytest

from kernels.inside.characters import escaped, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb.csv", "a_b.csv"),
        ("\x1b[2J\u202ex", "_[2J_x"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_a_hidden_character_becomes_a_mark(text: str, shown: str) -> None:
    """Joiners, which Persian needs, are not hidden."""
    assert one_line(text) == shown


def test_the_mark_can_be_another_one() -> None:
    """Or none at all."""
    assert one_line("a\r\nb", " ") == "a  b"
    assert one_line("a\tb", "") == "ab"


@pytest.mark.parametrize("text", ["\x00", "\n", "\x9b", "\u2028", "\ud800", "\U000e0001"])
def test_an_escaped_character_is_as_python_writes_it(text: str) -> None:
    """Python can read it back, and it is on one line."""
    assert escaped(f"a{text}b") == f"a{ascii(text)[1:-1]}b"
    assert escaped("caf\u00e9 \U0001f600") == "caf\u00e9 \U0001f600"
