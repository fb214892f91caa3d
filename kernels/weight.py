"""What a parsed value costs, so that a small message cannot become a large object.

    weight([[]] * 1000)          # 64,056: bytes of memory, more than twenty times its JSON
    weight("\\x01" * 1000)        # 6,002: its JSON is larger than itself

A limit on the characters of the JSON, or of the texts in it, does not limit this: a million empty lines have
no characters at all. So every limit on what a kernel may make us hold is in this unit.
"""

from json.encoder import encode_basestring
from sys import getsizeof
from typing import Any

__all__ = ["weight"]


CONTROLS = tuple(map(chr, (*range(0x20), 0x7F)))
LONG = 1 << 16  # characters from which looking for each control by itself is the quicker way


def weight(value: Any) -> int:
    """The bytes that a JSON value takes as objects; a text whose JSON is longer counts as its JSON.

    An object counts each time that it occurs: once written and read again, it is not shared any more.
    """
    total, rest = 0, [[value]]
    while rest:
        inside = rest.pop()
        total += sum(map(getsizeof, inside))
        for one in inside:
            kind = type(one)
            if kind is str:
                if _may_grow(one):
                    total += max(0, len(encode_basestring(one)) - getsizeof(one))
            elif kind is list or kind is tuple:
                rest.append(one)
            elif kind is dict:
                rest += [list(one), list(one.values())]
    return total


def _may_grow(text: str) -> bool:
    """Whether the JSON of a text may be longer than the text itself."""
    if len(text) < LONG or not text.isascii():
        return not text.isprintable()
    return any(control in text for control in CONTROLS)
