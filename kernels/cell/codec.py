"""Events and results as JSON, between a node and the bot.

json.dumps(codec.event(event))       codec.to_event(fields)

Both sides are ours, and may be a version apart: a field that is not known is ignored, and an event that is
not known is told as such. What is missing is an error of ours and raises.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernels.cell.events import (
    ClearOutput,
    Display,
    Event,
    Failure,
    InputRequest,
    Queued,
    Restarted,
    Result,
    Stream,
    Unstopped,
)
from kernels.cell.overflow import TextFile
from kernels.cell.result import RunResult, Variable
from kernels.errors import KernelClosed, KernelError, KernelStartFailed, NoQuestion
from kernels.workspace.captured import Captured, CapturedFile, Skipped, Stamp

__all__ = [
    "error",
    "event",
    "file",
    "loads",
    "result",
    "skipped",
    "to_error",
    "to_event",
    "to_file",
    "to_result",
    "to_skipped",
    "to_variables",
    "variables",
]

Fields = dict[str, Any]
Open = Callable[[Fields], Captured]  # makes a file that can be read of the fields of `file`

UNKNOWN = "[... something was shown here that this version of Kernelcord does not know ({}) ...]\n"
EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (Queued, Stream, Display, Result, Failure, ClearOutput, InputRequest, Restarted, Unstopped)
}


def event(told: Event) -> Fields:
    """An event's fields, its kind among them."""
    if isinstance(told, Stream):  # by far the most frequent
        return {"is": "Stream", "name": told.name, "text": told.text}
    return {"is": type(told).__name__} | {name: getattr(told, name) for name in type(told).__slots__}


def to_event(fields: Fields) -> Event:
    """The event of these fields."""
    kind = EVENTS.get(fields["is"])
    if kind is None:
        return Stream("stderr", UNKNOWN.format(fields["is"]))
    known = kind.__slots__
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in fields.items()
        if name in known
    }
    return kind(**given)


def file(captured: Captured, number: int) -> Fields:
    """A captured file, and where it lies, if it has a path; its bytes are asked for by `number`."""
    if isinstance(captured, TextFile):
        captured = CapturedFile(
            captured.name, captured.size, captured.mtime, Path(), "", Stamp(0, 0, captured.size, 0, 0)
        )
    assert isinstance(captured, CapturedFile), "a node captures files of its own machine"
    return {
        "number": number,
        "name": captured.name,
        "size": captured.size,
        "mtime": captured.mtime,
        "workspace": _bytes(captured.workspace),
        "path": _bytes(captured.path),
        "stamp": captured.stamp,
    }


def to_file(fields: Fields) -> CapturedFile:
    """A captured file as the node's machine has it."""
    return CapturedFile(
        name=fields["name"],
        size=fields["size"],
        mtime=fields["mtime"],
        workspace=Path(_path(fields["workspace"])),
        path=_path(fields["path"]),
        stamp=Stamp(*fields["stamp"]),
    )


def skipped(left: tuple[Skipped, ...]) -> list[list[str]]:
    """What was not captured, as pairs of name and reason."""
    return [[one.name, one.reason] for one in left]


def to_skipped(pairs: list[list[str]]) -> tuple[Skipped, ...]:
    """What was not captured."""
    return tuple(Skipped(name, reason) for name, reason, *_ in pairs)


def variables(described: tuple[Variable, ...]) -> list[list[str]]:
    """Variables as triples."""
    return [[one.name, one.type, one.detail] for one in described]


def to_variables(triples: list[list[str]]) -> tuple[Variable, ...]:
    """Variables of triples."""
    return tuple(Variable(*triple[:3]) for triple in triples)


def result(came: RunResult, files: list[Fields]) -> Fields:
    """A result's fields, with its captured files as `files`."""
    return {
        "status": came.status,
        "output": came.output,
        "outputs": came.outputs,
        "error": came.error and event(came.error),
        "execution_time": came.execution_time,
        "execution_count": came.execution_count,
        "captured": files,
        "skipped": skipped(came.skipped),
        "cause": came.cause,
        "exit_code": came.exit_code,
        "restarted": came.restarted and event(came.restarted),
        "memory": came.memory,
    }


def to_result(fields: Fields, opened: Open) -> RunResult:
    """The result of these fields."""
    failure = fields["error"] and to_event(fields["error"])
    restarted = fields["restarted"] and to_event(fields["restarted"])
    assert failure is None or isinstance(failure, Failure)
    assert restarted is None or isinstance(restarted, Restarted)
    return RunResult(
        status=fields["status"],
        output=fields["output"],
        outputs=tuple(fields["outputs"]),
        error=failure,
        execution_time=fields["execution_time"],
        execution_count=fields["execution_count"],
        captured=tuple(opened(one) for one in fields["captured"]),
        skipped=to_skipped(fields["skipped"]),
        cause=fields["cause"],
        exit_code=fields["exit_code"],
        restarted=restarted,
        memory=fields["memory"],
    )


def error(raised: BaseException) -> Fields:
    """An exception of ours: one that `kernels.errors` has, or else a failure with its text."""
    match raised:
        case KernelStartFailed(log=log, reason=reason, state=state):
            return {"is": "KernelStartFailed", "text": log, "reason": reason, "state": state}
        case KernelClosed() | NoQuestion():
            return {"is": type(raised).__name__}
    if isinstance(raised, OSError) and raised.errno is not None:
        # Not its path, which is the node's: the number says to a person what to do.
        return {"is": "OSError", "text": raised.strerror or "", "errno": raised.errno}
    return {"is": "OSError", "text": str(raised) or type(raised).__name__}


def to_error(fields: Fields) -> KernelError | OSError:
    """The exception of these fields."""
    match fields["is"]:
        case "KernelStartFailed":
            return KernelStartFailed(fields["text"], fields.get("reason", ""), fields.get("state", ""))
        case "KernelClosed":
            return KernelClosed()
        case "NoQuestion":
            return NoQuestion()
    number = fields.get("errno")
    return OSError(fields["text"]) if number is None else OSError(number, fields["text"])


def loads(text: bytes) -> Fields:
    """The JSON object in `text`. Raises: ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _bytes(path: str | Path) -> str:
    """A path's bytes as text that JSON can hold, a character each: names need not be UTF-8."""
    return os.fsencode(path).decode("latin-1")


def _path(text: str) -> str:
    return os.fsdecode(text.encode("latin-1"))
