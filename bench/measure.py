"""Interleaved measurements, shown as a table for people and as one JSON line for programs.

    figure = Figure("cell latency p50", "ms", await interleaved(ours, theirs, 7), "stock", "<= 0.5")
    print(table([figure]))

What is measured and what it is compared with take turns in one run (A B A B), so that both are affected by
whatever else the machine does.
"""

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

__all__ = ["Figure", "Samples", "Trial", "interleaved", "json_line", "milliseconds", "table"]

HEADER = ("figure", "Kernelcord", "beside it", "ratio", "target")

type Trial = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured, in order; `theirs` is empty if there is no counterpart."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: the `quantile` of the samples (0.5: the median). `beside` names the counterpart."""

    name: str
    unit: str
    samples: Samples
    beside: str = ""
    target: str = ""
    quantile: float = 0.5

    @property
    def ours(self) -> float:
        """The quantile of ours."""
        return quantile(self.samples.ours, self.quantile)

    @property
    def theirs(self) -> float | None:
        """The quantile of theirs."""
        return quantile(self.samples.theirs, self.quantile) if self.samples.theirs else None

    @property
    def ratio(self) -> float | None:
        """Ours divided by theirs: the median of the pairs' ratios, or the ratio of other quantiles."""
        if not self.samples.theirs or not all(self.samples.theirs):
            return None
        if self.quantile == 0.5:
            return median(a / b for a, b in zip(self.samples.ours, self.samples.theirs, strict=True))
        return self.ours / quantile(self.samples.theirs, self.quantile)


async def interleaved(ours: Trial, theirs: Trial | None, pairs: int, *, warm: int = 1) -> Samples:
    """Run both in turn `pairs` times, after `warm` times that do not count."""
    trials = [ours, theirs] if theirs else [ours]
    rounds = [[await trial() for trial in trials] for _ in range(warm + pairs)][warm:]
    return Samples(*(tuple(column) for column in zip(*rounds, strict=True)))


async def milliseconds(work: Awaitable[object]) -> float:
    """How long `work` takes, in milliseconds."""
    begun = perf_counter()
    await work
    return (perf_counter() - begun) * 1000


def quantile(samples: Sequence[float], part: float) -> float:
    """The median for 0.5, else the smallest sample that at least the share `part` of all does not exceed."""
    if part == 0.5:
        return median(samples)
    return sorted(samples)[math.ceil(part * len(samples)) - 1]


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table that also reads well as plain text."""
    rows = [HEADER, *(_row(figure) for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def json_line(figures: Sequence[Figure], **about: Mapping[str, object] | bool) -> str:
    """`about` and all figures, unrounded, in one line."""
    return json.dumps(
        about
        | {
            "figures": [
                {
                    "name": figure.name,
                    "unit": figure.unit,
                    "kernelcord": figure.ours,
                    "beside": figure.beside,
                    "other": figure.theirs,
                    "ratio": figure.ratio,
                    "target": figure.target,
                    "samples": len(figure.samples.ours),
                }
                for figure in figures
            ]
        }
    )


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    theirs = figure.theirs
    return (
        figure.name,
        _written(figure.ours, figure.unit),
        "" if theirs is None else f"{_written(theirs, figure.unit)} {figure.beside}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.target,
    )


def _written(value: float, unit: str) -> str:
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}".rstrip()
