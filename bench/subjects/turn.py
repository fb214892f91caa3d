"""A whole turn without the model and Discord, compared with the same cell in a bare kernel."""

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, Samples, interleaved, milliseconds

__all__ = ["figures"]

CODE = "1+1"
WARM = 10  # turns


async def figures(ground: Ground) -> list[Figure]:
    """`Sessions.execute_code` on SQLite and `Kernel.run`, both in this process, then both in a node."""
    here = await _samples(ground, "none")
    node = await _samples(ground, "auto")
    return [
        Figure("whole turn", "ms", here, "bare kernel", "<= 1.3 x"),
        Figure("whole turn through the node", "ms", node, "bare kernel in it"),
    ]


async def _samples(ground: Ground, node: str) -> Samples:
    async with ours.bot(ground, node) as sessions:
        bare = sessions.pool.kernel("bare", ours.NO_FILES)
        return await interleaved(
            lambda: milliseconds(sessions.execute_code(CODE, 1)),
            lambda: milliseconds(ours.run(bare, CODE)),
            ground.scale.turns,
            warm=WARM,
        )
