"""The renderer, with real kernels: good sources become good pictures, and hostile ones are contained."""

import struct
from pathlib import Path

import pytest

from bot.scratch.drawing import Renderer, ToDraw
from bot.sessions import Sessions
from tests.bot.scratch.markups import SQUARE, TABLE

PNG = b"\x89PNG\r\n\x1a\n"


def size(picture: bytes) -> tuple[int, int]:
    """Width and height from a PNG's header."""
    assert picture.startswith(PNG)
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.timeout(120)
async def test_formula_drawing_and_table_become_pictures(sessions: Sessions) -> None:
    """Each kind is drawn, a matrix and an aligned formula among them, and has a size that fits a chat."""
    matrix = r"$\displaystyle \left[\begin{matrix}1 & x^{2}\\\frac{1}{2} & 0\end{matrix}\right]$"
    items = [
        ToDraw(0, "latex", matrix),
        ToDraw(3, "latex", r"$$\begin{align} a &= b \\ &= c\end{align}$$"),
        ToDraw(5, "svg", SQUARE),
        ToDraw(9, "table", TABLE),
    ]
    drawn = await Renderer(sessions.pool).draw(items, user_id=1)
    assert drawn.keys() == {0, 3, 5, 9}
    for picture in drawn.values():
        width, height = size(picture)
        assert 60 < width <= 2040
        assert 40 < height <= 2640


@pytest.mark.timeout(120)
async def test_the_persons_kernel_is_not_touched(sessions: Sessions, tmp_path: Path) -> None:
    """Drawing adds no variable, counts no cell, and leaves no workspace behind."""
    first = await sessions.execute_code("x = 1", user_id=1)
    await Renderer(sessions.pool).draw([ToDraw(0, "svg", SQUARE)], user_id=1)
    second = await sessions.execute_code("print(sorted(n for n in globals() if n == 'latex' or n == 'x'))", 1)
    assert second.output == "['x']\n"
    assert (first.execution_count, second.execution_count) == (1, 2)
    folders = (tmp_path / "data" / "workspaces").iterdir()  # removed workspaces are deleted in the background
    assert [folder.name for folder in folders if not folder.name.startswith(".removed-")] == ["u1"]


HOSTILE = {
    "entities": '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text></svg>',
    "not a drawing": "<svg",
    "enormous": '<svg xmlns="http://www.w3.org/2000/svg" width="1e9" height="999999999999999"/>',
    "deep": '<svg xmlns="http://www.w3.org/2000/svg">' + "<g>" * 100_000,
    "uses": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" width="9"'
    ' height="9"><g id="a0"><rect width="9" height="9"/></g>'
    + "".join(f'<g id="a{n}">' + f'<use x:href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 9))
    + "</svg>",
    "empty": "",
}


@pytest.mark.timeout(180)
async def test_hostile_drawings_are_held_and_those_beside_them_drawn(sessions: Sessions) -> None:
    """Whatever a source does to its kernel, the call ends, and the honest sources in it are drawn."""
    sources = [SQUARE, *HOSTILE.values(), SQUARE]
    drawn = await Renderer(sessions.pool).draw(
        [ToDraw(n, "svg", source) for n, source in enumerate(sources)], user_id=1
    )
    assert 0 in drawn
    assert drawn.get(len(sources) - 1) == drawn[0]
    for key in (1, 2, 3, 6):
        assert key not in drawn


@pytest.mark.timeout(120)
async def test_a_drawing_reaches_neither_network_nor_files(sessions: Sessions) -> None:
    """References to anything outside the source have no effect: the picture is the same without them."""
    outside = (
        '<image href="http://127.0.0.1:1/x.png" width="9" height="9"/>'
        '<image href="file:///etc/passwd" width="9" height="9"/>'
        '<image href="/etc/hostname" width="9" height="9"/>'
    )
    with_outside = SQUARE.replace("</svg>", f"{outside}</svg>")
    drawn = await Renderer(sessions.pool).draw(
        [ToDraw(0, "svg", SQUARE), ToDraw(1, "svg", with_outside)], user_id=1
    )
    assert drawn[0] == drawn[1]


@pytest.mark.timeout(120)
async def test_what_cannot_be_drawn_is_left_out(sessions: Sessions) -> None:
    """A formula with unknown commands, HTML without a table, and an empty source raise no error."""
    renderer = Renderer(sessions.pool)
    items = [
        ToDraw(0, "latex", r"\nosuchcommand{x}"),
        ToDraw(1, "table", "<p>no</p>"),
        ToDraw(2, "latex", "$$"),
    ]
    assert await renderer.draw(items, user_id=1) == {}
    assert await renderer.draw([], user_id=1) == {}
    assert await renderer.draw([ToDraw(0, "svg", SQUARE + " " * (3 << 20))], user_id=1) == {}


STYLED = """<style>
#T_1 th { color: rgb(0, 0, 255); }
#T_1_row0_col0, #T_1_row1_col0 { background-color: #ff0000; }
#T_1_row1_col0 { background: linear-gradient(90deg, #00ff00 50.0%, transparent 50.0%); }
.dataframe td { background-color: black; }
</style><table id="T_1"><caption>mmm</caption><tr><th>head</th><th>a heading</th></tr>
<tr><td id="T_1_row0_col0">1</td><td style="background-color: #ffff00">2</td></tr>
<tr><td id="T_1_row1_col0">1</td><td>2</td></tr></table>"""


@pytest.mark.timeout(120)
async def test_a_table_has_its_colours_and_the_words_around_it(sessions: Sessions) -> None:
    """A Styler's colours and bars, a caption, the line with its size; a note is shown in full."""
    rows = "".join(f"<tr><td>{n}</td><td>x</td></tr>" for n in range(2001))
    counted = f"<table>{rows}</table>"
    sources = [STYLED, counted, f"{counted}<p>2001 rows × 2 columns</p>", f"<small>shape</small>{counted}"]
    drawn = await Renderer(sessions.pool).draw(
        [ToDraw(n, "table", each) for n, each in enumerate(sources)], user_id=1
    )
    await sessions.execute_code("", user_id=1)
    await sessions.files.put(1, "u1", "drawn.png", drawn[0], source="uploaded")
    await sessions.files.put(1, "u1", "note.png", drawn[1], source="uploaded")
    looks = """
import numpy as np
styled = np.asarray(load_file("drawn.png").convert("RGBA"))
red, bar, yellow, ink, black = (
    int((styled == colour).all(axis=2).sum())
    for colour in [(255, 0, 0, 255), (0, 255, 0, 255), (255, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 255)]
)
print(red > 300, bar > 300, yellow > 300)
print(ink > 20, black, red > 1.5 * bar)
note = load_file("note.png").convert("L")
ink = note.point(lambda value: 255 * (value < 200)).crop((0, note.height - 84, note.width, note.height - 30))
print(ink.getbbox()[0] > 40, ink.getbbox()[2] > 150)
"""
    ran = await sessions.execute_code(looks, user_id=1)
    assert ran.output.splitlines() == ["True True True", "True 0 True", "True True"], ran.error
    heights = [size(drawn[n])[1] for n in range(4)]
    assert heights[2] == heights[3] > heights[1]
