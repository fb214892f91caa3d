"""One part of a session's state beyond its variables: how it is looked at, what is kept, how it is set again.

    FOLDER = Part("folder", "the working folder", look=os.getcwd, take=..., put=os.chdir)

`look` notes how things are in a fresh kernel. `take` compares with that and returns what is to be kept, as
plain values that can be pickled, or None if nothing is different. `put` makes it so in another fresh kernel,
and may return in words what it could not set. A part of a library's state is looked at once the library is
imported, and never imports it: what is to be set waits until the person's code does.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["Part", "Words", "is_lost", "is_ours"]

OURS = __name__.removesuffix(".state.surroundings.part")
Words = Iterable[str] | None


@dataclass(frozen=True)
class Part:
    """See the module's text. All three functions get the shell, or if there is a `module`, that module."""

    key: str
    words: str  # what it is, for a sentence such as "Not back: the working folder"
    look: Callable[[Any], Any]
    take: Callable[[Any, Any], Any]  # the second value is what `look` returned
    put: Callable[[Any, Any], Words]
    module: str = ""

    def subject(self, shell: Any) -> Any:
        """What the functions get; None while the library is not imported."""
        return sys.modules.get(self.module) if self.module else shell


def is_lost(value: object) -> bool:
    """Whether it only stands for a value that could not be kept."""
    return type(value).__module__ == f"{OURS}.state.placeholder"


def is_ours(value: object) -> bool:
    """Whether a function or the class of an object is the kernel's own, or there whenever matplotlib is."""
    value = value.func if isinstance(value, partial) else getattr(value, "__func__", value)
    module = getattr(value, "__module__", None) or type(value).__module__
    return isinstance(module, str) and module.partition(".")[0] in _PROGRAM


_PROGRAM = {OURS.partition(".")[0], "IPython", "ipykernel", "matplotlib", "matplotlib_inline"}
