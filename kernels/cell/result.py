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
    of memory". `cause` says more of a time-out ("deadline", "no answer", "too many questions"), of a death by
    a limit ("workspace", "folders", "hiding", "processes", "system", "background"), and of a lack of memory
    that was not the kernel's own ("machine"); it is "node" where the cell died with its node, and
    "unreachable" where its node was given up: it may go on there. `output` is all text shown, without
    colours; `outputs` the nbformat v4 output dicts. `execution_time` is in seconds, without waiting in line
    or for answers. `exit_code` is that of a kernel that died (-9: killed by signal 9). `skipped` names every
    file that was not captured, with the reason. `restarted` is set where the cell ended with its kernel, or
    began with a fresh one. `memory` is how many bytes the kernel's process has taken since its start, as it
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
    """One of the person's variables: its name, type, and shape or value where that is short."""

    name: str
    type: str
    detail: str


@dataclass(frozen=True, slots=True)
class Late:
    """What came after a cell's end: an event of the cell `tag`, or the files that a scan found then."""

    tag: int
    event: Event | None = None
    scan: Scan | None = None
