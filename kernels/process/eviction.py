"""Which of the idle kernels for whose end there is a reason is ended first.

    class Kernel(Evictable): ...
    for kernel in await in_order(kernels, now, weighed=True, waits=queue.waits_for): ...

Whoever waits for a place gives up a kernel of their own first, and kernels whose variables cannot be saved go
last. If memory is short, of the rest those come first that have held the most of it for the longest time.
Else those come first that were idle the longest: a large one takes its person longer to get back.
"""

from collections.abc import Callable, Sequence

from kernels.concurrency.threads import in_thread
from kernels.inside.procfs import tree
from kernels.process.kernel_process import KernelProcess
from kernels.sandbox.limits import usage
from kernels.state.keeper import Keeper
from kernels.workspace.folder import owner

__all__ = ["Evictable", "in_order"]


class Evictable:
    """A kernel of which is known what its end would cost; `last_used` is in monotonic seconds."""

    session_id: str
    last_used: float
    _keeper: Keeper
    _process: KernelProcess | None

    @property
    def at_risk(self) -> bool:
        """Whether variables would be lost with its process, although variables are saved."""
        return self._keeper.unsavable

    @property
    def pid(self) -> int:
        """The id of its process, in a sandbox that of the init; 0 without one."""
        return self._process.provisioner.pid or 0 if self._process is not None else 0


async def in_order[K: Evictable](
    kernels: Sequence[K], now: float, *, weighed: bool, waits: Callable[[str], bool]
) -> dict[K, int]:
    """These kernels in the order in which they are to be ended, and the bytes that each holds.

    `weighed`: memory is short; otherwise nobody counts the bytes (0). `waits` says whether a person waits for
    a place.
    """
    held = dict.fromkeys(kernels, 0)
    if weighed and kernels:
        sizes = await in_thread(_held, [kernel.pid for kernel in kernels])
        held = dict(zip(kernels, sizes, strict=True))

    def place(kernel: K) -> tuple[bool, bool, float]:
        own = waits(owner(kernel.session_id))
        return not own, kernel.at_risk, -(held[kernel] or 1) * (now - kernel.last_used)

    return {kernel: held[kernel] for kernel in sorted(kernels, key=place)}


def _held(pids: Sequence[int]) -> list[int]:
    """Bytes that each of these processes holds, with all that it has started; 0.1 ms for each."""
    return [sum(usage.memory(tree(pid)).values()) if pid else 0 for pid in pids]
