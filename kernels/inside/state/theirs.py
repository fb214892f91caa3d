"""What the person has set where something of ours stands while values are saved or loaded.

theirs.keep(stack, "sys.stdout", sys.stdout, set_stdout)    # in the end, `set_stdout` gets what is theirs
theirs.get("sys.stdout", read)          # meanwhile what is theirs, at any other time what `read` returns
theirs.put("sys.stdout", stream, set_stdout)    # meanwhile what will be set in the end, otherwise set now
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

__all__ = ["get", "keep", "put"]

_kept: dict[str, Any] = {}


def keep(stack: ExitStack, name: str, value: Any, restore: Callable[[Any], object]) -> None:
    """Keep the person's value until the stack ends."""
    _kept[name] = value
    stack.callback(lambda: restore(_kept.pop(name)))


def get(name: str, read: Callable[[], Any]) -> Any:
    """What is the person's."""
    return _kept[name] if name in _kept else read()


def put(name: str, value: Any, write: Callable[[Any], object]) -> None:
    """Have this be the person's."""
    if name in _kept:
        _kept[name] = value
    else:
        write(value)
