"""An unpickler that goes on after a failure: what cannot be made is a placeholder wherever it stands.

A value that fails when it is filled, and which others may hold already, becomes a placeholder itself where
Python allows it, and otherwise is replaced from there on.
"""

import pickle
from collections.abc import Callable
from typing import Any, ClassVar

from ..placeholder import Placeholder
from . import arrays, classes, functions, instances, reasons
from .reduction import is_ours

__all__ = ["TolerantUnpickler", "Unmendable"]

IN_PYTHON: Any = pickle._Unpickler
SETTERS = frozenset(
    (*arrays.SETTERS, *classes.SETTERS, *functions.SETTERS, *instances.SETTERS)
)  # fill what they are given first


class Unmendable(Exception):
    """A value could not be filled, and others hold it. The text says what and why."""


class TolerantUnpickler(IN_PYTHON):  # type: ignore[misc]
    """Python's own unpickler in Python, with a guard around each step that runs other code."""

    dispatch: ClassVar[dict[int, Any]] = dict(IN_PYTHON.dispatch)  # by opcode

    def __init__(
        self, file: Any, buffers: Any, memo: dict[int, Any], name: str, *, patient: bool = True
    ) -> None:
        """`patient`: dicts and sets that cannot be filled are filled at the end.

        By then a key in a circle with its own set has the attributes from which it makes its hash.
        """
        super().__init__(file, buffers=buffers)
        self.memo, self.lost = memo, list[str]()
        self._name, self._patient = name, patient
        self._places: dict[int, int] = {}  # in the memo, by address
        self._fetched: set[int] = set()  # places of what others hold already
        self._waiting: list[Callable[[], Any]] = []

    def load(self) -> Any:
        """Read one pickle.

        Raises:
            Unmendable: others hold a value that could not be filled.
        """
        value = super().load()
        for fill in self._waiting:
            try:
                fill()
            except BaseException as error:  # whatever the code of a value raises
                if is_ours(error):
                    raise
                raise Unmendable(reasons.broken("a value", error)) from error
        return value

    def _failed(self, words: str, error: BaseException) -> Placeholder:
        """What stands for a value that could not be made, unless the error is not the value's."""
        if is_ours(error):
            raise error
        what = reasons.broken(words, error)
        self.lost.append(what)
        return Placeholder(what, self._name)

    def _made(self, function: Any, made: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """A new value, or what stands for it."""
        if type(function) is Placeholder:
            self.lost.append(function.what)
            return Placeholder(function.what, self._name)
        try:
            return make()
        except BaseException as error:  # noqa: BLE001  whatever the person's or a library's code raises
            return self._failed(_words(function, made), error)

    def _filled(self, target: Any, fill: Callable[[], Any]) -> None:
        """Fill a value; one that fails in that is replaced."""
        if type(target) is Placeholder:
            return
        try:
            fill()
        except BaseException as error:  # noqa: BLE001  whatever the person's or a library's code raises
            if self._patient and type(target) in (dict, set) and not is_ours(error):
                self._waiting.append(fill)
                return
            self._break(target, self._failed(reasons.kind(target), error))

    def _break(self, target: Any, stand_in: Placeholder) -> None:
        try:
            object.__setattr__(target, "__class__", Placeholder)
            content = vars(target)
            content.clear()
            content.update(vars(stand_in))
        except (TypeError, AttributeError):  # a class, or a value in C
            place = self._places.get(id(target))
            if place in self._fetched:
                raise Unmendable(stand_in.what) from None
            self.stack[-3:] = [stand_in if each is target else each for each in self.stack[-3:]]
            if place is not None:
                self.memo[place] = stand_in

    def load_binget(self) -> None:
        """Take a value from the memo."""
        self._fetch(self.read(1)[0])

    def load_long_binget(self) -> None:
        """Take a value from the memo."""
        self._fetch(int.from_bytes(self.read(4), "little"))

    def _fetch(self, place: int) -> None:
        self._fetched.add(place)
        self.append(self.memo[place])

    def load_memoize(self) -> None:
        """Note where each value is in the memo."""
        value = self.stack[-1]
        self._places[id(value)] = len(self.memo)
        self.memo[len(self.memo)] = value

    def load_stack_global(self) -> None:
        """Find a class or a function."""
        name, module = self.stack.pop(), self.stack.pop()
        words = f"`{name}` of `{module}`"
        try:
            self.append(self.find_class(module, name))
        except BaseException as error:  # noqa: BLE001  importing runs any code
            self.append(self._failed(words, error))

    def load_reduce(self) -> None:
        """Call a function for a value, or to fill one."""
        made, function = self.stack.pop(), self.stack.pop()
        if function in SETTERS:
            self.append(None)
            self._filled(made[0], lambda: function(*made))
        else:
            self.append(self._made(function, made, lambda: function(*made)))

    def load_newobj(self) -> None:
        """Make an instance."""
        made, cls = self.stack.pop(), self.stack.pop()
        self.append(self._made(cls, (), lambda: cls.__new__(cls, *made)))

    def load_newobj_ex(self) -> None:
        """Make an instance with named arguments."""
        named, made, cls = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.append(self._made(cls, (), lambda: cls.__new__(cls, *made, **named)))

    def load_build(self) -> None:
        """Give a value its state."""
        target = self.stack[-2]
        if type(target) is Placeholder:
            self.stack.pop()
        else:
            self._filled(target, super().load_build)

    def load_append(self) -> None:
        """Add one element."""
        value = self.stack.pop()
        target = self.stack[-1]
        self._filled(target, lambda: target.append(value))

    def load_appends(self) -> None:
        """Add elements."""
        values = self.pop_mark()
        target = self.stack[-1]
        self._filled(target, lambda: _extend(target, values))

    def load_setitem(self) -> None:
        """Set one key."""
        value, key = self.stack.pop(), self.stack.pop()
        target = self.stack[-1]
        self._filled(target, lambda: target.__setitem__(key, value))

    def load_setitems(self) -> None:
        """Set keys."""
        values = self.pop_mark()
        target = self.stack[-1]
        self._filled(target, lambda: _set(target, values))

    def load_additems(self) -> None:
        """Add members to a set."""
        values = self.pop_mark()
        target = self.stack[-1]
        self._filled(target, lambda: target.update(values))

    def load_frozenset(self) -> None:
        """Make a set that stays as it is."""
        values = self.pop_mark()
        self.append(self._made(frozenset, (), lambda: frozenset(values)))

    for _operation, _load in (
        (pickle.BINGET, load_binget),
        (pickle.LONG_BINGET, load_long_binget),
        (pickle.MEMOIZE, load_memoize),
        (pickle.STACK_GLOBAL, load_stack_global),
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_newobj),
        (pickle.NEWOBJ_EX, load_newobj_ex),
        (pickle.BUILD, load_build),
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.ADDITEMS, load_additems),
        (pickle.FROZENSET, load_frozenset),
    ):
        dispatch[_operation[0]] = _load


def _extend(target: Any, values: list[Any]) -> None:
    if type(target) is list:
        target.extend(values)
    else:
        for value in values:
            target.append(value)


def _set(target: Any, values: list[Any]) -> None:
    for place in range(0, len(values), 2):
        target[values[place]] = values[place + 1]


def _words(function: Any, made: tuple[Any, ...]) -> str:
    """What a call would have made."""
    if function is functions.import_module:
        return f"the module `{made[0]}`"
    cls = next((each for each in (function, *made[:2]) if isinstance(each, type)), None)
    if cls is None:
        return f"what `{getattr(function, '__qualname__', 'a function')}` makes"
    return f"a `{cls.__name__}`"
