"""Many kernels start at once: how long it takes until the last has answered a cell that uses pandas."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, interleaved, milliseconds
from bench.stock import Stock
from bench.subjects.start import CODE

__all__ = ["figures"]


async def figures(ground: Ground) -> list[Figure]:
    """All kernels of one kind, then all of the other; ending them does not count."""
    many, rounds = ground.scale.crowd, count()
    with Stock(ground.folder, ground.python) as stock:
        async with ours.kernels(ground) as pool:
            # The zygote has started before the crowd comes.
            await ours.run(pool.kernel("first", ours.NO_FILES), CODE)

            async def mine() -> float:
                names = [f"crowd{next(rounds)}-{number}" for number in range(many)]
                try:
                    return await _all(lambda name: ours.run(pool.kernel(name, ours.NO_FILES), CODE), names)
                finally:
                    await asyncio.gather(*map(pool.release, names))

            async def theirs() -> float:
                async with AsyncExitStack() as running:

                    async def start(_: str) -> None:
                        kernel = await running.enter_async_context(stock.kernel())
                        await kernel.run(CODE)

                    return await _all(start, [str(number) for number in range(many)])

            samples = await interleaved(mine, theirs, ground.scale.crowds, warm=0)
    return [Figure(f"{many} kernels started at once", "s", samples, "stock")]


async def _all(start: Callable[[str], Awaitable[object]], names: list[str]) -> float:
    """Seconds until all kernels have answered."""
    return await milliseconds(asyncio.gather(*map(start, names))) / 1000
