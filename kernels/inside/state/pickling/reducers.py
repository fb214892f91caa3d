"""How each value is reduced to what can be pickled: by its kind, or by its own `__reduce_ex__`.

reducers = Reducers(namespace, lost)
reducers.reduce(value)      # a tuple as of `__reduce_ex__`; that of a Placeholder if the value cannot be kept
"""

import copyreg
import enum
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from cloudpickle import cloudpickle

from ..placeholder import Placeholder
from . import arrays, classes, frames, functions, instances, reasons
from .functions import Globals
from .reduction import Reduction, Unpicklable, is_ours

__all__ = ["Reducers"]

PROTOCOL = 5

type Way = Callable[[Any], Reduction]

SAFE: tuple[Any, ...] = ([], (), {}, {}.items(), OrderedDict[Any, Any]().items())
# The iterators of containers in C, which raise nothing of the person's.
SAFE_ITERATORS = frozenset(type(iter(made)) for made in SAFE)
OWN_CODE = "inside."


class Reducers:
    """The reductions of one save."""

    def __init__(self, namespace: dict[str, Any], lose: Callable[[object, str], str]) -> None:
        """`lose` is told of a value that is not kept and why, and gives the name of the variable it is in."""
        self._lose = lose
        self._globals = Globals(namespace)
        self._ways: dict[type, Way] = {  # those of a value that no pickler needs to check
            FunctionType: self._globals.reduce,
            memoryview: arrays.reduce_memoryview,
            weakref.ref: _reduce_reference,
            weakref.WeakSet: _reduce_weak_set,
            weakref.WeakKeyDictionary: _reduce_weak_dict,
            weakref.WeakValueDictionary: _reduce_weak_dict,
            Placeholder: self._reduce_placeholder,
            **functions.reducers(),
        }
        self._others: dict[type, Way] = {}

    def close(self) -> None:
        """Let go of all values."""
        vars(self).clear()

    def reduce(self, value: object, *, deep: bool = False) -> Reduction:
        """The value's reduction.

        Raises:
            RecursionError: there is no room for a call, which may be for other values' sake; not if `deep`.
        """
        try:
            cls = type(value)
            if (way := self._ways.get(cls)) is not None:
                return way(value)
            if (way := self._others.get(cls)) is None:
                way = self._others[cls] = self._chosen(cls)
            return _checked(value, way(value))
        except Unpicklable as problem:
            what = str(problem)
        except BaseException as error:  # whatever the code of a value raises
            if is_ours(error) or (isinstance(error, RecursionError) and not deep):
                raise
            what = reasons.failed(value, reasons.told(error))
        return Placeholder, (what, self._lose(value, what))

    def _reduce_placeholder(self, value: Placeholder) -> Reduction:
        """What was lost in an earlier kernel goes on being named."""
        self._lose(value, value.what)
        return Placeholder, (value.what, value.name)

    def _chosen(self, cls: type) -> Way:
        """How values of a class are reduced. It is decided once for each class."""
        way: Way | None
        for above, way in (
            (type, classes.reduce_class),
            (ModuleType, self._ways[ModuleType]),
            (BaseException, classes.reduce_error),
            (weakref.ReferenceType, _reduce_reference),
        ):
            if issubclass(cls, above):
                return way
        if issubclass(cls, enum.Enum) and not cloudpickle._should_pickle_by_reference(cls):
            return classes.reduce_member
        if arrays.is_array(cls):
            return arrays.reduce_array
        if arrays.is_ufunc(cls):
            return arrays.reduce_ufunc
        if (way := frames.reducer(cls)) is not None:
            return way
        if cls.__module__.startswith(OWN_CODE):
            return _refuse
        way = copyreg.dispatch_table.get(cls) or cloudpickle.Pickler.dispatch_table.get(cls)
        if way is None:
            way = instances.reduce_instance if instances.is_delicate(cls) else _by_itself
        return partial(_natural, way) if _may_be_unkept(cls) else way


def _refuse(_: object) -> Reduction:
    raise Unpicklable("a part of the kernel")


def _may_be_unkept(cls: type) -> bool:
    return any(f"{each.__module__}.{each.__qualname__}" in reasons.NATURES for each in type.mro(cls))


def _natural(way: Way, value: object) -> Reduction:
    """A value of a kind that cannot be kept, unless its subclass sees to it."""
    if (why := reasons.reason(value)) is not None:
        raise Unpicklable(why)
    return way(value)


def _by_itself(value: object) -> Reduction:
    """What the value says of itself."""
    return value.__reduce_ex__(PROTOCOL)


def _checked(value: object, reduced: Reduction) -> Reduction:
    """The reduction, of which `pickle` will not complain when half of it is written.

    Raises:
        Unpicklable: it is none.
    """
    if reduced is NotImplemented:
        return reduced
    if isinstance(reduced, str):
        module = cloudpickle._whichmodule(value, reduced)
        found: Any = sys.modules.get(module or "")
        for part in reduced.split("."):
            found = getattr(found, part, None)
        if found is not value or module == "__main__":
            raise Unpicklable(f"{reasons.kind(value)} (it cannot be found by its name)")
        return reduced
    if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
        raise Unpicklable(f"{reasons.kind(value)} (its `__reduce__` gives nothing that can be pickled)")
    parts: list[Any] = [*reduced, *[None] * (6 - len(reduced))]
    if (
        not callable(parts[0])
        or not isinstance(parts[1], tuple)
        or not (parts[5] is None or callable(parts[5]))
    ):
        raise Unpicklable(f"{reasons.kind(value)} (its `__reduce__` gives nothing that can be pickled)")
    for place in (3, 4):
        if parts[place] is not None and type(parts[place]) not in SAFE_ITERATORS:
            parts[place] = iter(list(parts[place]))
    if getattr(parts[0], "__name__", "") in ("__newobj__", "__newobj_ex__"):
        parts[:2] = _made_new(value, parts[0], parts[1])
    return tuple(parts)


def _made_new(value: Any, function: Any, made: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """How a new instance is made, where `pickle` would insist that the value names the same class."""
    if not made or not isinstance(made[0], type):
        raise Unpicklable(f"{reasons.kind(value)} (its `__reduce__` gives nothing that can be pickled)")
    if value.__class__ is made[0]:
        return function, made
    named = {} if len(made) < 3 or function.__name__ == "__newobj__" else made[2]
    return make_instance, (made[0], made[1] if named else made[1:], named)


def make_instance(cls: type, made: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """An instance of a class that says of its instances that they have another one."""
    return cls.__new__(cls, *made, **named)


def _reduce_reference(reference: Any) -> Reduction:
    """A weak reference; it is dead in the other kernel if nothing else there holds its object."""
    if type(reference) is not weakref.ref:
        raise Unpicklable("a weak reference")
    if reference.__callback__ is not None:
        raise Unpicklable("a weak reference that calls a function in the end")
    referred = reference()
    return (dead_reference, ()) if referred is None else (weakref.ref, (referred,))


class _Passing:
    """Something to refer to that is gone at once."""


def dead_reference() -> "weakref.ref[object]":
    """A weak reference to nothing."""
    return weakref.ref(_Passing())


def _reduce_weak_set(found: Any) -> Reduction:
    return type(found), (list(found),)


def _reduce_weak_dict(found: Any) -> Reduction:
    return type(found), (), None, None, iter(list(found.items()))
