"""What can go wrong on our side of a kernel. A person's failing code is a `RunResult`, never one of these.

KernelError
|-- KernelStartFailed(log)      the process ended, or said nothing, before it could run a cell
|-- SandboxUnavailable(reason, remedy)   this machine cannot confine kernels as asked
|-- KernelClosed()              the kernel was detached or shut down, and takes no more cells
`-- NoQuestion()                an answer was given, but no `input()` is waiting for one
"""

__all__ = ["KernelClosed", "KernelError", "KernelStartFailed", "NoQuestion", "SandboxUnavailable"]


class KernelError(Exception):
    """The root: everything that this package raises on purpose."""


class KernelStartFailed(KernelError):
    """No kernel came up; `log` is the end of what its process wrote (at most 2,000 characters)."""

    def __init__(self, log: str) -> None:
        super().__init__(f"The kernel could not be started. Its last words: {log.strip() or '(none)'}")
        self.log = log


class SandboxUnavailable(KernelError):
    """Kernels cannot be confined here; `reason` says what is missing, `remedy` what to do about it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason} {remedy}".strip())
        self.reason = reason
        self.remedy = remedy


class KernelClosed(KernelError):
    """The kernel was detached or shut down: ask the pool for a new one."""

    def __init__(self) -> None:
        super().__init__("This kernel is closed.")


class NoQuestion(KernelError):
    """The cell is not waiting for an answer."""

    def __init__(self) -> None:
        super().__init__("The cell is not waiting for an answer.")
