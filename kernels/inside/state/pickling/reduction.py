"""What a reducer gives to the pickler, as Python's `__reduce_ex__` does."""

from typing import Any

__all__ = ["Reduction", "Unpicklable", "is_ours"]

OWN_CODE = "inside."

# A tuple of two to six parts, the name of a global, or NotImplemented.
type Reduction = Any


class Unpicklable(Exception):
    """A value cannot be kept; the text says why, in words that a person understands."""


def is_ours(error: BaseException) -> bool:
    """Whether an error is meant for whoever has a state saved or loaded, and not a value's own."""
    if isinstance(error, KeyboardInterrupt):
        return True
    return not isinstance(error, Exception) and str(
        type.__getattribute__(type(error), "__module__")
    ).startswith(OWN_CODE)
