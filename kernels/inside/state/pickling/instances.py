"""Instances of classes whose own code would be in the way when they are made again.

`pickle` calls a class's `__new__`, which may want arguments or count its instances, and asks the empty
instance for `__setstate__`, where a `__getattr__` that looks into an attribute never comes to an end.
"""

from typing import Any

from cloudpickle import cloudpickle

from .reduction import Reduction

__all__ = ["SETTERS", "is_delicate", "reduce_instance"]

HEAP_TYPE = 1 << 9
OWN_WAYS = ("__getnewargs__", "__getnewargs_ex__", "__setstate__")


def is_delicate(cls: Any) -> bool:
    """Whether an instance is only its attributes, and code of its class would run when it is made."""
    return (
        (hasattr(cls, "__getattr__") or _makes_its_own(cls))
        and all(
            getattr(cls, way) is getattr(object, way)
            for way in ("__reduce__", "__reduce_ex__", "__getstate__")
        )
        and not any(hasattr(cls, way) for way in OWN_WAYS)
        and all(each is object or each.__flags__ & HEAP_TYPE for each in type.mro(cls))
    )


def _makes_its_own(cls: Any) -> bool:
    return cls.__new__ is not object.__new__ and not cloudpickle._should_pickle_by_reference(cls)


def reduce_instance(value: object) -> Reduction:
    """An instance by its class and its attributes."""
    state: Any = object.__getstate__(value)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    return object.__new__, (type(value),), (attributes, slots), None, None, set_instance


def set_instance(made: object, state: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> None:
    """Give an instance its attributes."""
    attributes, slots = state
    if attributes:
        object.__getattribute__(made, "__dict__").update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(made, name, value)


SETTERS = (set_instance,)
