"""A file that is being read, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..characters import one_line

__all__ = ["Loaded", "NotLoaded", "Source"]


class NotLoaded(Exception):
    """The bytes are not what their name says, or nothing here reads them; the text goes on after the name."""


@dataclass
class Source:
    """A file on its way to its object. Readers note what they assume, and take options away that they use."""

    data: bytes
    filename: str
    kind: str  # an extension
    options: dict[str, Any]
    assumed: dict[str, str] = field(default_factory=dict)  # option: what was taken, where nobody said it
    notes: list[str] = field(default_factory=list)

    def use_no_options(self) -> None:
        """Raises: TypeError where there are options, of which the reader has none."""
        if self.options:
            raise TypeError(f"there is no option {' or '.join(self.options)}")


@dataclass(frozen=True)
class Loaded:
    """An object, the kind that it was read as, and what was assumed: by option, and in words."""

    value: Any
    kind: str
    assumed: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def told(self, call: str) -> str:
        """What was assumed, as one line, and how to say another with `call`; "" where there is nothing."""
        parts = list(self.notes)
        if self.assumed:
            options = ", ".join(f"{name}=..." for name in self.assumed)
            how = f"to say another: {call[:-1]}, {options})"
            *most, last = self.assumed.values()
            taken = f"{', '.join(most)} and {last}" if most else last
            parts.append(f"read with {taken}; {how}")
        return one_line("; ".join(parts))
