"""Classes that cells define, Enums among them, and errors.

A class is made without running what the person's code does when one is made (a metaclass,
`__init_subclass__`, `__set_name__`): its effects are among the saved values, and would be there twice.
"""

import enum
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cloudpickle import cloudpickle

from .reduction import Reduction, Unpicklable

__all__ = ["SETTERS", "reduce_class", "reduce_error", "reduce_member"]

HEAP_TYPE, IMMUTABLE_TYPE = 1 << 9, 1 << 8  # flags of a class; one in C is not the first, or is the second
# What EnumType makes itself from the members.
OF_ENUMS = (
    "_generate_next_value_",
    "_member_names_",
    "_member_map_",
    "_member_type_",
    "_value2member_map_",
    "_unhashable_values_",
    "_hashable_values_",
    "_unhashable_values_map_",
    "__new__",
    "_new_member_",
    "__new_member__",
    "_use_args_",
)
BEGUN_WITH = ("__module__", "__slots__", "__orig_bases__")
OF_TYPE = ("__class__", "__dict__")  # cannot be set later, if a class has its own
ABOUT_NEW = ("_generate_next_value_", "_new_member_", "__new_member__", "_use_args_")
OF_MEMBERS = ("_value_", "_name_", "__objclass__", "_sort_order_")


def reduce_class(cls: type) -> Reduction:
    """A class by value, or NotImplemented for one that a module has under its name."""
    reduced = cloudpickle._class_reduce(cls)
    if not isinstance(reduced, tuple) or len(reduced) < 3:  # found by its name, or one of Python's own
        return reduced
    if not cls.__flags__ & HEAP_TYPE or cls.__flags__ & IMMUTABLE_TYPE:
        raise Unpicklable("a class in C that cannot be found by its name")
    if issubclass(cls, enum.Enum):
        return _reduce_enum(cls)
    meta = type(cls)
    begun = {key: vars(cls)[key] for key in BEGUN_WITH if key in vars(cls)} | {
        "__qualname__": cls.__qualname__
    }
    begun |= {key: vars(cls)[key] for key in OF_TYPE if isinstance(vars(cls).get(key), property)}
    maker = type if meta.__name__ == "_TypedDictMeta" else _first_by_name(meta)
    tracked = cloudpickle._get_or_create_tracker_id(cls)
    return (
        make_class,
        (maker, meta, cls.__name__, cls.__bases__, begun, tracked),
        _content(cls),
        None,
        None,
        set_class,
    )


def _first_by_name(meta: type) -> type:
    """The metaclass, or the nearest one above it that no cell has defined."""
    return next(each for each in type.mro(meta) if cloudpickle._should_pickle_by_reference(each))


def _content(cls: type) -> dict[str, Any]:
    """A class's attributes, without those that Python makes itself or that it begins with."""
    content: dict[str, Any] = cloudpickle._class_getstate(cls)[0]
    return {
        name: value
        for name, value in content.items()
        if not (isinstance(value, types.MemberDescriptorType) and value.__objclass__ is cls)
        and name not in ("__class__", "__dict__", "__weakref__")
    }


def make_class(
    maker: Any, meta: type, name: str, bases: tuple[type, ...], begun: dict[str, Any], tracked: str
) -> type:
    """A class without its attributes, or the one that is there already."""
    if (known := cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracked)) is not None:
        return known  # type: ignore[no-any-return]
    with _untold(bases):
        made = meta(name, bases, begun) if maker is meta else maker.__new__(meta, name, bases, begun)
    return cloudpickle._lookup_class_or_track(tracked, made)  # type: ignore[no-any-return]


@contextmanager
def _untold(bases: tuple[type, ...]) -> Iterator[None]:
    """While entered, no class of a cell is told of a new one below it."""
    owners = {
        each: vars(each)["__init_subclass__"]
        for base in bases
        for each in type.mro(base)
        if "__init_subclass__" in vars(each) and not cloudpickle._should_pickle_by_reference(each)
    }
    for each in owners:
        type.__delattr__(each, "__init_subclass__")
    try:
        yield
    finally:
        for each, told in owners.items():
            type.__setattr__(each, "__init_subclass__", told)


def set_class(cls: type, content: dict[str, Any]) -> None:
    """Give a class its attributes, past what a metaclass of a cell does with them."""
    set_attribute: Any = (
        type.__setattr__ if isinstance(cls, enum.EnumType) else _first_by_name(type(cls)).__setattr__
    )
    for name, value in content.items():
        if name == "_abc_impl":
            for each in value:
                cls.register(each)  # type: ignore[attr-defined]
        else:
            set_attribute(cls, name, value)


