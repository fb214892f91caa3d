"""What Python writes to and calls, as the person has replaced it: streams, hooks, what finds modules.

While values are saved or loaded something else may stand there; see `theirs`.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from .. import theirs
from .part import Part, Words, is_lost, is_ours

__all__ = ["HOOKS", "PARTS", "PLACE", "collect"]

OF_SYS = ("stdin", "stdout", "stderr", "displayhook", "excepthook", "unraisablehook", "breakpointhook")
HOOKS: dict[str, tuple[Any, str]] = {f"sys.{name}": (sys, name) for name in OF_SYS}
HOOKS["threading.excepthook"] = threading, "excepthook"
LISTS: dict[str, list[Any]] = {
    "sys.meta_path": sys.meta_path,
    "sys.path_hooks": sys.path_hooks,
    "gc.callbacks": gc.callbacks,
}
OF_POLICIES = ("_local", "_watcher")  # what each event loop policy makes itself


def collect(enabled: bool) -> None:
    """Whether garbage is to be collected."""
    if enabled:
        gc.enable()
    else:
        gc.disable()


def _hooks(_: object) -> dict[str, Any]:
    return {
        name: theirs.get(name, partial(getattr, owner, attribute))
        for name, (owner, attribute) in HOOKS.items()
    }


def _take_hooks(_: object, noted: dict[str, Any]) -> dict[str, Any] | None:
    now = _hooks(None).items()
    return {name: value for name, value in now if noted[name] is not value and not is_ours(value)} or None


def _put_hooks(_: object, value: dict[str, Any]) -> Iterator[str]:
    for name, each in value.items():
        if is_lost(each):
            yield f"`{name}`, which you had replaced"
        else:
            owner, attribute = HOOKS[name]
            theirs.put(name, each, partial(setattr, owner, attribute))


def _take_added(_: object, __: object) -> dict[str, list[Any]] | None:
    """What is of the person's own cells: libraries add theirs again."""
    added = {name: list(filter(_is_of_cells, listed)) for name, listed in LISTS.items()}
    return {name: new for name, new in added.items() if new} or None


def _is_of_cells(one: Any) -> bool:
    named = one if hasattr(one, "__qualname__") else type(one)
    return getattr(named, "__module__", None) == "__main__"


def _put_added(_: object, value: dict[str, list[Any]]) -> Words:
    lost = []
    for name, new in value.items():
        LISTS[name].extend(one for one in new if not is_lost(one))
        if any(map(is_lost, new)):
            lost.append(f"what you had added to `{name}`")
    return lost


def _take_places(_: object, __: object) -> dict[str, list[int]] | None:
    """Where the person's own are, in the lists in which they are not the last."""
    found = {}
    for name, listed in LISTS.items():
        places = [place for place, one in enumerate(listed) if _is_of_cells(one)]
        if places and places[0] + len(places) < len(listed):
            found[name] = places
    return found or None


def _put_places(_: object, value: dict[str, list[int]]) -> None:
    """Only now: before the variables are there, what comes first might let no module be found."""
    for name, places in value.items():
        listed = LISTS[name]
        own = list(filter(_is_of_cells, listed))
        if len(own) == len(places):  # or some are lost, which has been told
            moved = [one for one in listed if not _is_of_cells(one)]
            for place, one in zip(places, own, strict=True):
                moved.insert(place, one)
            listed[:] = moved


def _policy(_: object) -> type:
    return type(asyncio.get_event_loop_policy())


def _take_policy(_: object, noted: type) -> Any:
    policy = asyncio.get_event_loop_policy()
    if type(policy) is noted:
        return None
    return type(policy), {name: value for name, value in vars(policy).items() if name not in OF_POLICIES}


def _put_policy(_: object, value: Any) -> Words:
    cls, content = value
    if is_lost(cls) or any(map(is_lost, content.values())):
        return [POLICY]
    policy = cls()
    vars(policy).update(content)
    asyncio.set_event_loop_policy(policy)
    return None


def _take_traced(_: object, __: object) -> list[str] | None:
    """What is called for each line; it would be called for what is restored, too."""
    found = [name for name, get in (("settrace", sys.gettrace), ("setprofile", sys.getprofile)) if get()]
    return [f"the function that you had set by `sys.{name}`" for name in found] or None


POLICY = "the policy of `asyncio`"
PLACE = (Part("added", "what finds modules", lambda _: None, _take_added, _put_added),)
PARTS = (
    Part("hooks", "what you had replaced in `sys`", _hooks, _take_hooks, _put_hooks),
    Part("places", "what finds modules first", lambda _: None, _take_places, _put_places),
    Part("policy", POLICY, _policy, _take_policy, _put_policy),
    Part(
        "traced",
        "the function that you had set by `sys.settrace`",
        lambda _: None,
        _take_traced,
        lambda _, v: v,
    ),
)
