"""Cells that are run one after another, as those of a notebook, and can be stopped between two of them."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["AllSeries", "Series"]


class Series:
    """Cells in a row, sent from one place. Once `stopped`, none of them begins any more."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.stopped = False


class AllSeries:
    """Those of one session that are under way."""

    def __init__(self) -> None:
        self._all: list[Series] = []

    @contextmanager
    def one(self, place: str) -> Iterator[Series]:
        """While entered, this one is under way."""
        self._all.append(series := Series(place))
        try:
            yield series
        finally:
            self._all.remove(series)

    def stop(self, place: str | None) -> bool:
        """Stop those of this place, or (None) all; returns whether there were any."""
        stopped = [series for series in self._all if place in (None, series.place)]
        for series in stopped:
            series.stopped = True
        return bool(stopped)
