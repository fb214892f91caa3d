"""The types of the settings' fields: how a value is read, and what a person is told to write.

A whole number and a choice explain themselves; every other type carries a `Kind`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr

from config.units import MiB, duration

__all__ = [
    "ApiAddress",
    "Count",
    "Dollars",
    "Duration",
    "Folder",
    "Kind",
    "Limit",
    "LogLevel",
    "Memory",
    "Modules",
    "NodeAddress",
    "Places",
    "SandboxTier",
    "Secret",
    "Size",
    "SizeLimit",
    "Text",
    "Tokens",
    "Workspace",
]

ADDRESS = r"^(none|https?://\S+)$"
NODE = r"^(auto|none|/.+|https?://.+)$"


class Kind(NamedTuple):
    """Belongs to the type of a setting: what its value is called in --help, and what is accepted."""

    name: str
    accepted: str


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


def _without_slash(address: str) -> str:
    return address.rstrip("/")


def _none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _no_folder(value: object) -> object:
    if isinstance(value, str) and not value.strip():  # an unset variable would mean the working folder
        raise ValueError("no path")
    return value


def _finite(value: object) -> object:
    read = duration(value)
    if read is None:
        raise ValueError("a duration is needed")
    return read


DURATION = "a duration such as 60, 60s, 5m, 48h or 7d"
Duration = Annotated[timedelta, BeforeValidator(_finite), Kind("duration", DURATION)]
Limit = Annotated[timedelta | None, BeforeValidator(duration), Kind("duration", f"{DURATION}, or none")]
Size = Annotated[ByteSize, Field(gt=0), Kind("size", "a size such as 500kB, 50MiB or 1GiB")]
SizeLimit = Annotated[
    ByteSize | None,
    Field(gt=0),
    BeforeValidator(_none),
    Kind("size", "a size such as 500MiB or 10GiB, or none"),
]
Workspace = Annotated[ByteSize, Field(ge=MiB), Kind("size", "a size such as 50MiB or 1GiB, of 1MiB or more")]
Memory = Annotated[
    ByteSize, Field(ge=64 * MiB), Kind("size", "a size such as 500MiB or 1GiB, of 64MiB or more")
]
Count = Annotated[int, Field(ge=0)]
Dollars = Annotated[
    float | None,
    Field(ge=0),
    BeforeValidator(_none),
    Kind("dollars", "a sum of US dollars such as 2.50, or none"),
]
Places = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1)],
    BeforeValidator(_lower),
    Kind("number", "a whole number, 1 or more, or auto"),
]
Tokens = Annotated[int | None, Field(ge=0), BeforeValidator(_none), Kind("number", "a whole number, or none")]
Text = Annotated[str, Field(min_length=1), Kind("text", "a text")]
Secret = Annotated[SecretStr | None, Kind("secret", "a text")]
Folder = Annotated[Path, BeforeValidator(_no_folder), AfterValidator(_absolute), Kind("path", "a path")]
Modules = Annotated[
    str, AfterValidator(_modules), Kind("modules", "names of modules with commas between them, or none")
]
NodeAddress = Annotated[
    str, Field(pattern=NODE), Kind("node", "auto, none, the path of a socket, or an http(s) address")
]
ApiAddress = Annotated[
    str,
    Field(pattern=ADDRESS),
    AfterValidator(_without_slash),
    Kind("address", "none, or an http(s) address"),
]
SandboxTier = Annotated[Literal["auto", "S", "A", "B", "none"], BeforeValidator(_tier)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
