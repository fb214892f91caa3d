"""Functions that cells define, which go on using the live namespace, and share variables as before.

A function is made again around its globals: the person's namespace, those of a module, or a dict of its own.
The cells of a closure are values of their own, so that two functions which share one go on sharing it.
"""

import functools
import gc
import sys
import types
import typing
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cloudpickle import cloudpickle

from .reduction import Reduction, Unpicklable

__all__ = ["SETTERS", "Globals", "reducers"]

# Attributes of a function that are set when it has been made.
ATTRIBUTES = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__")
LATER = ("__annotations__", "__type_params__")
USERS = (types.FunctionType, types.FrameType)  # who has a dict of globals only for what is in it
# Builtins by which a function can use all of it.
LOOKING = {"dir", "eval", "exec", "globals", "locals", "vars"}
ALONE = types.FunctionType((lambda: None).__code__, {})  # nobody else has its dict of globals
USED_ONCE = sys.getrefcount(ALONE.__globals__)  # references to such a dict, counted as below


class Globals:
    """What functions have as globals: one instance for each save."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._named: dict[int, Any] = {id(namespace): namespace}

    def of(self, function: types.FunctionType) -> Any:
        """What is pickled as the function's globals: the dict itself, if anybody can see that."""
        address = id(function.__globals__)
        if address not in self._named:
            self._named[address] = self._chosen(function)
        return self._named[address]

    @staticmethod
    def _chosen(function: types.FunctionType) -> Any:
        once = sys.getrefcount(function.__globals__) <= USED_ONCE
        found = function.__globals__
        name = found.get("__name__")
        module = sys.modules.get(name) if type(name) is str else None
        if module is not None and vars(module) is found:
            return _ModuleGlobals(module)
        if once:  # by this function; it is not worth a search
            return _UsedGlobals(found)
        for holder in gc.get_referrers(found):
            if type(holder) is types.ModuleType and vars(holder) is found:
                return _ModuleGlobals(holder)
            if type(holder) not in USERS:
                return found
        return _UsedGlobals(found)

    def reduce(self, function: types.FunctionType) -> Reduction:
        """A function by value, or NotImplemented for one that a module has under its name."""
        if cloudpickle._should_pickle_by_reference(function):
            return NotImplemented
        if str(function.__globals__.get("__name__", "")).startswith("inside."):
            raise Unpicklable("a function of the kernel")
        state = {name: getattr(function, name) for name in (*ATTRIBUTES, *LATER)}
        named, used = self.of(function), None
        names = function.__globals__  # not before: references to it are counted
        if type(named) is _UsedGlobals:
            own = cloudpickle._extract_code_globals(function.__code__)
            keys = list(names) if LOOKING & own.keys() else ["__name__", "__package__", *own]
            used = {key: names[key] for key in keys if key in names}
        made = function.__code__, named, function.__closure__
        return make_function, made, (state, vars(function), used), None, None, set_function


class _UsedGlobals:
    """A dict that only functions have: what they use of it is kept, and they share it."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names  # no other dict may have its address

    @staticmethod
    def reduce(_: "_UsedGlobals") -> Reduction:
        """A dict that each function fills with what it uses."""
        return dict, ()


class _ModuleGlobals:
    """The dict of a module; made again it is the dict itself."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @staticmethod
    def reduce(named: "_ModuleGlobals") -> Reduction:
        """The dict, of the module in the other kernel."""
        return vars, (named._module,)


def make_function(code: types.CodeType, names: dict[str, Any], closure: Any) -> types.FunctionType:
    """A function without its attributes, which may refer to itself."""
    return types.FunctionType(code, names, None, None, closure)


def set_function(
    function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]
) -> None:
    """Give the function its attributes, and what it uses of globals that are no module's."""
    function.__globals__.update(state[2] or {})
    for name, value in state[0].items():
        setattr(function, name, value)
    vars(function).update(state[1])


def _reduce_cell(cell: types.CellType) -> Reduction:
    try:
        content = cell.cell_contents
    except ValueError:  # it is empty
        return types.CellType, ()
    return types.CellType, (), (content,), None, None, set_cell


def set_cell(cell: types.CellType, content: tuple[object]) -> None:
    """Fill a variable that functions share."""
    (cell.cell_contents,) = content


def _reduce_cached(function: Any) -> Reduction:
    """A function with a cache, which begins empty: results can have any size, and are made again."""
    by_name = sys.modules.get(function.__module__ or "")
    if function.__module__ != "__main__" and _attribute(by_name, function.__qualname__) is function:
        return str(function.__qualname__)
    settings = function.cache_parameters()
    state = {
        name: value
        for name, value in vars(function).items()
        if name not in ("__wrapped__", "cache_parameters")
    }
    made = function.__wrapped__, settings["maxsize"], settings["typed"]
    return make_cached, made, state, None, None, set_cached


def make_cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """The function with an empty cache."""
    return functools.lru_cache(maxsize, typed)(function)


def set_cached(function: Any, state: dict[str, Any]) -> None:
    """Set the attributes of the function with a cache."""
    vars(function).update(state)


def _attribute(found: Any, path: str) -> Any:
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _reduce_method(method: types.MethodType) -> Reduction:
    return types.MethodType, (method.__func__, method.__self__)


