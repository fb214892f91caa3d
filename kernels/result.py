"""What came of a cell, as one frozen value."""

from dataclasses import dataclass
from typing import Any

from kernels.capture import CapturedFile, Skipped
from kernels.events import Failure, Restarted

__all__ = ["RunResult"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a cell.

    `status` is "ok", "error" (the person's exception, in `error`), "timeout", "interrupted", "died" or "out
    of memory". `cause` says more of a time-out ("deadline", "no answer", "too many questions") and of a death
    by a limit ("workspace", "processes"). `output` is all text shown, without colours; `outputs` the nbformat
    v4 output dicts. `execution_time` is in seconds, without waiting in line or for answers. `exit_code` is
    that of a kernel that died (-9: killed by signal 9). `skipped` names every file that was not captured,
    with the reason. `restarted` is set where the cell ended with its kernel, or began with a fresh one.
    """

    status: str
    output: str
    outputs: tuple[dict[str, Any], ...]
    error: Failure | None
    execution_time: float
    execution_count: int | None
    captured: tuple[CapturedFile, ...]
    skipped: tuple[Skipped, ...]
    cause: str | None = None
    exit_code: int | None = None
    restarted: Restarted | None = None
