"""How each value is reduced to what can be pickled: by its kind, or by its own `__reduce_ex__`, never failing.

reducers = Reducers(namespace, lost)
reducers.reduce(value)          # a tuple as of `__reduce_ex__`; of a Placeholder where the value cannot be kept
"""

import copyreg
import enum
import sys
import typing
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from cloudpickle import cloudpickle

from ..placeholder import Placeholder
from . import arrays, classes, frames, functions, reasons
from .functions import Globals
from .reduction import Reduction, Unpicklable

__all__ = ["Reducers", "is_ours"]

PROTOCOL = 5
# The iterators of containers in C, which raise nothing of the person's.
SAFE_ITERATORS = frozenset(type(iter(made)) for made in ([], (), {}, {}.items(), OrderedDict().items()))
OWN_CODE = "inside."


def is_ours(error: BaseException) -> bool:
    """Whether an error is meant for whoever has a state saved or loaded, and not a value's own."""
    if isinstance(error, KeyboardInterrupt):
        return True
    return not isinstance(error, Exception) and type(error).__module__.startswith(OWN_CODE)


class Reducers:
    """The reductions of one save."""

    def __init__(self, namespace: dict[str, Any], lose: Callable[[object, str], str]) -> None:
        """`lose` is told of a value that is not kept and why, and gives the name of the variable it is in."""
        self._lose = lose
        self._globals = Globals(namespace)
        self._by_class: dict[type, Callable[[Any], Reduction]] = {
            FunctionType: self._globals.reduce,
            memoryview: arrays.reduce_memoryview,
            weakref.ref: _reduce_reference,
            weakref.WeakSet: _reduce_weak_set,
            weakref.WeakKeyDictionary: _reduce_weak_dict,
            weakref.WeakValueDictionary: _reduce_weak_dict,
            typing.TypeVar: cloudpickle._typevar_reduce,
            Placeholder: self._reduce_placeholder,
            **functions.reducers(),
        }

    def know(self, value: object) -> None:
        """Note what a variable holds before it is pickled."""
        if type(value) is ModuleType and sys.modules.get(value.__name__) is not value:
            self._globals.know(value)

    def reduce(self, value: object) -> Reduction:
        """The value's reduction."""
        try:
            cls = type(value)
            known = self._by_class.get(cls)
            if known is None:
                known = self._by_class[cls] = self._chosen(cls)
            reduced = known(value)
            if type(reduced) is tuple and known is not _by_itself:
                return reduced
            return _checked(value, reduced)
        except Unpicklable as problem:
            what = str(problem)
        except BaseException as error:
            if is_ours(error):
                raise
            what = reasons.failed(value, error)
        return Placeholder, (what, self._lose(value, what))

    def _reduce_placeholder(self, value: Placeholder) -> Reduction:
        """What was lost in an earlier kernel goes on being named."""
        self._lose(value, value.what)
        return Placeholder, (value.what, value.name)

    def _chosen(self, cls: type) -> Callable[[Any], Reduction]:
        """How values of a class are reduced. It is decided once for each class."""
        for above, way in (
            (type, classes.reduce_class),
            (ModuleType, self._by_class[ModuleType]),
            (BaseException, classes.reduce_error),
            (weakref.ReferenceType, _reduce_reference),
        ):
            if issubclass(cls, above):
                return way
        if issubclass(cls, enum.Enum) and not cloudpickle._should_pickle_by_reference(cls):
            return classes.reduce_member
        if arrays.is_array(cls):
            return arrays.reduce_array
        if (way := frames.reducer(cls)) is not None:
            return way
        if cls.__module__.startswith(OWN_CODE):
            return _refuse
        return _natural if _may_be_unkept(cls) else _by_itself


def _refuse(_: object) -> Reduction:
    raise Unpicklable("a part of the kernel")


def _may_be_unkept(cls: type) -> bool:
    return any(f"{each.__module__}.{each.__qualname__}" in reasons.NATURES for each in type.mro(cls))


def _natural(value: object) -> Reduction:
    """A value of a kind that cannot be kept, unless its subclass sees to it."""
    if (why := reasons.reason(value)) is not None:
        raise Unpicklable(why)
    return _by_itself(value)


def _by_itself(value: object) -> Reduction:
    """What `pickle` would ask the value for."""
    cls = type(value)
    way = copyreg.dispatch_table.get(cls) or cloudpickle.Pickler.dispatch_table.get(cls)
    return way(value) if way is not None else value.__reduce_ex__(PROTOCOL)


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
    if parts[0] is copyreg.__newobj__ or parts[0] is getattr(copyreg, "__newobj_ex__", None):
        _check_new(value, parts)
    return tuple(parts)


def _check_new(value: object, parts: list[Any]) -> None:
    made = parts[1]
    if not made or not isinstance(made[0], type) or made[0] is not type(value):
        raise Unpicklable(f"{reasons.kind(value)} (its `__reduce__` gives nothing that can be pickled)")


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
