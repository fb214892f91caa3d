"""The person's variables are described without running any of their code."""

from types import SimpleNamespace
from typing import Any

from kernels.inside.variables import LONGEST, MOST, Variables


def shell(**names: Any) -> SimpleNamespace:
    """A shell with these variables, of which IPython hides one."""
    return SimpleNamespace(user_ns=names, user_ns_hidden={"exit": None})


def describe(shell: SimpleNamespace) -> list[list[str]]:
    """What the first cell of a kernel would tell."""
    return Variables(shell).describe()


class Cells:
    """A shell in which cells run, as far as its names show it."""

    def __init__(self) -> None:
        self.shell = shell()
        self.variables = Variables(self.shell)
        self.count = 0

    def run(self, code: str = "") -> list[str]:
        """Run a cell; returns the names that are told after it, which must be those of a first look."""
        self.count += 1
        names = self.shell.user_ns
        names |= {"_i": "", f"_i{self.count}": code}
        exec(code, names)
        names["_" + str(self.count)] = None
        told = self.variables.describe()
        assert told == describe(self.shell)
        return [name for name, *_ in told]


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


def test_names_that_come_and_go_are_told_in_their_order() -> None:
    """Whatever cells do with the names of earlier ones, and what threads do between two cells."""
    cells = Cells()
    assert cells.run() == []
    assert cells.run("a = 1; b = 2") == ["a", "b"]
    assert cells.run("c = 3") == ["a", "b", "c"]
    cells.shell.user_ns["thread"] = 0
    assert cells.run("a = 5") == ["a", "b", "c", "thread"]
    assert cells.run("del b; d = 4; b = 2") == ["a", "c", "thread", "d", "b"]
    assert cells.run("del c") == ["a", "thread", "d", "b"]
    assert cells.run("del _i6, _i7; a, e = 1, 2") == ["a", "thread", "d", "b", "e"]
    assert cells.run("exit = 1; _f = 2; _i = 3; _i9 = 4") == ["a", "thread", "d", "b", "e"]
    assert cells.run("globals().clear()") == []
    assert cells.run("z = y = 1") == ["z", "y"]


def test_names_are_told_beside_what_is_no_name() -> None:
    """A namespace is a dictionary: anything can be a key, from the first cell on."""
    names = shell(a=1)
    names.user_ns |= {None: 0, 5: 0}
    assert describe(names) == [["a", "int", "1"]]


def test_names_of_earlier_cells_are_not_looked_at_again() -> None:
    """However many there are: each cell of IPython adds two, for its code and for its value."""

    class Counted(dict[str, Any]):
        looked = 0

        def __reversed__(self) -> Any:
            for name in super().__reversed__():
                self.looked += 1
                yield name

    cells = Cells()
    names = cells.shell.user_ns = Counted()
    for _ in range(100):
        cells.run()
    names.looked = 0
    assert cells.variables.describe() == []
    assert names.looked == 2  # the last cell's value, and the name of its code