def _reduce_property(prop: property) -> Reduction:
    return property, (prop.fget, prop.fset, prop.fdel, prop.__doc__)


def _reduce_builtin(function: Any) -> Reduction:
    """A function in C, by its name, or as the method of its object."""
    if isinstance(function.__self__, types.ModuleType) or function.__self__ is None:
        module = function.__module__ or "builtins"
        if _attribute(sys.modules.get(module), function.__qualname__) is function:
            return str(function.__qualname__)
        raise Unpicklable("a function in C that cannot be found by its name")
    return getattr, (function.__self__, function.__name__)


def _reduce_module(module: types.ModuleType) -> Reduction:
    """A module by its name, with the parts that have been imported; one that a cell has made by value."""
    name: Any = vars(module).get("__name__")
    if not _is_found(module):
        content = {key: value for key, value in vars(module).items() if key != "__builtins__"}
        return types.ModuleType, (name,), content, None, None, set_module
    return import_module, (name, _imported_parts(name) if hasattr(module, "__path__") else [])


def _is_found(module: types.ModuleType) -> bool:
    """Whether a module can be found by its name."""
    name = vars(module).get("__name__")
    return type(name) is str and sys.modules.get(name) is module


def _imported_parts(name: str) -> list[str]:
    """The public modules of a package that are loaded; `import scipy.stats` leaves only the name `scipy`."""
    found, prefix = [], f"{name}."
    for part in [each for each in list(sys.modules) if each.startswith(prefix)]:  # of some 1,500
        rest = part[len(prefix) :].split(".")
        if not any(each.startswith("_") or each in ("tests", "testing") for each in rest):
            found.append(part)
    return sorted(found)


def import_module(name: str, parts: list[str]) -> types.ModuleType:
    """The module, after such of its parts as can be imported."""
    __import__(name)
    for part in parts:
        if part not in sys.modules:
            with suppress(Exception):  # who uses a part that is not there any more will miss it
                __import__(part)
    return sys.modules[name]


def set_module(module: types.ModuleType, content: dict[str, Any]) -> None:
    """Fill a module that a cell has made."""
    vars(module).update(content)


def _reduce_view(view: Any) -> Reduction:
    """`keys()`, `values()` or `items()` of a dict that goes on changing."""
    (mapping,) = gc.get_referents(view)
    return dict_view, (mapping, type(view).__name__.rpartition("_")[2])


def dict_view(mapping: Any, kind: str) -> Any:
    """The live view of a mapping."""
    return getattr(mapping, kind)()


def _reduce_proxy(proxy: types.MappingProxyType[Any, Any]) -> Reduction:
    (mapping,) = gc.get_referents(proxy)
    if "__dict__" in mapping and "__module__" in mapping:
        raise Unpicklable("the namespace of a class")
    return types.MappingProxyType, (mapping,)


def _reduce_typevar(var: typing.TypeVar) -> Reduction:
    if _attribute(sys.modules.get(var.__module__), var.__name__) is var and var.__module__ != "__main__":
        return var.__name__
    options = ("bound", "covariant", "contravariant", "infer_variance")
    given = {each: getattr(var, f"__{each}__") for each in options}
    return make_typevar, (var.__name__, var.__constraints__, given), var.__module__, None, None, set_typevar


def _reduce_newtype(new: Any) -> Reduction:
    if _attribute(sys.modules.get(new.__module__), new.__qualname__) is new and new.__module__ != "__main__":
        return str(new.__qualname__)
    return typing.NewType, (new.__qualname__, new.__supertype__), new.__module__, None, None, set_typevar


def make_typevar(name: str, constraints: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """A type variable."""
    return typing.TypeVar(name, *constraints, **given)


def set_typevar(var: Any, module: str) -> None:
    """Say where a type is at home."""
    var.__module__ = module


def _reduce_wrapped(wrapper: Any) -> Reduction:
    """A classmethod or staticmethod."""
    return type(wrapper), (wrapper.__func__,)


DICTS: tuple[Any, ...] = ({}, OrderedDict[Any, Any]())
SETTERS = (set_function, set_cell, set_cached, set_module, set_typevar)


def reducers() -> dict[type, Callable[[Any], Reduction]]:
    """The reduction for each kind of value that has to do with functions."""
    views = {type(getattr(made, kind)()) for made in DICTS for kind in ("keys", "values", "items")}
    return {
        types.CellType: _reduce_cell,
        types.CodeType: cloudpickle._code_reduce,
        types.MethodType: _reduce_method,
        types.BuiltinFunctionType: _reduce_builtin,
        types.ModuleType: _reduce_module,
        types.MappingProxyType: _reduce_proxy,
        types.GetSetDescriptorType: cloudpickle._getset_descriptor_reduce,
        types.MemberDescriptorType: cloudpickle._getset_descriptor_reduce,
        functools._lru_cache_wrapper: _reduce_cached,
        property: _reduce_property,
        _ModuleGlobals: _ModuleGlobals.reduce,
        _UsedGlobals: _UsedGlobals.reduce,
        typing.TypeVar: _reduce_typevar,
        typing.NewType: _reduce_newtype,
        classmethod: _reduce_wrapped,
        staticmethod: _reduce_wrapped,
        **dict.fromkeys(views, _reduce_view),
    }
