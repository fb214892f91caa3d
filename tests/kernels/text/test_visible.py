"""Which characters of strangers' texts are shown, and that all our packages agree on it."""

import sys
import unicodedata

import pytest

from config.log import ESCAPED
from filestore.names import clean_name
from kernels.text.visible import drawn, escaped, one_line, text
from kernels.workspace.names import shown_name

JOINERS = "\u200c\u200d"


def test_what_is_hidden_is_what_unicode_calls_so() -> None:
    """Controls, format characters, surrogates and separators, and nothing else, such as emoji or Persian."""
    letters = [chr(code) for code in range(sys.maxunicode + 1)]
    hidden = [one for one in letters if unicodedata.category(one) in ESCAPED and one not in JOINERS]
    assert [letter for letter in letters if one_line(letter) != letter] == hidden
    assert one_line("a b\u200c") == "a b\u200c"


@pytest.mark.parametrize("letter", ["\x1b", "\x9b", "\x85", "\u202e", "\u061c", "\u200b", "\u2028", "\ufeff"])
def test_names_logs_and_stored_files_hide_the_same(letter: str) -> None:
    """The same set in each of the packages that do not import each other."""
    assert one_line(f"a{letter}b") == "a_b"
    assert letter not in escaped(f"a{letter}b")
    assert letter not in shown_name(f"a{letter}b")
    assert clean_name(f"a{letter}b") == "a_b"
    assert unicodedata.category(letter) in ESCAPED


def test_the_file_store_hides_all_that_we_hide() -> None:
    """It imports nothing of ours, so it lists the categories itself; it turns surrogates into U+FFFD."""
    hidden = [letter for code in range(sys.maxunicode + 1) if one_line(letter := chr(code)) != letter]
    for letter in hidden:
        assert clean_name(f"a{letter}b") in ("a_b", "a\ufffdb")
    assert [clean_name(f"a{letter}b") for letter in JOINERS] == [f"a{letter}b" for letter in JOINERS]


def test_text_of_lines_keeps_tabs_and_newlines() -> None:
    """Other controls become their pictures; those of C1 have none and become the replacement character."""
    assert text("a\tb\nc\rd\x1b[2J\x9b2J\x7f") == "a\tb\nc\u240dd\u241b[2J\ufffd2J\u2421"
    assert text("a\x1bb", "") == "ab"


@pytest.mark.parametrize("kept", ["\x1b[31;1mred\x1b[0m", "50%\r100%\n", "ab\b\bc", "\x1b[2A\x1b[K"])
def test_what_redraws_a_line_is_drawn(kept: str) -> None:
    """Colours and progress bars stay as the cell wrote them."""
    assert drawn(kept) == kept


C1 = [chr(code) for code in range(0x80, 0xA0)]


@pytest.mark.parametrize(
    "acts",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b[6n",
        "\x1bPq",
        "\x1bc",
        "\x1b[?1049h",
        "\x0e",
        "\x0c",
        "\x07",
        "\x00",
        *C1,
    ],
)
def test_what_acts_on_a_terminal_is_not_drawn(acts: str) -> None:
    """Nothing clears, names or rings it, makes it answer, or changes its alphabet; C1 counts as ESC does."""
    assert not set(drawn(acts)) & {"\x1b", "\x0e", "\x0c", "\x07", "\x00", *C1}
