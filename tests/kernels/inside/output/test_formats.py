"""A value is shown in the formats that IPython finds, and IPython is asked less for plain values."""

import json

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import json, sys
from IPython.core.formatters import BaseFormatter, DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from inside.output.formats import DisplayFormatter as Formats

class Number(int):
    def _repr_html_(self):
        return "<b>a number</b>"
class Marks(BaseFormatter):
    format_type = "text/marks"
    def __call__(self, obj):
        return "marks"
class Rich:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "rich", "text/html": "<i>rich</i>"}

VALUES = [None, True, 7, 1.5, 1j, "text", b"bytes", [1], (2,), {"a": 1}, {3}, frozenset([4]),
    Number(5), Rich()]
shown = lambda value: f"<u>{value}</u>"
CHANGES = {
    "nothing": lambda made: None,
    "type": lambda made: made.formatters["text/html"].for_type(int, shown),
    "object": lambda made: made.formatters["text/html"].for_type(object, shown),
    "name": lambda made: made.formatters["text/latex"].for_type_by_name("builtins", "str", shown),
    "value": lambda made: made.formatters["text/html"].singleton_printers.update({id(VALUES[5]): shown}),
    "text": lambda made: made.formatters["text/plain"].for_type(int, lambda v, p, cycle: p.text("an int")),
    "bundle": lambda made: made.mimebundle_formatter.for_type(
        int, lambda value: {"text/html": "<p>", "application/json": {}}),
    "formatter": lambda made: made.register_formatter(Marks(parent=made)),
    "off": lambda made: setattr(made, "active_types", ["text/html"]),
}
OPTIONS = [{}, {"include": {"text/html"}}, {"exclude": {"text/plain"}}, {"include": []}]

def made(kind, change):
    formats = kind()
    CHANGES[change](formats)
    return [formats.format(value, **options) for value in VALUES for options in OPTIONS]

asked = []
ask = BaseFormatter.lookup
BaseFormatter.lookup = lambda self, obj: asked.append(self.format_type) or ask(self, obj)
Formats().format(7)
told = {"asked": len(asked)}
BaseFormatter.lookup = ask
for change in CHANGES:
    told[change] = made(Formats, change) == made(DisplayFormatter, change)
shell = InteractiveShell.instance()
shell.configurables[:] = [Formats(parent=shell)]
told["config"] = shell.run_line_magic("config", "DisplayFormatter.active_types")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    """What a program says that shows values in many ways."""
    found: dict[str, object] = json.loads(run(CODE))
    return found


def test_values_have_the_formats_that_ipython_finds(told: dict[str, object]) -> None:
    """Whatever a person has registered for a type, a name or a single value."""
    same = {change for change, equal in told.items() if equal is True}
    assert same == {"nothing", "type", "object", "name", "value", "text", "bundle", "formatter", "off"}


def test_a_number_is_not_looked_up_in_every_formatter(told: dict[str, object]) -> None:
    """Only in those two of eleven that show a value in no format of their own."""
    assert told["asked"] == 2


def test_config_shows_which_formats_there_are(told: dict[str, object]) -> None:
    """By the name that IPython's pages use."""
    config = told["config"]
    assert isinstance(config, list)
    assert config[:2] == ["text/plain", "text/html"]
