"""The kinds of values that settings have: how they are read, and what a person is told to write.

`KINDS` has, by a field's name or type, what its value is called in --help, and what is accepted.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr

__all__ = [
    "KINDS",
    "ApiAddress",
    "Count",
    "Dollars",
    "Folder",
    "LogLevel",
    "Modules",
    "NodeAddress",
    "SandboxTier",
    "Tokens",
]

ADDRESS = re.compile(r"none|https?://\S+")
NODE = re.compile(r"auto|none|/.+|https?://.+")
KINDS: Mapping[object, tuple[str, str]] = {
    timedelta: ("duration", "a duration such as 60, 60s, 5m, 48h or 7d"),
    timedelta | None: ("duration", "a duration such as 60, 60s, 5m, 48h or 7d, or none"),
    ByteSize: ("size", "a size such as 500kB, 50MiB or 1GiB"),
    Path: ("path", "a path"),
    SecretStr | None: ("secret", "a text"),
    float | None: ("dollars", "a sum of US dollars such as 2.50, or none"),
    int | None: ("number", "a whole number, or none"),
    str: ("text", "a text"),
    # By its own name, where it is like no other.
    "max_workspace": ("size", "a size such as 50MiB or 1GiB, of 1MiB or more"),
    "max_memory": ("size", "a size such as 500MiB or 1GiB, of 64MiB or more"),
    "openai_base_url": ("address", "none, or an http(s) address"),
    "node": ("node", "auto, none, the path of a socket, or an http(s) address"),
    "preload": ("modules", "names of modules with commas between them, or none"),
}


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()  # not resolved: an environment's interpreter is a link
    except RuntimeError:  # nobody has the name after the ~
        raise ValueError from None


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _modules(value: str) -> str:
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError
    return ", ".join(names) or "none"


def _tier(value: object) -> object:
    if not isinstance(value, str):
        return value
    plain = value.strip().lower()
    return plain.upper() if len(plain) == 1 else plain


def _node(value: str) -> str:
    if not NODE.fullmatch(value):
        raise ValueError("no node")
    return value


def _address(value: str) -> str:
    if not ADDRESS.fullmatch(value):
        raise ValueError("no address")
    return value.rstrip("/")


def _none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _no_folder(value: object) -> object:
    if isinstance(value, str) and not value.strip():  # a variable that is not set; else the working folder
        raise ValueError("no path")
    return value


Folder = Annotated[Path, BeforeValidator(_no_folder), AfterValidator(_absolute)]
Count = Annotated[int, Field(ge=0)]
SandboxTier = Annotated[Literal["auto", "S", "A", "B", "none"], BeforeValidator(_tier)]
Modules = Annotated[str, AfterValidator(_modules)]
Dollars = Annotated[float | None, Field(ge=0), BeforeValidator(_none)]
Tokens = Annotated[int | None, Field(ge=0), BeforeValidator(_none)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
NodeAddress = Annotated[str, AfterValidator(_node)]
ApiAddress = Annotated[str, AfterValidator(_address)]
