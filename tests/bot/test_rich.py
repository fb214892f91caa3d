"""Which file shows an output best if text does not."""

import base64
import html
from typing import Any

import pytest

from bot.rich import as_file, as_text, drawing, is_picture, only_script, plotly_page, says_nothing
from kernels.notebooks.sanitize.html import MOST_PARTS

SQUARE = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9">'
    '<rect width="5" height="5" /></svg>'
)
PNG = base64.b64encode(b"\x89PNG...").decode()
WAV = base64.b64encode(b"RIFF...").decode()


@pytest.mark.parametrize(
    ("bundle", "suffix", "data"),
    [
        ({"image/png": PNG, "text/plain": "<Figure>"}, ".png", b"\x89PNG..."),
        ({"image/jpeg": PNG}, ".jpg", b"\x89PNG..."),
        ({"image/webp": PNG, "text/plain": "<IPython.core.display.Image object>"}, ".webp", b"\x89PNG..."),
        ({"image/avif": PNG}, ".avif", b"\x89PNG..."),
        ({"image/bmp": PNG}, ".bmp", b"\x89PNG..."),
        ({"image/tiff": PNG}, ".tiff", b"\x89PNG..."),
        ({"image/x-icon": PNG}, ".ico", b"\x89PNG..."),
        ({"application/pdf": PNG}, ".pdf", b"\x89PNG..."),
        (
            {"image/svg+xml": SQUARE, "text/plain": "<IPython.core.display.SVG object>"},
            ".svg",
            SQUARE.encode(),
        ),
        (
            {
                "text/html": f'<audio><source src="data:audio/wav;base64,{WAV}" type="audio/wav"/></audio>',
                "text/plain": "<IPython.lib.display.Audio object>",
            },
            ".wav",
            b"RIFF...",
        ),
    ],
)
def test_the_best_of_a_bundle_is_a_file(bundle: dict[str, Any], suffix: str, data: bytes) -> None:
    """Pictures, sounds and documents, each in its own format."""
    shown = as_file(bundle, str)
    assert shown is not None
    assert (shown.suffix, shown.data) == (suffix, data)


@pytest.mark.parametrize(
    "text", ["<IPython.core.display.HTML object>", "<pandas.io.formats.style.Styler at 0x7f8e6219ea50>"]
)
def test_html_whose_text_says_nothing_is_a_page(text: str) -> None:
    """`HTML(...)` and a styled table have no text worth showing, so their page is kept."""
    shown = as_file({"text/html": "<b>hi</b>", "text/plain": text}, str)
    assert shown is not None
    assert shown.suffix == ".html"
    assert b"<b>hi</b>" in shown.data


@pytest.mark.parametrize(
    "bundle",
    [
        {"text/plain": "42"},
        {"text/plain": "   a\n0  1", "text/html": "<table>...</table>"},
        {"text/plain": "x**2", "text/latex": "$x^2$"},
        {"image/png": "not base64 at a11", "text/plain": "x"},
        {},
    ],
)
def test_what_reads_well_as_text_is_no_file(bundle: dict[str, Any]) -> None:
    """Tables and formulas have good text, so no file is made; neither is one for a damaged picture."""
    assert as_file(bundle, str) is None


@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        ({"text/plain": "x**2", "text/latex": "$x^2$"}, "x**2"),
        ({"text/plain": "<IPython.core.display.Latex object>", "text/latex": "$x^2$"}, "$x^2$"),
        ({"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "**b**"}, "**b**"),
        ({"text/plain": "<IPython.core.display.JSON object>", "application/json": {"a": [1]}}, '{"a": [1]}'),
        (
            {"text/plain": "<__main__.Mine object at 0x7f8e5574b740>"},
            "<__main__.Mine object at 0x7f8e5574b740>",
        ),
        ({"application/x-odd": "?"}, "[application/x-odd]"),
    ],
)
def test_text_says_what_it_can(bundle: dict[str, Any], text: str) -> None:
    """A formula, words or data whose plain text is only the object's name are shown as they were written."""
    assert as_text(bundle) == text


def test_a_plotly_page_needs_nothing_else_and_cannot_be_broken_out_of() -> None:
    """The script is in the page, and no text of the figure ends the page's own script."""
    figure = {"data": [{"name": "</script><script>steal()"}], "layout": {"title": {"text": "A <b> title"}}}
    page = plotly_page(figure, "/* plotly */")
    assert "/* plotly */" in page
    assert "</script><script>steal()" not in page
    assert f"<title>{html.escape('A <b> title')}</title>" in page


@pytest.mark.parametrize(
    ("bundle", "picture", "nothing"),
    [
        ({"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"}, True, False),
        ({"image/png": ["no text"], "text/plain": "words"}, False, False),
        ({"image/svg+xml": "<svg/>"}, False, True),
        ({"text/plain": "<pandas.io.formats.style.Styler at 0x7f12>"}, False, True),
        ({"text/plain": "<b> is bold"}, False, False),
    ],
)
def test_what_a_bundle_is_to_a_front(bundle: dict[str, Any], picture: bool, nothing: bool) -> None:
    """Whether it has a picture that needs no drawing, and whether its plain text is worth showing."""
    assert is_picture(bundle) is picture
    assert says_nothing(bundle) is nothing


@pytest.mark.parametrize(
    ("bundle", "only"),
    [
        ({"text/html": " <script>a()</script>\n<SCRIPT type='module'>b()</SCRIPT> "}, True),
        ({"text/html": "<script>a()</script><b>hi</b>"}, False),
        ({"text/html": "<script>a()</script>", "text/plain": "words"}, False),
        ({"text/html": "<script>" * 100_000}, False),
        ({"text/html": "<script></script>" * 100_000 + "hi"}, False),
        ({"text/plain": "42"}, False),
    ],
)
def test_script_alone_is_nothing_to_see(bundle: dict[str, Any], only: bool) -> None:
    """However much of it there is, this is detected at once."""
    assert only_script(bundle) is only


def test_a_plotly_page_leads_nowhere_else() -> None:
    """No link to a script, and no button that sends the figure to an address of the code's choice."""
    title = {"text": '<a href="javascript:alert(1)">x</a>'}
    config = {"plotlyServerURL": "javascript:alert(1)", "showLink": True, "responsive": True}
    page = plotly_page({"data": [], "layout": {"title": title}, "config": config}, "")
    drawn = page.partition("<script></script>")[2]
    assert "javascript" not in drawn
    assert "showLink" not in drawn
    assert '"responsive": true' in drawn


@pytest.mark.parametrize(
    "active", ["<script>alert(1)</script>", '<g onload="alert(1)"/>', '<a href="javascript:alert(1)"/>', "<x"]
)
def test_an_svg_that_does_more_than_draw_is_saved_as_text(active: str) -> None:
    """Nothing of it is lost, and a browser that opens it runs nothing."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{active}</svg>'
    assert as_file({"image/svg+xml": svg}, str) == (".svg.txt", svg.encode())


def test_an_svg_of_too_many_parts_is_saved_as_text_unparsed() -> None:
    """Checking it would take seconds."""
    assert drawing("<svg>" + "<g/>" * MOST_PARTS + "</svg>").suffix == ".svg.txt"
