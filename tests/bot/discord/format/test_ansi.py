"""Terminal colours, translated to those that Discord supports."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord.format.ansi import coloured


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[39m plain", "\x1b[0;31mred\x1b[0m plain"),
        ("\x1b[1;31mred\x1b[22m", "\x1b[0;1;31mred\x1b[0m"),
        ("\x1b[38;5;28;01mgreen\x1b[39;00m", "\x1b[0;1;32mgreen\x1b[0m"),
        ("\x1b[38;5;241mgrey", "\x1b[0;30mgrey\x1b[0m"),
        ("\x1b[38;2;250;250;10myellow", "\x1b[0;33myellow\x1b[0m"),
        ("\x1b[48;5;196mback", "\x1b[0;41mback\x1b[0m"),
        ("\x1b[91;103mbright", "\x1b[0;31;43mbright\x1b[0m"),
        ("\x1b[34mtwo\nlines\x1b[0m", "\x1b[0;34mtwo\x1b[0m\n\x1b[0;34mlines\x1b[0m"),
        ("\x1b[2J\x1b[5mno\x1b]0;title\x07 \x08more", "no more"),
        ("\x1b[31m\x1b[32mlast", "\x1b[0;32mlast\x1b[0m"),
        ("\x1b[38;5mshort", "\x1b[0;30mshort\x1b[0m"),
    ],
)
def test_colours_become_discords_own(text: str, shown: str) -> None:
    """256 and true colours become eight, what cannot be shown is removed, each line sets its own colours."""
    assert coloured(text) == shown


SUPPORTED = re.compile(r"\x1b\[0(;1)?(;4)?(;3[0-7])?(;4[0-7])?m")


@given(
    st.lists(
        st.sampled_from(["\x1b[", "38;5;", "1;", "m", "4", "x", "\n", "\x1b", "999", ":", "0"]), max_size=40
    )
)
def test_only_supported_codes_come_out(pieces: list[str]) -> None:
    """Whatever goes in, the escapes that come out are ones that Discord knows."""
    assert "\x1b" not in SUPPORTED.sub("", coloured("".join(pieces)))
