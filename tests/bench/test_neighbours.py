"""A hostile neighbour: whatever one person does meanwhile, another person's cell finishes.

`make bench ARGS=neighbours` measures how long it takes; here it only has to finish.
"""

import asyncio
from pathlib import Path

import pytest

from bench import ours
from bench.ground import FULL, Ground
from bench.subjects.deeds import DEEDS
from bench.subjects.neighbours import beside, timed
from tests.live.cells import PATIENCE

SHORT = {"60,000 files deleted": 0.05, "a notebook of 300 MB": 0.1}  # so that each takes a second or so
# 130 kernels; another kind of full disk
LONG = ["no descriptor left", "no inode left"]
TOGETHER = [  # all of these share one bot
    name for name, deed in DEEDS.items() if not deed.settings and not deed.disk and not deed.descriptors
]

CASES = [
    pytest.param(name, home, marks=pytest.mark.soak if name in LONG or home == "none" else ())
    for name in DEEDS
    if name not in TOGETHER
    for home in ("auto", "none")
]


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libraries a start takes 0.5 s instead of 2."""
    monkeypatch.setenv("PRELOAD", "none")


@pytest.mark.parametrize(("name", "home"), CASES)
async def test_a_neighbours_cell_ends_while_somebody_is_at_it(
    name: str, home: str, tmp_path: Path, kernel_python: Path
) -> None:
    """On a small disk, with few descriptors, or with room for few kernels: each deed with its own bot."""
    size = 1.0 if name == "no descriptor left" else SHORT.get(name, 0.05)
    async with asyncio.timeout(2 * PATIENCE):
        found = await beside(name, home, tmp_path, kernel_python, size=size, quiet=1)
    assert found.during >= 1


@pytest.mark.parametrize("home", ["auto", pytest.param("none", marks=pytest.mark.soak)])
async def test_a_neighbours_cells_end_while_somebody_does_one_thing_after_the_other(
    home: str, tmp_path: Path, kernel_python: Path
) -> None:
    """With kernels in a node, or in the bot; what one deed leaves behind must not affect the next."""
    async with ours.bot(Ground(tmp_path, kernel_python, FULL), home) as sessions:
        for name in TOGETHER:
            async with asyncio.timeout(2 * PATIENCE):
                found = await timed(sessions, DEEDS[name], SHORT.get(name, 0.05), 1)
            assert found.during >= 1, name
