"""Formulas, drawings and tables become pictures of a sensible size."""

import json
from typing import Any

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import base64, io, json
from PIL import Image
from inside.scratch import drawing

def size(kind, source):
    try:
        data = drawing.answer({"kind": kind, "source": source})["image/png"]
    except ValueError as error:
        return str(error)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    return [*picture.size, picture.getpixel((picture.width // 2, 2))[:3] if picture.mode == "RGBA" else None]

rect = '<rect width="100%" height="100%" fill="red"/></svg>'
xmlns = 'xmlns="http://www.w3.org/2000/svg"'
told = {
    "formula": size("latex", "$$x^2 + \\\\frac{1}{2}$$"),
    "equation": size("latex", "\\\\begin{equation*}x\\\\end{equation*}"),
    "unknown": size("latex", "\\\\nonsense{x}"),
    "empty": size("latex", "$$"),
    "long": size("latex", "x" * 5000),
    "small": size("svg", f'<svg {xmlns} width="10" height="5">{rect}'),
    "box": size("svg", f'<svg {xmlns} viewBox="0 0 10 5">{rect}'),
    "large": size("svg", f'<svg {xmlns} width="9000" height="20">{rect}'),
    "entity": size("svg", '<!DOCTYPE svg [<!ENTITY a "b">]><svg/>'),
    "none": size("svg", "<p>"),
    "table": size("table", "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"),
    "no table": size("table", "<p>words</p>"),
    "sizes": [drawing.drawn_size(f"<svg {told}>") for told in
        ('width="2in" height="1in"', 'viewBox="0 0 4 2"', 'width="8" viewBox="0 0 4 2"', "")],
}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The size of each picture, or why there is none."""
    found: dict[str, Any] = json.loads(run(CODE))
    return found


def test_a_formula_is_drawn_or_refused(told: dict[str, Any]) -> None:
    """Whatever is around it; one with an unknown command would be drawn wrongly."""
    for name in ("formula", "equation"):
        assert 20 < told[name][0] < 1000
        assert 20 < told[name][1] < 300
    assert told["unknown"] == "a command that is not known"
    assert told["empty"] == told["long"] == "no formula, or one that is too long"


def test_a_drawing_has_its_own_size_or_a_larger_one(told: dict[str, Any]) -> None:
    """One without a size is enlarged more, and none exceeds the largest size of a picture."""
    assert told["small"][0] < told["box"][0] < 700
    assert told["large"][0] <= 2100
    assert told["entity"] == "entities"
    assert told["none"] == "no drawing"


def test_the_size_is_that_of_the_root(told: dict[str, Any]) -> None:
    """In pixels, with the other side taken from the view box; and whether the root says more than that."""
    assert told["sizes"] == [[192, 96, True], [4, 2, False], [8, 4, True], [100, 100, False]]


def test_a_table_is_drawn(told: dict[str, Any]) -> None:
    """Anything without a table is refused."""
    assert told["table"][0] > 50
    assert told["no table"] == "no table"
