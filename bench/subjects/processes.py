"""What an idle kernel with pandas takes: descriptors and threads of the bot, memory of its processes.

Measured as what each of a few kernels adds to a bot that has one already, so that what exists only once does
not count.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, Samples
from bench.stock import Stock
from bench.subjects.start import CODE
from kernels.inside.procfs import PROC, tree

__all__ = ["added", "figures"]

MIB = 1 << 20

type Counts = tuple[float, float, float]  # descriptors, threads, bytes
type Start = Callable[[int], Awaitable[object]]


async def figures(ground: Ground) -> list[Figure]:
    """Both kinds in turn, never at the same time."""
    rounds = [(await _ours(ground), await _stock(ground)) for _ in range(ground.scale.idle_rounds)]
    descriptors, threads, memory = (
        Samples(tuple(mine[which] for mine, _ in rounds), tuple(other[which] for _, other in rounds))
        for which in range(3)
    )
    return [
        Figure("descriptors of the bot a kernel", "", descriptors, "stock"),
        Figure("threads of the bot a kernel", "", threads, "stock"),
        Figure("memory of an idle kernel with pandas (PSS)", "MiB", memory, "stock", "<= 0.22 x"),
    ]


async def _ours(ground: Ground) -> Counts:
    async with ours.kernels(ground) as pool:
        return await added(
            lambda number: ours.run(pool.kernel(f"idle{number}", ours.NO_FILES), CODE), ground.scale.idle
        )


async def _stock(ground: Ground) -> Counts:
    with Stock(ground.folder, ground.python) as stock:
        async with AsyncExitStack() as stack:

            async def start(_: int) -> None:
                kernel = await stack.enter_async_context(stock.kernel())
                await kernel.run(CODE)

            return await added(start, ground.scale.idle)


async def added(start: Start, kernels: int) -> Counts:
    """What each further kernel adds. They start one by one, since each may need a worker thread."""
    await start(0)
    before = _held()
    for number in range(1, kernels + 1):
        await start(number)
    descriptors, threads, memory = ((now - then) / kernels for now, then in zip(_held(), before, strict=True))
    return descriptors, threads, memory / MIB


def _held() -> Counts:
    """Our descriptors and threads, and the memory of all our descendants."""
    own = PROC / "self"
    memory = sum(map(_memory, tree(os.getpid())[1:]))
    return len(list((own / "fd").iterdir())), len(list((own / "task").iterdir())), memory


def _memory(pid: int) -> int:
    """Bytes; a page that several processes share counts proportionally for each (proc_pid_smaps(5))."""
    rollup = (PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
