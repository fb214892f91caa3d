"""Gives processes that `multiprocessing` starts afresh ("spawn", "forkserver") what the cells have defined.

Such a process imports the script that started it, to have its functions. Cells are in no file, so one is
written for it, with the person's functions and classes, imports and plain values. Without it a `Pool` would
start processes for ever, each of which fails at its first task.
"""

import ast
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, ModuleType
from typing import Any

from ..libraries import on_import

__all__ = ["follow"]

NAME = ".cells.py"  # in the temporary folder
LONGEST = 10_000  # characters of a plain value
MOST_CELLS = 1000  # that are searched, the newest first
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
PLAIN = (bool, int, float, complex, str, bytes, type(None))
# Each part by itself: one that raises is left out, and the error appears where the name is used.
EACH = "try:\n    exec({!r})\nexcept Exception:\n    pass\n"  # whatever a person's definition raises


def follow() -> None:
    """Change `multiprocessing` so, now or when it is imported."""
    on_import.change("multiprocessing.spawn", _with_cells)


def _with_cells(module: ModuleType) -> None:
    spawn: Any = module
    prepare: Callable[[str], dict[str, Any]] = spawn.get_preparation_data

    @functools.wraps(prepare)
    def get_preparation_data(name: str) -> dict[str, Any]:
        told = prepare(name)
        if "init_main_from_name" not in told and "init_main_from_path" not in told:
            told["init_main_from_path"] = _written(list(_parts(vars(sys.modules["__main__"]))))
        return told

    spawn.get_preparation_data = get_preparation_data


def _written(parts: list[str]) -> str:
    """Write a file with these parts of a program; returns its path."""
    path = os.path.join(tempfile.gettempdir(), NAME)
    with tempfile.NamedTemporaryFile("w", dir=tempfile.gettempdir(), encoding="utf-8", delete=False) as file:
        file.writelines(map(EACH.format, parts))
    os.replace(file.name, path)
    return path


def _parts(names: dict[str, Any]) -> Iterator[str]:
    """Code that defines the person's names again: imports, then plain values, then what uses them."""
    theirs = {name: value for name, value in names.items() if not name.startswith("_")}
    for name, value in theirs.items():
        if isinstance(value, ModuleType):
            yield f"import {value.__name__}, sys; {name} = sys.modules[{value.__name__!r}]"
        elif isinstance(value, type | FunctionType) and value.__module__ != "__main__":
            yield f"from {value.__module__} import {value.__qualname__} as {name}"
        elif isinstance(value, PLAIN) and len(text := repr(value)) < LONGEST:
            yield f"{name} = {text}"
    own = {name for name, value in theirs.items() if getattr(value, "__module__", "") == "__main__"}
    yield from _defined(own, names.get("_ih", ()))


def _defined(names: set[str], cells: Sequence[str]) -> list[str]:
    """The source of the functions and classes of these names, each from the cell that defined it last."""
    found: list[str] = []
    for cell in list(reversed(cells))[:MOST_CELLS]:
        try:
            body = ast.parse(cell).body
        except (SyntaxError, TypeError, ValueError, RecursionError):
            continue
        for part in reversed(body):
            if isinstance(part, DEFINITIONS) and part.name in names:
                names.discard(part.name)
                found.append(ast.unparse(part))
    return found[::-1]
