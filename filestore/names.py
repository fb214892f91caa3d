"""File ids and file names: how they are drawn, recognised and repaired.

An id is ten characters without look-alikes (no 0 o 1 l i), drawn by `secrets`: 31**10 = 8e14 of them.
People may type it in any case.
"""

import re
import secrets
import unicodedata

from filestore.records import storable

ID_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
ID_LENGTH = 10
NAME_LIMIT = 255  # bytes of UTF-8, the limit of file systems
SUFFIX_LIMIT = 32  # bytes of a long name's extension that are kept, so that its type survives
UNNAMED = "unnamed"

_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_LENGTH}}}")
# Control characters, characters that reorder or hide the text around them, and separators; but not the
# joiners, which Persian and emoji need.
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


def new_file_id() -> str:
    """A new id; the store's unique index decides whether it is free."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def file_id_of(value: object) -> str | None:
    """The id that `value` spells, in lower case; None if it cannot be one."""
    if not isinstance(value, str) or len(value) > 4 * ID_LENGTH:
        return None
    folded = value.strip().lower()
    return folded if _ID.fullmatch(folded) else None


def clean_name(name: str) -> str:
    """A name of at most 255 bytes that can be stored, fits on one line and never leaves its folder.

    It may contain folders ("plots/a.png"); a long name keeps its beginning and its extension.
    """
    visible = "".join(
        "_" if unicodedata.category(letter) in _INVISIBLE and letter not in _JOINERS else letter
        for letter in storable(name)
    )
    return _descending(_clip(_descending(visible))) or UNNAMED  # clipping "a/..b" can leave "a/.."


def _descending(name: str) -> str:
    return "/".join(part for part in name.split("/") if part.strip() not in ("", ".", ".."))


def _clip(name: str) -> str:
    raw = name.encode()
    if len(raw) <= NAME_LIMIT:
        return name
    suffix = name[dot:].encode() if (dot := name.rfind(".")) > name.rfind("/") else b""
    if len(suffix) > SUFFIX_LIMIT:
        suffix = b""
    return raw[: NAME_LIMIT - len(suffix)].decode(errors="ignore") + suffix.decode()