def _reduce_enum(cls: Any) -> Reduction:
    members = cls.__members__  # with the other names of a member
    plain = _plain(cls)
    values = {name: (member._value_, plain and plain(member)) for name, member in members.items()}
    state = _content(cls)
    for name in (*OF_ENUMS, *members):
        state.pop(name, None)
    own = {
        name: extra
        for name, member in members.items()
        if (extra := {key: value for key, value in vars(member).items() if key not in OF_MEMBERS})
    }
    about = {key: vars(cls)[key] for key in ABOUT_NEW if key in vars(cls)}
    made = type(cls), cls.__bases__, cls.__name__, cls.__qualname__, cls.__module__, values
    tracked = cloudpickle._get_or_create_tracker_id(cls)
    return make_enum, (*made, tracked), (state, own, about), None, None, set_enum


def _plain(cls: Any) -> Any:
    """The type whose value each member also is: int, str, or another that was mixed in."""
    kind = cls._member_type_
    return None if kind is object else {str: str.__str__, int: int.__int__}.get(kind, kind)


def make_enum(
    meta: Any,
    bases: tuple[type, ...],
    name: str,
    qualname: str,
    module: str,
    values: Mapping[str, tuple[Any, Any]],
    tracked: str,
) -> Any:
    """An Enum with its members, without running a `__new__` or `__init__` of the person's for them."""
    if (known := cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracked)) is not None:
        return known
    coming = iter(values.values())

    def __new__(cls: Any, *_: Any, **__: Any) -> Any:  # noqa: N807  EnumType looks for it
        value, plain = next(coming)
        kind = cls._member_type_
        member = object.__new__(cls) if kind is object else kind.__new__(cls, plain)
        member._value_ = value
        return member

    def __init__(_: Any, *__: Any, **___: Any) -> None:  # noqa: N807  as above
        pass

    content = meta.__prepare__(name, bases)
    content["__module__"], content["__qualname__"] = module, qualname
    content["__new__"], content["__init__"] = __new__, __init__
    for each, (value, _) in values.items():
        content[each] = value
    made = meta.__new__(meta, name, bases, content)
    del made.__init__
    if "__new_member__" in vars(made):
        type.__delattr__(made, "__new_member__")
    return cloudpickle._lookup_class_or_track(tracked, made)


def set_enum(cls: Any, state: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    """Give an Enum its methods, and its members the attributes that its `__init__` had set."""
    content, own, about = state
    for name, value in about.items():
        type.__setattr__(cls, name, value)
    set_class(cls, content)
    for name, extra in own.items():
        vars(cls.__members__[name]).update(extra)


def reduce_member(member: Any) -> Reduction:
    """A member of an Enum by its name; a combination of flags by its value."""
    cls = type(member)
    if cls.__members__.get(member._name_) is not member:
        return member.__reduce_ex__(5)
    return enum_member, (cls, member._name_)


def enum_member(cls: Any, name: str) -> Any:
    """The member of an Enum."""
    return cls.__members__[name]


def reduce_error(error: BaseException) -> Reduction:
    """An error without its traceback, which holds all variables of the functions it came through."""
    cls = type(error)
    state = {
        "cause": error.__cause__,
        "context": error.__context__,
        "suppress": error.__suppress_context__,
    }
    if cls.__reduce__ not in REDUCTIONS or cls.__reduce_ex__ is not object.__reduce_ex__:
        reduced = error.__reduce_ex__(5)
        if not isinstance(reduced, tuple) or len(reduced) > 3:
            return reduced
        content = reduced[2] if len(reduced) == 3 else None
        return *reduced[:2], (content, state), None, None, set_error
    made = error.__reduce__()
    assert isinstance(made, tuple)
    return make_error, (cls, *made[1]), (made[2] if len(made) > 2 else None, state), None, None, set_error


def make_error(cls: type[BaseException], *args: Any) -> Any:
    """An error, without the `__init__` of a class in Python: that may want other arguments."""
    built_in: Any = next(each for each in cls.__mro__ if not each.__flags__ & HEAP_TYPE)
    error = built_in.__new__(cls, *args)
    built_in.__init__(error, *args)
    return error


def set_error(error: BaseException, state: tuple[Any, dict[str, Any]]) -> None:
    """Give an error its attributes, and the errors it came from."""
    content, chain = state
    if content is not None:
        error.__setstate__(content)
    error.__cause__, error.__context__ = chain["cause"], chain["context"]
    error.__suppress_context__ = chain["suppress"]


REDUCTIONS = tuple(
    getattr(each, "__reduce__")  # noqa: B009  mypy does not know that each class has one
    for each in (BaseException, OSError, ImportError, AttributeError, NameError)
)


SETTERS = (set_class, set_enum, set_error)
