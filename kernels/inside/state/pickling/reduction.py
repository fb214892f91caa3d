"""What a reducer gives to the pickler, as Python's `__reduce_ex__` does."""

from typing import Any

__all__ = ["Reduction", "Unpicklable"]

# A tuple of two to six parts, the name of a global, or NotImplemented.
type Reduction = Any


class Unpicklable(Exception):
    """A value cannot be kept; the text says why, in words that a person understands."""
