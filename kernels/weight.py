"""What a parsed value costs, so that a small message cannot become a large object.

    weight([[]] * 1000)          # 64,056: bytes of memory, more than twenty times its JSON
    weight("\\x01" * 1000)        # 6,002: its JSON is larger than itself

A limit in characters of JSON, or of the texts alone, bounds neither: a million empty lines have no character
at all. Every limit on what a kernel may have us hold is therefore in this unit.
"""

from json.encoder import encode_basestring
from sys import getsizeof
from typing import Any

__all__ = ["weight"]


def weight(value: Any) -> int:
    """The bytes that a JSON value takes as objects, or as JSON again where a text takes more so.

    Each object counts as often as it is there: once written down and read again it is not shared any more.
    """
    total, rest = 0, [[value]]
    while rest:
        inside = rest.pop()
        total += sum(map(getsizeof, inside))
        for one in inside:
            kind = type(one)
            if kind is str:
                if not one.isprintable():
                    total += max(0, len(encode_basestring(one)) - getsizeof(one))
            elif kind is list or kind is tuple:
                rest.append(one)
            elif kind is dict:
                rest += [list(one), list(one.values())]
    return total
