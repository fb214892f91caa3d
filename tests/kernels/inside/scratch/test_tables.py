"""HTML tables as SVG: their text, colours and surrounding words, within limits."""

import json
from typing import Any

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import json
from inside.scratch import tables

def svg(source):
    return tables.sheet(source)[0]

row = "<tr>" + "<td>1</td>" * 30 + "</tr>"
told = {
    "words": svg("<p>before</p><table><caption>named</caption><tr><td>a &lt; b</td></tr></table>after"),
    "hidden": svg("<script>alert(1)</script><style>p{}</style><table><tr><td>x</td></tr></table>"),
    "styled": svg('<style>#T_1_c, #T_1 th { color: red; background-color: #ff0000 }</style>'
        '<table id="T_1"><tr><th>h</th></tr><tr><td id="T_1_c">x</td>'
        '<td style="display: none">no</td></tr></table>'),
    "bar": svg('<table><tr><td>a</td><td style="background: linear-gradient(90deg, #d65f5f 50.0%, '
        'transparent 50.0%)">1</td></tr><tr><td>b</td><td>2</td></tr></table>'),
    "large": svg("<table>" + row * 100 + "</table>"),
    "odd": svg("<table><tr></tr><tr><td colspan='x9'>a</td></tr></table>"),
    "size": tables.sheet("<table><tr><td>" + "x" * 1000 + "</td></tr></table>")[1:],
    "colours": [tables._colour(value) for value in ("red", "rgb(1, 2, 3)", "none", None, 'red" onload="x')],
}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The drawings."""
    found: dict[str, Any] = json.loads(run(CODE))
    return found


def test_text_is_drawn_with_the_words_around_it(told: dict[str, Any]) -> None:
    """In order, escaped, and without what a page would not show."""
    words = told["words"]
    assert words.index("before") < words.index("named") < words.index("a &lt; b") < words.index("after")
    assert "alert" not in told["hidden"]


def test_styles_that_pandas_writes_are_followed(told: dict[str, Any]) -> None:
    """For a cell and for a whole table; hidden parts stay hidden, and a gradient becomes a bar."""
    assert 'fill="#ff0000"' in told["styled"]
    assert 'fill="red"' in told["styled"]
    assert ">no<" not in told["styled"]
    assert 'fill="#d65f5f"' in told["bar"]


def test_a_large_table_is_cut(told: dict[str, Any]) -> None:
    """It says how many rows are left out; long cells are cut too."""
    assert "60 more rows" in told["large"]
    assert told["large"].count("<text") < 41 * 26
    assert told["size"][0] < 1000
    assert ">a<" in told["odd"]


def test_only_colours_get_into_the_drawing(told: dict[str, Any]) -> None:
    """Nothing that could end an attribute."""
    assert told["colours"] == ["red", "rgb(1, 2, 3)", None, None, None]
