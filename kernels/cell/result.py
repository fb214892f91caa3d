"""What came of a cell, what comes after it, and what it leaves, as frozen values."""

from dataclasses import dataclass
from typing import Any

from kernels.cell.events import Event, Failure, Restarted
from kernels.workspace.captured import Captured, Scan, Skipped

__all__ = ["Late", "RunResult", "Variable"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a cell.

    `status` is "ok", "error" (the person's exception, in `error`), "timeout", "interrupted", "died" or "out
    of memory". `cause` gives a reason: for a time-out "deadline", "no answer" or "too many questions"; for a
    death by a limit "workspace", "folders", "hiding", "processes", "system" or "background"; "machine" if the
    machine, not the kernel, ran out of memory; "node" if the cell died with its node; "unreachable" if its
    node was given up, where it may go on. `output` is all text that was shown, without colours; `outputs` are
    the nbformat v4 output dicts. `execution_time` is in seconds, without the time in line or waiting for
    answers. `exit_code` is that of a kernel that died (-9: killed by signal 9). `skipped` names every file
    that was not captured, with the reason. `restarted` is set if the cell ended with its kernel, or began
    with a fresh one. `memory` is how many bytes the kernel's process has taken since its start, as it
    says itself.
    """

    status: str
    output: str
    outputs: tuple[dict[str, Any], ...]
    error: Failure | None = None
    execution_time: float = 0.0
    execution_count: int | None = None
    captured: tuple[Captured, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    cause: str | None = None
    exit_code: int | None = None
    restarted: Restarted | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """One of the person's variables: its name, its type, and its shape or value if that is short."""

    name: str
    type: str
    detail: str


@dataclass(frozen=True, slots=True)
class Late:
    """What came after a cell's end: an event of the cell `tag`, or the files that a scan found then."""

    tag: int
    event: Event | None = None
    scan: Scan | None = None
