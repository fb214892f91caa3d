"""Puts a saved state into a fresh kernel: the names in their old order, then all that is no name.

    fetched = fetch(ticket, bounds)
    loaded = put(fetched, shell, bounds)        # or raises, and the kernel is as fresh as it can be
    missing = put_surroundings(loaded, shell, bounds)       # and the bounds are no more

What cannot be made again is named, with its cell, and takes nothing else with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import graph, meta, placeholder, surroundings
from .bounds import GivenUp, WorkBounds
from .saving import OWN, PLACE, SURROUNDINGS, item_shown, text_hash
from .transport import Fetched

__all__ = ["LoadedState", "Unreadable", "everything", "put", "put_surroundings"]

PART = 0.1  # of the time that is left, for a part of the surroundings
HASHES = "hashes of text that values had kept"  # what `hash` gives depends on the kernel's seed
NOT_MADE = "a value that could not be made again"


class Unreadable(Exception):
    """The state was saved by another Python; the text says by which."""


@dataclass(frozen=True)
class LoadedState:
    """What is back and what is not: `missing` as `meta.told` has it. `cells` are those of the names.

    `surroundings` are still to be set; `unset` is in words what could not be set of what came before.
    """

    back: list[str]
    missing: list[dict[str, Any]]
    cells: dict[str, int]
    surroundings: dict[str, Any]
    unset: list[str]


def put(fetched: Fetched, shell: Any, bounds: WorkBounds) -> LoadedState:
    """Make the values again and put them into the shell's namespace.

    Raises: Unreadable; what `bounds` raises; anything that the code of a value raises at the wrong moment.
    """
    _need_this_python(fetched.meta)
    namespace, before = shell.user_ns, set(shell.user_ns)
    found: dict[str, Any] = {}
    lost: list[graph.Lost] = []
    unset: list[str] = []
    stream, *buffers = fetched.buffers
    try:
        for name, value in graph.load(stream, buffers, namespace, lose=lost.append):
            bounds.check()
            if name == PLACE and isinstance(value, dict):
                surroundings.put(shell, value, partial(bounds.part, PART), unset)
            else:
                found[name] = value
                if name not in (OWN, SURROUNDINGS):
                    namespace[name] = value  # the code of the values that follow may use it
    except BaseException:  # also an interrupt: names of half a state must not stay
        for name in set(namespace) - before:
            namespace.pop(name, None)
        raise
    own, parts = found.pop(OWN, None), found.pop(SURROUNDINGS, None)
    own = own if isinstance(own, dict) else {}
    if own.get("hash", text_hash()) != text_hash():
        unset.append(HASHES)
    for name, what in own.get("left out", {}).items():
        found.setdefault(name, placeholder.Placeholder(what, name))
    order = [name for name in own.get("order", found) if name in found]
    for name in order:
        namespace.pop(name, None)  # for their old order
    namespace.update((name, found[name]) for name in order)
    shell.user_ns_hidden.update((name, found[name]) for name in own.get("hidden", ()) if name in found)
    return LoadedState(
        back=[meta.shown(name) for name in order if type(found[name]) is not placeholder.Placeholder],
        missing=_missing(fetched.meta, found, lost, cells := _cells(own)),
        cells=cells,
        surroundings=parts if isinstance(parts, dict) else {},
        unset=unset,
    )


def put_surroundings(loaded: LoadedState, shell: Any, bounds: WorkBounds) -> list[dict[str, Any]]:
    """Set again what is no name, as far as there is time; returns what is missing of everything."""
    unset, left = loaded.unset, loaded.surroundings
    try:
        surroundings.put(shell, left, partial(bounds.part, PART), unset)
    except (GivenUp, KeyboardInterrupt):
        bounds.finish()  # it would be raised again
        unset += surroundings.words(left)
    bounds.finish()
    known = {one["name"] for one in loaded.missing}  # what was running was known to be lost when it was saved
    told = map(meta.not_kept, dict.fromkeys(unset))
    return [*loaded.missing, *(one for one in told if one["name"] not in known)]


def everything(known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that a state has, as missing: `known` is what is told about it."""
    return [*known.get("lost", ()), *(meta.told(name, 0, NOT_MADE) for name in known.get("names", ()))]


def _need_this_python(known: Mapping[str, Any]) -> None:
    """Code is saved as this Python's bytes: another one could crash on them."""
    theirs, ours = str(known.get("libraries", {}).get("python", "")), meta.python()
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise Unreadable(f"it was saved by Python {theirs or '(unknown)'}, and this is Python {ours}")


def _cells(own: Mapping[str, Any]) -> dict[str, int]:
    return {name: cell for name, cell in own.get("cells", {}).items() if type(cell) is int}


def _missing(
    known: Mapping[str, Any], found: Mapping[str, Any], lost: Iterable[graph.Lost], cells: Mapping[str, int]
) -> list[dict[str, Any]]:
    """What had been lost before, what could not be made now, and what is not there for any other reason."""
    new = [meta.told(item_shown(one.name), cells.get(one.name, 0), one.what) for one in lost]
    missing = {(one["name"], one["what"]): one for one in reversed([*known.get("lost", ()), *new])}
    missing = dict(reversed(missing.items()))  # each once, as it was told first
    told = {name for name, _ in missing}
    for name, value in found.items():
        if (shown := meta.shown(name)) not in told and type(value) is placeholder.Placeholder:
            missing[shown, value.what] = meta.told(name, cells.get(name, 0), value.what)
    there = {*told, *map(meta.shown, found)}
    absent = [meta.told(name, cells.get(name, 0), NOT_MADE) for name in known.get("names", ())]
    return [*missing.values(), *(one for one in absent if one["name"] not in there)]
