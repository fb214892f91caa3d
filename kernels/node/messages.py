"""What bot and node say to each other: every message with its fields, and why a websocket is closed.

    check(command)          # a bot's command, before it is carried out; raises NotUnderstood
    schema()                # all of it as plain data, of which a test keeps the digest

Whoever changes what is declared here, or a value that travels, raises `kernels.node.PROTOCOL`: a test demands
it. A field that the reader does not know is ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, get_type_hints

from kernels.broker import FileRow
from kernels.cell.codec import EVENTS
from kernels.cell.result import RunResult, Variable
from kernels.errors import KernelError
from kernels.limits import Limits
from kernels.workspace.captured import CapturedFile, Skipped

__all__ = [
    "COMMANDS",
    "DELETED",
    "FAILED",
    "NEWS",
    "REFUSED",
    "REPLACED",
    "STOPPED",
    "TOLD",
    "TOO_LARGE",
    "NotUnderstood",
    "check",
    "schema",
]

# Why the node closes a websocket (RFC 6455, section 7.4: 4000 and above are for private use).
TOO_LARGE = 1009  # a message was larger than the other end takes
REPLACED = 4000  # another program has taken this session over
REFUSED = 4001  # what the bot says cannot be understood
STOPPED = 4002  # the node was told to stop, and ends its kernels
DELETED = 4003  # the session was deleted
FAILED = 4004  # the session cannot be served; why was said before

Shape = Mapping[str, type | tuple[type, ...]]
NUMBER = (int, float)

# By its `do`, the fields of a bot's command beside `m`, its number.
COMMANDS: Mapping[str, Shape] = {
    "enter": {"run": str, "turn": str, "code": str, "allow_input": bool},
    "start": {"run": str, "tag": int},
    "leave": {"run": str},
    "interrupt": {"run": str},
    "stop": {"run": str},
    "decide": {"run": str, "kill": bool},
    "answer": {"run": str, "text": str},
    "extend": {"run": str, "seconds": NUMBER},
    "settle": {"run": str},
    "acknowledge": {"numbers": list},
    "told": {"ask": int},  # and what is told, which depends on what was asked
    "state": {},
    "restart": {},
    "catch up": {"since": (int, float, NoneType)},
}
# By what tells it apart: the fields of a piece of news beside `n`, its number.
NEWS: Mapping[str, Shape] = {
    "event": {"run": str, "event": dict},
    "result": {"run": str, "result": dict, "variables": list},
    "error": {"run": str, "error": dict},
    "late event": {"late": str, "event": dict},
    "late scan": {"late": int, "scan": dict},
    "value": {"call": int, "value": (dict, NoneType)},
    "refusal": {"call": int, "error": dict},
    "large": {"large": bool},
}
# What else is said on a websocket, and of a node as a whole.
TOLD: Mapping[str, Shape] = {
    "the bot's hello": {"client": str, "limits": dict},
    "hello": {"got": int, "runs": list, "asked": tuple, "limits": dict},
    "a run in it": {"run": str, "tag": int, "turn": str, "began": (int, float, NoneType), "code": str},
    "untold": {"sessions": list},
    "refused": {"refused": dict},
    "log": {"got": int, "log": list},
    "question": {"ask": int, "op": str, "wanted": str},
    "scan": {"captured": list, "skipped": list},
    "state": {"alive": bool, "busy": bool, "variables": list},
    "node": {"protocol": int, "id": str, "tier": str, "pid": int, "kernels": dict, "alive": int},
}
VALUES = (*EVENTS.values(), RunResult, Variable, Skipped, CapturedFile, FileRow, Limits)


class NotUnderstood(KernelError):
    """A command of another version, or none at all."""


def check(command: Mapping[str, Any]) -> None:
    """Refuse a command that is not known, or lacks what belongs to it. Raises: NotUnderstood."""
    shape = COMMANDS.get(command.get("do", ""))
    if shape is None:
        raise NotUnderstood(f"this node does not know the command {command.get('do')!r:.100}")
    for name, kind in shape.items():
        if not isinstance(command.get(name, ...), kind):
            raise NotUnderstood(f"the command {command['do']!r} has no {name!r}, or one of the wrong kind")


def schema() -> dict[str, Any]:
    """All that travels: messages with their fields, and the values in them with theirs."""
    return {
        "commands": _shapes(COMMANDS),
        "news": _shapes(NEWS),
        "told": _shapes(TOLD),
        "codes": [TOO_LARGE, REPLACED, REFUSED, STOPPED, DELETED, FAILED],
        "values": {
            kind.__name__: {field.name: _plain(get_type_hints(kind)[field.name]) for field in fields(kind)}
            for kind in VALUES
        },
    }


def _shapes(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    return {
        name: {field: _plain(kind) for field, kind in sorted(shape.items())}
        for name, shape in sorted(shapes.items())
    }


def _plain(kind: Any) -> str:
    """A type by its name alone: in which module it stands does not travel."""
    return re.sub(r"(\w+\.)+", "", str(kind))
