"""What a value is shown as, found with less work where it can only be text.

IPython asks ten formatters, beside the one for text, whether they can show a value: as HTML, as a picture.
A number or a list has no method for that, so they are asked only if something is registered for its type.
"""

from types import NoneType
from typing import Any

from IPython.core import formatters

__all__ = ["DisplayFormatter"]

TEXT = "text/plain"
PLAIN = {NoneType, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset}


class DisplayFormatter(formatters.DisplayFormatter):  # type: ignore[misc]
    """IPython's formats of a value, each by its MIME type; also by name, which `%config` goes by."""

    def format(self, obj: Any, include: Any = None, exclude: Any = None) -> Any:
        """The data and the metadata of a value in each of its formats."""
        if not include and type(obj) in PLAIN and self._only_text(type(obj)):
            include = {TEXT}
        return super().format(obj, include, exclude)

    def _only_text(self, plain: type) -> bool:
        """Whether nothing else can be made of a value of this type."""
        others = (formatter for mime, formatter in self.formatters.items() if mime != TEXT)
        return not any(_may_show(plain, formatter) for formatter in (self.mimebundle_formatter, *others))


def _may_show(plain: type, formatter: Any) -> bool:
    """Whether something is registered with this formatter that it may use for values of this type."""
    return (
        type(formatter).__module__ != formatters.__name__  # it may do anything
        or bool(formatter.singleton_printers or formatter.deferred_printers)
        or not formatter.type_printers.keys().isdisjoint(plain.__mro__)
    )
