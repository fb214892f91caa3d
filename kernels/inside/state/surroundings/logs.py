"""Logging as the person has set it up: levels, and handlers with their formats and filters.

A handler holds a lock, which cannot be pickled, so it is taken apart and made again.
"""

import logging
import warnings
from typing import Any

from .part import Part, Words, is_lost

__all__ = ["PARTS"]

Facts = tuple[int, bool, bool, list[Any], list[Any]]  # level, propagate, disabled, handlers, filters
FRESH: Facts = (logging.NOTSET, True, False, [], [])  # a logger that nobody has set up


def _loggers() -> dict[str, Facts]:
    """Every logger; the root logger has no name."""
    made = {
        name: one for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)
    }
    return {
        name: (one.level, one.propagate, one.disabled, list(one.handlers), list(one.filters))
        for name, one in {"": logging.root, **made}.items()
    }


def _look(_: object) -> dict[str, Any]:
    return {
        "loggers": _loggers(),
        "disable": logging.root.manager.disable,
        "names": logging.getLevelNamesMapping(),
        "warnings": getattr(warnings.showwarning, "__module__", "") == logging.__name__,
    }


def _take(_: object, noted: dict[str, Any]) -> dict[str, Any] | None:
    now = _look(None)
    before = noted["loggers"]
    loggers = {name: facts for name, facts in now["loggers"].items() if before.get(name, FRESH) != facts}
    changed = {name: now[name] for name in now if name != "loggers" and now[name] != noted[name]}
    if not loggers and not changed:
        return None
    handlers: dict[int, Any] = {}  # by their ids: two loggers may share one
    for *_, used, _ in loggers.values():
        handlers.update((id(one), one) for one in used)
    places = {number: place for place, number in enumerate(handlers)}
    return changed | {
        "loggers": {
            name: (*facts[:3], [places[id(one)] for one in facts[3]], facts[4])
            for name, facts in loggers.items()
        },
        "handlers": [(type(one), _state(one)) for one in handlers.values()],
    }


def _state(handler: logging.Handler) -> dict[str, Any]:
    state = {name: value for name, value in vars(handler).items() if name != "lock"}
    if isinstance(handler, logging.FileHandler):
        state |= {"stream": None, "mode": "a" if handler.mode == "w" else handler.mode}  # it is opened again
    return state


def _put(_: object, value: dict[str, Any]) -> Words:
    told = []
    for name, level in value.get("names", {}).items():
        logging.addLevelName(level, name)
    known = _loggers()
    there = {id(one): one for *_, used, _ in known.values() for one in used}.values()
    handlers = [_handler(kind, state, there) for kind, state in value["handlers"]]
    for name, (level, propagate, disabled, used, filters) in value["loggers"].items():
        logger = logging.getLogger(name or None)
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled
        logger.filters[:] = [one for one in filters if not is_lost(one)]
        logger.handlers[:] = [one for place in used if (one := handlers[place]) is not None]
        if len(logger.handlers) < len(used):
            told.append(f"a handler of the logger `{name or 'root'}`")
    if "warnings" in value:
        logging.captureWarnings(value["warnings"])
    if "disable" in value:
        logging.disable(value["disable"])
    return told


def _handler(kind: Any, state: Any, there: Any) -> logging.Handler | None:
    """Such a handler: one that a library has added again, or a new one; None if that cannot be."""
    if is_lost(kind) or is_lost(state) or any(map(is_lost, state.values())):
        return None
    like = (one for one in there if type(one) is kind and _target(vars(one)) == _target(state))
    handler: logging.Handler | None = next(like, None)
    if handler is None:
        made: logging.Handler = kind.__new__(kind)
        logging.Handler.__init__(made)
        handler = made
    name = state.get("_name")
    vars(handler).update(state)
    if name is not None:
        handler.set_name(name)
    return handler


def _target(state: dict[str, Any]) -> Any:
    """What tells a handler from others of its class."""
    return state.get("baseFilename"), id(state.get("stream"))


PARTS = (Part("logging", "how logging is set up", _look, _take, _put),)
