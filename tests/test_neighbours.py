"""A hostile neighbour: whatever one person does, another's cell comes to its end meanwhile.

How long it takes is measured by `make bench ARGS=neighbours`; here it only has to end.
"""

import asyncio
from pathlib import Path

import pytest

from bench.deeds import DEEDS
from bench.neighbours import beside
from tests.live.cells import PATIENCE

SHORT = {"60,000 files deleted": 0.1, "a notebook of 300 MB": 0.2}  # so that each takes a second or so
LONG = ["no descriptor left"]  # it takes 130 kernels

CASES = [
    pytest.param(
        name,
        home,
        marks=pytest.mark.soak if name in LONG or home == "none" else (),
        id=f"{name}-{home}",
    )
    for name in DEEDS
    for home in ("auto", "none")
]


@pytest.mark.parametrize(("name", "home"), CASES)
async def test_a_neighbours_cell_ends_while_somebody_is_at_it(
    name: str, home: str, tmp_path: Path, kernel_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels in the bot and in a node; on a small disk, or with few descriptors, where that is the deed."""
    monkeypatch.setenv("PRELOAD", "none")  # a start of 0.5 s instead of 2
    size = 1.0 if name in LONG else SHORT.get(name, 0.05)
    async with asyncio.timeout(2 * PATIENCE):
        timed = await beside(name, home, tmp_path, kernel_python, size=size, quiet=1)
    assert timed.during >= 1
