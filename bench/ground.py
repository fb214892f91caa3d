"""Where a benchmark runs, and how many measurements it takes.

ground = Ground(folder, python, QUICK)
figures = await cells.figures(ground)
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FULL", "QUICK", "Ground", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How often each thing is measured. A pair is one measurement of ours and one of its counterpart."""

    starts: int  # pairs
    cells: int  # pairs
    kernels: int  # number of kernels that run cells at the same time
    bursts: int  # pairs of rounds in which all of them run cells
    burst: int  # cells of each kernel in one round
    single_files: int
    many_files: int  # how often 100 files are written
    large_files: int  # pairs
    turns: int  # pairs
    notebooks: int  # pairs
    idle: int  # idle kernels
    crowd: int  # kernels that start at once
    crowds: int  # pairs
    idle_rounds: int  # pairs of rounds that measure the idle kernels
    quiet: int  # cells that the neighbour runs before each deed
    saves: int  # pairs
    people: int  # who share half as many places


FULL = Scale(
    starts=9,
    cells=500,
    kernels=20,
    bursts=5,
    burst=20,
    single_files=40,
    many_files=9,
    large_files=9,
    turns=300,
    notebooks=9,
    idle=50,
    crowd=100,
    crowds=1,
    idle_rounds=1,
    quiet=40,
    saves=9,
    people=60,
)
QUICK = Scale(
    starts=3,
    cells=60,
    kernels=8,
    bursts=2,
    burst=8,
    single_files=8,
    many_files=2,
    large_files=2,
    turns=40,
    notebooks=2,
    idle=8,
    crowd=10,
    crowds=1,
    idle_rounds=1,
    quiet=10,
    saves=2,
    people=8,
)


@dataclass(frozen=True, slots=True)
class Ground:
    """`folder` is empty, on the disk of the real data, and removed at the end; `python` runs the kernels."""

    folder: Path
    python: Path
    scale: Scale
