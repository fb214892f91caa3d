"""How long a small cell takes, and how many of them several kernels run in a second.

The kernels of both kinds are alive at the same time, and take turns.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, Trial, interleaved, milliseconds
from bench.stock import Stock

__all__ = ["latency", "rate", "through_node"]

CODE = "1+1"
WARM = 10  # cells

type Run = Callable[[str], Awaitable[object]]


async def latency(ground: Ground) -> list[Figure]:
    """One cell, from sending it to its reply and idle."""
    async with AsyncExitStack() as stack:
        [mine], [other] = await _kernels(stack, ground, 1)
        samples = await interleaved(
            lambda: milliseconds(mine(CODE)), lambda: milliseconds(other(CODE)), ground.scale.cells, warm=WARM
        )
    return [
        Figure("cell latency p50", "ms", samples, "stock", "<= 0.5 x"),
        Figure("cell latency p99", "ms", samples, "stock", quantile=0.99),
    ]


async def through_node(ground: Ground) -> list[Figure]:
    """One cell in a kernel in a node, without a bot, from sending it to its end."""
    async with AsyncExitStack() as stack:
        stock = stack.enter_context(Stock(ground.folder, ground.python))
        other = (await stack.enter_async_context(stock.kernel())).run
        sessions = await stack.enter_async_context(ours.bot(ground))
        mine = partial(ours.run, sessions.pool.kernel("node", ours.NO_FILES))
        samples = await interleaved(
            lambda: milliseconds(mine(CODE)), lambda: milliseconds(other(CODE)), ground.scale.cells, warm=WARM
        )
    return [Figure("cell latency through the node p50", "ms", samples, "stock")]


async def rate(ground: Ground) -> list[Figure]:
    """Cells per second of many kernels, each of which runs one cell after another."""
    many = ground.scale.kernels
    async with AsyncExitStack() as stack:
        mine, others = await _kernels(stack, ground, many)
        samples = await interleaved(
            _burst(mine, ground.scale.burst), _burst(others, ground.scale.burst), ground.scale.bursts
        )
    return [Figure(f"cells a second, {many} kernels", "/s", samples, "stock", ">= 3 x")]


async def _kernels(stack: AsyncExitStack, ground: Ground, many: int) -> tuple[list[Run], list[Run]]:
    """`many` kernels of ours and as many stock ones, all ready; they end with `stack`."""
    stock = stack.enter_context(Stock(ground.folder, ground.python))
    others: list[Run] = []

    async def start_stock() -> None:
        others.append((await stack.enter_async_context(stock.kernel())).run)

    pool = await stack.enter_async_context(ours.kernels(ground))
    kernels = [pool.kernel(f"cell{number}", ours.NO_FILES) for number in range(many)]
    async with asyncio.TaskGroup() as group:
        for kernel in kernels:
            group.create_task(ours.run(kernel, "pass"))
    async with asyncio.TaskGroup() as group:
        for _ in range(many):
            group.create_task(start_stock())
    return [partial(ours.run, kernel) for kernel in kernels], others


def _burst(runs: list[Run], cells: int) -> Trial:
    """A trial in which all kernels run some cells each at the same time; returns cells per second."""

    async def in_turn(run: Run) -> None:
        for _ in range(cells):
            await run(CODE)

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(in_turn(run))

    async def trial() -> float:
        return len(runs) * cells * 1000 / await milliseconds(all_of_them())

    return trial
