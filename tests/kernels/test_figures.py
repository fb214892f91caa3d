"""plotly's figures keep what they show, and lead nowhere but to web pages."""

import json
from typing import Any

import pytest

from kernels.figures import plain_figure

GOOD = {
    "data": [
        {"type": "bar", "x": ["a < b", "<b>c</b>", "R & D"], "y": [1, 2.5, None], "name": "JavaScript: 20%"},
        {
            "type": "sankey",
            "link": {"source": [0, 1], "target": [2, 2]},
            "y": {"dtype": "f8", "bdata": "AA=="},
        },
        {"type": "choropleth", "geojson": {"type": "FeatureCollection", "features": []}},
        {"type": "image", "source": "data:image/png;base64,AA=="},
        {"type": "pie", "labels": ["x<br>y", '<a href="https://example.org/?a=1" target="_blank">z</a>']},
    ],
    "layout": {
        "title": {"text": "<a href='mailto:a@example.org'>$\\alpha^2$</a>", "font": {"style": "italic"}},
        "images": [{"source": "https://example.org/a.png"}],
        "mapbox": {"style": "open-street-map"},
    },
    "frames": [{"name": "1", "data": []}],
    "config": {
        "responsive": True,
        "scrollZoom": False,
        "locale": "pt-BR",
        "modeBarButtonsToRemove": ["zoom2d"],
    },
}
LINKS = [
    '<a href="javascript:alert(1)">x</a>',
    "<A HREF='javascript:alert(1)'>x</A>",
    '<a href="java&#x0A;script:alert(1)">x</a>',
    '<a href=" &#14; javascript&colon;alert(1)">x</a>',
    '<a href = "java\tscript:alert(1)">x</a>',
    "<a href=javascript:alert(1)>x</a>",
    '<a x="1" href="javascript:alert(1)">x</a>',
    '<a href="https://a" href="javascript:alert(1)">x</a>',
    "<span title='href=\"javascript:alert(1)\"'>x</span>",
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="vbscript:x">x</a>',
    '<a href="javascript:alert(1)',
    r"$\href{javascript:alert(1)}{x}$",
    r"$\def\h#1{\hr#1}\h{ef}{javascript:alert(1)}{x}$",
]
HOSTILE_LAYOUT: list[dict[str, Any]] = [
    {"images": [{"source": "javascript:alert(1)"}]},
    {"images": [{"source": "data:text/html,javascript:alert(1)"}]},
    {"mapbox": {"style": {"sources": {"a": {"attribution": "<img src=x onerror=javascript:alert(1)>"}}}}},
    {"map": {"style": "https://example.org/javascript:.json"}},
    {"map": {"layers": [{"sourceattribution": "<img src=x onerror=javascript:alert(1)>"}]}},
]


def test_what_only_shows_stays_as_it_is() -> None:
    """Texts, links to pages, pictures, maps and the settings that are no address."""
    assert plain_figure(GOOD) == GOOD


@pytest.mark.parametrize("link", LINKS)
def test_no_text_links_to_a_script(link: str) -> None:
    """Wherever in the figure it is; its words stay, and a second time changes nothing."""
    figure = {
        "data": [{"text": [link], "customdata": [[link]]}],
        "layout": {"title": {"text": link}, "annotations": [{"text": link}]},
        "frames": [{"data": [{"hovertemplate": link}]}],
    }
    plain = plain_figure(figure)
    written = json.dumps(plain).lower()
    assert "href=" not in written.replace(" ", "")
    assert "\\href{" not in written
    assert "\\def\\h" not in written
    assert plain_figure(plain) == plain


@pytest.mark.parametrize("layout", HOSTILE_LAYOUT, ids=str)
def test_no_address_in_the_layout_is_a_script_or_a_style_of_a_map(layout: dict[str, Any]) -> None:
    """Pictures are of the web or within, and a map has one of the styles that plotly knows by name."""
    assert "javascript" not in json.dumps(plain_figure({"data": [], "layout": layout}))


def test_of_the_configuration_only_harmless_settings_are_kept() -> None:
    """No address that a button leads to, no text of our page's, nothing that is not known."""
    hostile = {
        "plotlyServerURL": "javascript:alert(1)",
        "showLink": True,
        "linkText": "<b>x</b>",
        "showSendToCloud": True,
        "showEditInChartStudio": True,
        "topojsonURL": "https://example.org",
        "mapboxAccessToken": "x",
        "modeBarButtonsToAdd": [{"icon": {"svg": "<svg onload=alert(1)>"}}],
        "locales": {"x": {"dictionary": {"a": "<script>"}}},
        "toImageButtonOptions": {"filename": "x"},
        "locale": "javascript:alert(1)",
        "doubleClick": {"a": 1},
    }
    plain = plain_figure({"data": [], "config": hostile | {"staticPlot": True}})
    assert plain == {"data": [], "config": {"staticPlot": True}}


def test_texts_beyond_any_label_have_no_markup_and_no_formulas() -> None:
    """To look through 8 MB of them would take 10 s; plotly shows the same signs. Other texts stay."""
    link, formula, other = "<a href='javascript:1'>", "$\\x$", "<b>b</b> &lt; $1, AA+/"
    few = plain_figure({"data": [{"text": [link * 1000, formula * 1000]}]})
    assert few["data"] == [{"text": ["<a>" * 1000, formula * 1000]}]
    texts = [link * 3000, formula * 100, other * 10_000]
    plain = plain_figure({"data": [{"text": texts}]})
    linked, formulas, others = plain["data"][0]["text"]
    assert linked == "&lt;a href='javascript:1'>" * 3000
    assert formulas == "&#36;\\x&#36;" * 100
    assert others == other * 10_000
    assert plain_figure(plain) == plain


def test_what_is_no_part_of_a_figure_is_dropped() -> None:
    """Unknown keys, and parts of another kind."""
    assert plain_figure({"data": {"a": 1}, "layout": [1], "config": "x", "load": "alert(1)"}) == {}
