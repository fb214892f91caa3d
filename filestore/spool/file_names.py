"""How the files of journals are named: after their person, then after their key, so that damage hides nobody.

    file_name("session u7-dm-9")    # "7-<32 hexadecimal digits>"
    theirs(folder, 7)               # every file of that person, whatever is in it

A session's person is known from its id, because what waits may be all that there is of the session. What was
named by an earlier version, after its key alone, is renamed at the start if anything in it tells the key.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from filestore.blobs.space import sync_folder
from filestore.records import person_of
from filestore.spool.writes import person_key, session_key

__all__ = ["digest", "file_name", "header", "person_of_key", "renamed", "theirs"]

# What a line says of its key: text within a line has its quotes escaped, and cannot be taken for this.
_TELLS = re.compile(rb'"(key|session_id)": ("[^"\\]+")|"(user_id)": (-?[0-9]{1,20})')
_OLD = re.compile(r"[0-9a-f]{32}")


def header(key: str) -> bytes:
    """The first line of a journal, without its end."""
    return json.dumps({"key": key}).encode()


def digest(key: str) -> str:
    """What stands for the key in the name of its file, and was all of the name in earlier versions."""
    return hashlib.sha256(header(key)).hexdigest()[:32]


def file_name(key: str) -> str:
    """The name of a key's file, without its suffix."""
    person = person_of_key(key)
    return digest(key) if person is None else f"{person}-{digest(key)}"


def person_of_key(key: str) -> int | None:
    """The person whose journal it is; None for an id of a session that names nobody."""
    kind, _, name = key.partition(" ")
    return int(name) if kind == "person" else person_of(name)


def theirs(folder: Path, user_id: int) -> list[Path]:
    """All files of a person in the folder, which need not exist."""
    return sorted(folder.glob(f"{user_id}-*"))


def renamed(path: Path) -> Path:
    """The file, with the name that it has today. Raises: OSError."""
    if _OLD.fullmatch(path.stem):
        for key in _told(path.read_bytes()):
            if digest(key) != path.stem:  # a damaged key need not even name a person
                continue
            now = path.with_name(file_name(key) + path.suffix)
            if not now.exists():
                path.rename(now)
                sync_folder(path.parent)
                return now
    return path


def _told(whole: bytes) -> Iterator[str]:
    """The keys that a file may have, from all that can still be read in it."""
    for name, text, _, number in dict.fromkeys(_TELLS.findall(whole)):
        if number:
            yield person_key(int(number))
        elif name == b"key":
            yield text[1:-1].decode(errors="replace")
        else:
            yield session_key(text[1:-1].decode(errors="replace"))
