"""The time from no kernel to one that has answered a cell that uses pandas."""

from contextlib import AsyncExitStack
from itertools import count

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, interleaved, milliseconds
from bench.stock import Stock

__all__ = ["figures"]

CODE = "import pandas; len(pandas.DataFrame({'a': [1, 2, 3]}))"


async def figures(ground: Ground) -> list[Figure]:
    """How long a start takes; ending the kernel does not count."""
    numbers = count()
    with Stock(ground.folder, ground.python) as stock:
        async with ours.kernels(ground) as pool:

            async def start() -> float:
                name = f"start{next(numbers)}"
                try:
                    return await milliseconds(ours.run(pool.kernel(name, ours.NO_FILES), CODE))
                finally:
                    await pool.release(name)

            async def start_stock() -> float:
                async with AsyncExitStack() as running:

                    async def answered() -> None:
                        kernel = await running.enter_async_context(stock.kernel())
                        await kernel.run(CODE)

                    return await milliseconds(answered())

            samples = await interleaved(start, start_stock, ground.scale.starts)
    return [Figure("kernel start until pandas has answered", "ms", samples, "stock", "<= 0.08 x")]
