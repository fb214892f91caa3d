"""Saves the person's variables: all in one graph, so that what two names share stays shared.

    saving = Saving(shell)      # before the first cell
    saving.note(7)              # after the cell 7
    saving.save(ticket, saving.wanted(bounds), bounds)  # returns what is left out

Values that cannot be saved are left out by `graph`, each alone. If all the others take too much room, memory
or time, what fits is saved; see `selection`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from . import graph, meta, placeholder, selection, surroundings
from .bounds import TakesTooLong, TakesTooMuch, WorkBounds
from .cells import Cells
from .names import Names
from .portraits import Portraits, prefixes
from .transport import MOST_CHUNKS, Buffer, Sending, chunked

__all__ = ["OWN", "PLACE", "SURROUNDINGS", "Saving", "item_shown", "text_hash"]

# The items with all that is no name, in two parts: what modules are found by comes before the names.
PLACE = "\0place"
SURROUNDINGS = "\0surroundings"
RUNNING = SURROUNDINGS + "running"  # of these the part that is in words: threads and tasks, which end
OWN = "\0names"  # the item with the order of the names, their cells, and which are hidden or left out
WHOLE, ALONE = 0.6, 0.1  # of the time that is left, for all values together, and for one of them
PART = 0.1  # and for a part of the surroundings
AGAIN = 8  # saves for which a value that takes too much by itself is not tried again
TRIES = 4  # to save what fits: what values share is counted for each, so the first may well fit


@dataclass(frozen=True)
class _State:
    """A whole graph; `bytes` are all of its bytes, and `room` what it takes: equal pieces are kept once."""

    buffers: list[Buffer]
    names: tuple[str, ...]
    lost: list[dict[str, Any]]
    bytes: int
    room: int
    prefixes: dict[str, tuple[int, int]]
    took: float  # seconds


class Saving:
    """See the module's text."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._names, self._cells = Names(shell), Cells()
        self._count = shell.execution_count  # when names were noted last
        self._portraits = Portraits()
        self._some = False  # whether the last save was of a part
        # What takes too much by itself: why, and for how many saves it is not tried.
        self._refused: dict[selection.Marked, tuple[str, int]] = {}

    def note(self, cell: int) -> None:
        """Note which names the cell that has just ended has bound.

        If several cells have ended since the last call, nobody knows which of them has bound a name that was
        there before.
        """
        count = self._shell.execution_count
        certain = self._names.of_last_cell() if count - self._count > 1 else None
        self._count = count
        self._cells.note(self._names.own(), self._shell.user_ns, cell, certain)

    def restored(self, cells: Mapping[str, int]) -> None:
        """What is in the namespace now comes from the node, and these are the names' cells."""
        self._count = self._shell.execution_count
        self._cells.restored(self._names.own(), self._shell.user_ns, cells)

    def wanted(self, bounds: WorkBounds) -> dict[str, object]:
        """All that is to be saved: the names' values, and the parts of the surroundings."""
        namespace = self._shell.user_ns
        parts = surroundings.take(self._shell, namespace, partial(bounds.part, PART))
        values = {name: namespace[name] for name in self._names.own() if name in namespace}
        return values | {SURROUNDINGS + key: part for key, part in parts.items()}

    def save(self, ticket: str, wanted: Mapping[str, object], bounds: WorkBounds) -> list[str]:
        """Save what there is; returns the names that were left out for want of room.

        Raises: TakesTooMuch if there is room for nothing; StateRefused; OSError; GivenUp.
        """
        state = None if self._some else self._whole(wanted, bounds, {})
        bounds.grow_from_now()  # sending takes nothing
        with Sending(ticket, bounds) as sending:
            left_out: dict[str, str] = {}
            if state is not None and state.room > sending.room:
                state = None  # its memory is needed
            if state is None:
                state, left_out = self._part(wanted, sending.room, bounds)
            else:
                self._refused.clear()
            self._some = bool(left_out)
            told = [self._told(name, what) for name, what in left_out.items()]
            running = [meta.not_kept(words) for words in _words(wanted.get(RUNNING))]
            saved = [name for name in _names(wanted) if name in state.names]
            seen = self._portraits.of(
                {name: wanted[name] for name in saved},
                state.prefixes,
                state.buffers,
                self._shell.user_ns,
                bounds,
                state.took,
            )
            sending.send(state.buffers, meta.described(saved, [*state.lost, *told, *running], seen))
            bounds.finish()
        return [one["name"] for one in told]

    def _whole(
        self, wanted: Mapping[str, object], bounds: WorkBounds, left_out: Mapping[str, str]
    ) -> _State | None:
        """The graph of all this but what is left out; None if it takes too much memory or time."""
        values = [(name, wanted[name]) for name in _names(wanted) if name not in left_out]
        parts = {
            key.removeprefix(SURROUNDINGS): part
            for key, part in wanted.items()
            if _is_ours(key) and key not in left_out
        }
        own = {
            "order": _names(wanted),
            "cells": self._cells.all(),
            "hidden": self._names.hidden(),
            "hash": text_hash(),
            "left out": {name: left_out[name] for name in _names(left_out)},
        }
        place, rest = surroundings.split(parts)
        items = [(PLACE, place), *values, (OWN, own), (SURROUNDINGS, rest)]
        try:
            with bounds.part(WHOLE):
                return self._graph(items, bounds)
        except (TakesTooMuch, MemoryError):
            bounds.grow_from_now()
            return None

    def _part(
        self, wanted: Mapping[str, object], room: int, bounds: WorkBounds
    ) -> tuple[_State, dict[str, str]]:
        """The graph of what fits into `room`, and the rest in words, by name."""
        sizes, what = {}, {}
        refused, self._refused = self._refused, {}
        for name, value in wanted.items():
            mark = selection.marked(name, value)
            known, left = refused.get(mark, ("", 0))
            if left:
                what[name] = known
                self._refused[mark] = known, left - 1
                continue
            try:
                with bounds.part(ALONE):
                    alone = self._graph([(name, value)], bounds)
                sizes[name], what[name] = alone.room, selection.described(value, alone.bytes)
                del alone
                continue
            except TakesTooLong:
                what[name] = selection.slow(value)
            except (TakesTooMuch, MemoryError):
                what[name] = selection.too_large(value, bounds.growth)
            self._refused[mark] = what[name], AGAIN
            bounds.grow_from_now()
        newest, share = [*self._cells.newest_first(), *wanted], room
        for _ in range(TRIES):
            chosen = selection.fitting(sizes, newest, share)
            left_out = {name: what[name] for name in wanted if name not in chosen}
            state = self._whole(wanted, bounds, left_out)
            if state is not None and state.room <= room:
                return state, left_out
            del state
            share //= 2
        raise TakesTooMuch

    def _graph(self, items: Sequence[tuple[str, object]], bounds: WorkBounds) -> _State:
        large: list[memoryview] = []
        began = monotonic()
        dumped = graph.dump(items, self._shell.user_ns, large=large.append, check=bounds.check)
        bounds.look()
        buffers = chunked([dumped.stream, *large], bounds.check)
        if max(len(buffers), sum(len(buffer.pieces) for buffer in buffers)) > MOST_CHUNKS:
            raise TakesTooMuch
        pieces = {
            digest: len(piece)
            for buffer in buffers
            for digest, piece in zip(buffer.digests, buffer.pieces, strict=True)
        }
        return _State(
            buffers=buffers,
            names=dumped.names,
            lost=list(self._lost(items, dumped.lost)),
            bytes=sum(len(piece) for buffer in buffers for piece in buffer.pieces),
            room=sum(pieces.values()),
            prefixes=prefixes(dumped, buffers),
            took=monotonic() - began,
        )

    def _lost(
        self, items: Sequence[tuple[str, object]], lost: Sequence[graph.Lost]
    ) -> Iterable[dict[str, Any]]:
        """What is lost of these items, also what an earlier save has lost."""
        for one in lost:
            yield self._told(one.name, one.what)
        told = {one.name for one in lost}
        for name, value in items:
            if name not in told and type(value) is placeholder.Placeholder:
                yield self._told(name, value.what)

    def _told(self, name: str, what: str) -> dict[str, Any]:
        return meta.told(item_shown(name), self._cells.of(name), what)


def text_hash() -> int:
    """A hash that is the same wherever all hashes of text are."""
    return hash("the seed of hashes")


def item_shown(name: str) -> str:
    """The name of an item as a person knows it: what is lost of the surroundings is mostly a result."""
    return "Out" if _is_ours(name) else name


def _names(wanted: Mapping[str, object]) -> list[str]:
    return [name for name in wanted if not _is_ours(name)]


def _words(part: object) -> list[str]:
    return [each for each in part if isinstance(each, str)] if isinstance(part, list) else []


def _is_ours(key: str) -> bool:
    return key.startswith("\0")
