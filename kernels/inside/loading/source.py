"""A file that is being read, and the result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..characters import one_line

__all__ = ["Loaded", "NotLoaded", "Source"]


class NotLoaded(Exception):
    """The bytes are not what their name says, or nothing here reads them. Its text follows the name."""


@dataclass
class Source:
    """A file that is being read. Readers note what they assume, and remove the options that they use."""

    data: bytes
    filename: str
    kind: str  # an extension
    options: dict[str, Any]
    assumed: dict[str, str] = field(default_factory=dict)  # by option, what was assumed for it
    notes: list[str] = field(default_factory=list)

    def use_no_options(self) -> None:
        """Raises: TypeError if there are options, for a reader that takes none."""
        if self.options:
            raise TypeError(f"there is no option {' or '.join(self.options)}")


@dataclass(frozen=True)
class Loaded:
    """The object, the kind that it was read as, and what was assumed: by option, and in words."""

    value: Any
    kind: str
    assumed: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def told(self, call: str) -> str:
        """What was assumed, on one line, and how to change it in `call`; "" if nothing was assumed."""
        parts = list(self.notes)
        if self.assumed:
            options = ", ".join(f"{name}=..." for name in self.assumed)
            how = f"to change that: {call[:-1]}, {options})"
            *most, last = self.assumed.values()
            taken = f"{', '.join(most)} and {last}" if most else last
            parts.append(f"read with {taken}; {how}")
        return one_line("; ".join(parts))
