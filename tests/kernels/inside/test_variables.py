"""The person's variables are described without running any of their code."""

from types import SimpleNamespace
from typing import Any

from kernels.inside.variables import LONGEST, MOST, describe


def shell(**names: Any) -> SimpleNamespace:
    """A shell with these variables, of which IPython hides one."""
    return SimpleNamespace(user_ns=names, user_ns_hidden={"exit": None})


def test_values_have_their_type_and_size() -> None:
    """Small numbers with their value, texts and collections with their length; our own names are left out."""
    told = describe(shell(n=3, big=10**50, text="abc", data=b"ab", items=[1, 2], _private=1, exit=2, f=len))
    assert told == [
        ["n", "int", "3"],
        ["big", "int", "large"],
        ["text", "str", "3 characters"],
        ["data", "bytes", "2 bytes"],
        ["items", "list", "2 items"],
        ["f", "builtin_function_or_method", ""],
    ]


def test_arrays_and_tables_have_their_shape() -> None:
    """Only for known libraries: any other class can do anything when it is asked."""
    array = type("ndarray", (), {"__module__": "numpy", "shape": (2, 3)})
    other = type("Table", (), {"__module__": "mine", "shape": property(lambda _: 1 / 0)})
    assert describe(shell(a=array(), b=other())) == [["a", "ndarray", "2 x 3"], ["b", "Table", ""]]


def test_hostile_classes_cost_nobody_else_a_description() -> None:
    """One that raises when looked at gets a question mark, and whatever cannot be read is left out."""

    class Meta(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise SystemExit

    class Hostile(metaclass=Meta):
        pass

    assert describe(shell(bad=Hostile(), good=1)) == [["bad", "?", ""], ["good", "int", "1"]]
    assert describe(SimpleNamespace()) == []


def test_there_are_not_too_many_nor_too_long() -> None:
    """The newest are kept, and anything UTF-8 cannot encode is replaced."""
    told = describe(shell(**{f"v{number}": number for number in range(MOST + 5)}))
    assert len(told) == MOST
    assert told[-1][0] == f"v{MOST + 4}"
    assert describe(shell(**{"x" * 100: 1}))[0][0] == "x" * LONGEST
    assert describe(shell(**{"\ud800": 1}))[0][0] == "?"
