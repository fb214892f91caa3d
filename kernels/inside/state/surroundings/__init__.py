"""A session's state beyond its variables: what `begin` notes, `take` keeps and `put` sets again.

    begin(shell)                    # once, before the first cell and before anything is put
    values = take(shell, names, limited)    # between cells: only what is different from a fresh kernel
    place, rest = split(values)     # `place` is what modules are found by: folder, environment, `sys.path`
    told = put(shell, place, limited)       # in the next kernel, before the variables are loaded
    told += put(shell, rest, limited)       # once they are

None of them raises an error, unless it is to be given up. `limited` makes a context for each part, which ends
code of the person's that does not come to an end, by raising TakesTooMuch. While values are taken or put,
`logging.disable` may not be used to mute them: it is among what is kept. Each value is a plain one under its
own key, so one that cannot be pickled loses only itself. `put` returns in words what it could not set.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from ...libraries import on_import
from ..bounds import TakesTooMuch
from . import history, hooks, interpreter, logs, numbers, options, tools
from .part import Part, is_lost

__all__ = ["begin", "put", "split", "take", "words"]

type Limited = Callable[[], AbstractContextManager[None]]

PARTS = (
    *interpreter.PLACE,
    *hooks.PLACE,
    *tools.PARTS,
    *options.PARTS,
    *interpreter.PARTS,
    *hooks.PARTS,
    *logs.PARTS,
    *history.PARTS,
    *numbers.PARTS,  # last, since anything else may take a random number
)
PLACE = {part.key for part in (*interpreter.PLACE, *hooks.PLACE)}

_noted: dict[str, Any] = {}  # how things were in the fresh kernel, by part
_waiting: dict[str, Any] = {}  # what is set when its library is imported, by part


def begin(shell: Any) -> None:
    """Note how things are in a fresh kernel, and in libraries when they have been imported."""
    for part in PARTS:
        if part.module:
            on_import.change(part.module, partial(_note, part))
        else:
            _note(part, shell)


def take(
    shell: Any,
    namespace: Mapping[str, Any],  # noqa: ARG001  IPython's own names are in the shell's
    limited: Limited = nullcontext,
) -> dict[str, Any]:
    """What is different from a fresh kernel, by part; None for a part that cannot be looked at."""
    values: dict[str, Any] = {}
    for part in PARTS:
        subject = part.subject(shell)
        if subject is not None and part.key not in _noted and not part.module:
            continue
        try:
            with limited():
                if subject is None:
                    value = _waiting.get(part.key)
                else:
                    value = part.take(subject, _noted.get(part.key))
        except (Exception, TakesTooMuch):  # noqa: BLE001  the person can replace anything that is looked at
            values[part.key] = None
            continue
        if value is not None:
            values[part.key] = value
    return values


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What has to be set before the variables are loaded, and what has to be set after it."""
    place = {key: value for key, value in values.items() if key in PLACE}
    return place, {key: value for key, value in values.items() if key not in PLACE}


def put(
    shell: Any, values: dict[str, Any], limited: Limited = nullcontext, told: list[str] | None = None
) -> list[str]:
    """Set what `take` has returned, which leaves `values`; returns `told` with what could not be set."""
    told = [] if told is None else told
    for part in PARTS:
        if part.key not in values:
            continue
        subject, value = part.subject(shell), values[part.key]
        if subject is None and value is not None and not is_lost(value):
            _waiting[part.key] = value
            on_import.change(part.module, partial(_put_late, part))
        else:
            told += _put(part, subject, value, limited)
        del values[part.key]
    return told


def words(values: Mapping[str, Any]) -> list[str]:
    """What `take` has returned in words, as if nothing of it could be set."""
    return [part.words for part in PARTS if part.key in values]


def _note(part: Part, subject: Any) -> None:
    try:
        _noted[part.key] = part.look(subject)
    except Exception:  # noqa: BLE001  a version of a library may be different: then more is kept than needed
        _noted.pop(part.key, None)


def _put_late(part: Part, module: Any) -> None:
    """Set it in a library that the person's code has just imported."""
    _put(part, module, _waiting.pop(part.key, None))


def _put(part: Part, subject: Any, value: Any, limited: Limited = nullcontext) -> list[str]:
    if value is None or is_lost(value):
        return [part.words]
    try:
        with limited():
            return list(part.put(subject, value) or ())
    except (Exception, TakesTooMuch):  # noqa: BLE001  it may be from another version, or have been changed by the person
        return [part.words]
