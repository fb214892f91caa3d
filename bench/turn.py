"""A whole turn, all but model and Discord, beside the same cell in a kernel alone."""

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, interleaved, milliseconds

__all__ = ["figures"]

CODE = "1+1"
WARM = 10  # turns


async def figures(ground: Ground) -> list[Figure]:
    """`Sessions.execute_code` on SQLite, with its kernel in a node, beside `Kernel.run` in this process."""
    async with ours.bot(ground) as sessions, ours.kernels(ground) as pool:
        bare = pool.kernel("bare", ours.NO_FILES)
        samples = await interleaved(
            lambda: milliseconds(sessions.execute_code(CODE, 1)),
            lambda: milliseconds(ours.run(bare, CODE)),
            ground.scale.turns,
            warm=WARM,
        )
    return [Figure("whole turn", "ms", samples, "bare kernel", "<= 1.3 x")]
