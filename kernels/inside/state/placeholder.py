"""What stands in the place of a value that could not be kept.

    conn = Placeholder("a database connection", "conn")
    conn.execute("select 1")    # NotKept: `conn` (a database connection) was not kept with your ...

It can be shown, compared by identity and used as a key, so that a container with one in it remains usable.
"""

from typing import Any, NoReturn

__all__ = ["NotKept", "Placeholder"]

ANYWHERE = 80  # characters of a name that is shown
# What Python's operators, statements and functions call.
USES = (
    "abs add aenter aexit aiter and anext await bool bytes call ceil complex contains delattr delitem divmod"
    " enter exit float floor floordiv ge getitem gt iadd iand ifloordiv ilshift imatmul imod imul index int"
    " invert ior ipow irshift isub iter itruediv ixor le len length_hint lshift lt matmul mod mul neg next or"
    " pos pow radd rand rdivmod reversed rfloordiv rlshift rmatmul rmod rmul ror round rpow rrshift rshift"
    " rsub rtruediv rxor setattr setitem sub truediv trunc xor"
)


class NotKept(RuntimeError):
    """A value was used that was not kept with the variables."""


class Placeholder:
    """Stands for `what` ("a database connection"), which was found in the variable `name`; "" for none."""

    what: str
    name: str

    def __init__(self, what: str, name: str = "") -> None:
        object.__setattr__(self, "what", what)
        object.__setattr__(self, "name", name)

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("_"):  # libraries look for these in any object
            raise AttributeError(f"{self!r} (it has no {attribute})")
        raise NotKept(repr(self))

    def __reduce__(self) -> Any:
        return Placeholder, (self.what, self.name)

    def __repr__(self) -> str:
        known = vars(self)  # empty while it is being made
        what, name = known.get("what", "a value"), known.get("name", "")
        named = f"`{name[:ANYWHERE]}` ({what})" if name.isprintable() and name else f"a value ({what})"
        return f"{named} was not kept with your variables: run the cell that makes it again"


def _refused(use: str) -> Any:
    def refuse(self: Placeholder, *_: Any, **__: Any) -> NoReturn:
        raise NotKept(repr(self))

    refuse.__name__ = use
    return refuse


for _use in USES.split():
    setattr(Placeholder, f"__{_use}__", _refused(f"__{_use}__"))
