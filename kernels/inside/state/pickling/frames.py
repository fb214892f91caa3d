"""pandas' tables, which share memory until one of them is changed (copy on write).

Who shares with whom stands in objects of pandas' own that its pickles leave out. Without them a change of one
table would be seen in the other.
"""

import sys
from collections.abc import Callable
from typing import Any

from .reduction import Reduction

__all__ = ["reducer"]


def reducer(cls: type) -> Callable[[Any], Reduction] | None:
    """How a class of pandas' inner ones is pickled, or None for any other."""
    if cls.__module__.partition(".")[0] != "pandas" or "pandas" not in sys.modules:
        return None
    from pandas import Index, MultiIndex, RangeIndex
    from pandas._libs import internals
    from pandas.core.internals.managers import SingleBlockManager

    if issubclass(cls, internals.Block):
        return _reduce_block
    if issubclass(cls, internals.BlockValuesRefs):
        return _reduce_sharing
    if issubclass(cls, SingleBlockManager):
        return _reduce_column
    if issubclass(cls, Index) and not issubclass(cls, MultiIndex | RangeIndex):
        return _reduce_index
    return None


def _reduce_block(block: Any) -> Reduction:
    return make_block, (block.values, block.mgr_locs.indexer, block.ndim, block.refs)


def make_block(values: Any, places: Any, ndim: int, sharing: Any) -> Any:
    """A part of a table, which shares its memory with the others that have the same `sharing`."""
    from pandas._libs.internals import BlockPlacement
    from pandas.core.internals.blocks import new_block

    return new_block(values, placement=BlockPlacement(places), ndim=ndim, refs=sharing)


def _reduce_sharing(sharing: Any) -> Reduction:
    return type(sharing), ()


def _reduce_column(manager: Any) -> Reduction:
    return type(manager), (manager.blocks[0], manager.axes[0])


def _reduce_index(index: Any) -> Reduction:
    return make_index, (*index.__reduce__()[:2], index._references)


def make_index(function: Callable[..., Any], made: tuple[Any, ...], sharing: Any) -> Any:
    """An index, which shares its memory with the columns that have the same `sharing`."""
    index = function(*made)
    if sharing is not None:
        index._references = sharing
        sharing.add_index_reference(index)
    return index
