"""plotly's figures keep what they show, and link to nothing but web pages."""

import json
from typing import Any

import pytest

from kernels.notebooks.sanitize.figures import sanitize_figure

PNG = "data:image/png;base64,iVBORw0KGgoAAAA="
SOMEWHERE = "https://example.org/javascript.json"
WITHIN = "data:application/json;base64,amF2YXNjcmlwdA=="
# Whatever type it claims to be, a map reads it as the document that its bytes form.
DISGUISED = "data:image/png;base64,eyJhdHRyaWJ1dGlvbiI6ICI8aW1nIHNyYz14IG9uZXJyb3I9YWxlcnQoMSk+In0="
GOOD = {
    "data": [
        {"type": "bar", "x": ["a < b", "<b>c</b>", "R & D"], "y": [1, 2.5, None], "name": "JavaScript: 20%"},
        {
            "type": "sankey",
            "link": {"source": [0, 1], "target": [2, 2]},
            "y": {"dtype": "f8", "bdata": "AA=="},
        },
        {"type": "choropleth", "geojson": {"type": "FeatureCollection", "features": []}},
        {"type": "image", "source": PNG},
        {"type": "pie", "labels": ["x<br>y", '<a href="https://example.org/?a=1" target="_blank">z</a>']},
    ],
    "layout": {
        "title": {"text": "<a href='mailto:a@example.org'>$\\alpha^2$</a>", "font": {"style": "italic"}},
        "images": [{"source": "https://example.org/a.png"}],
        "mapbox": {
            "style": "open-street-map",
            "layers": [
                {"sourcetype": "raster", "source": ["https://example.org/{z}/{y}/{x}"]},
                {"sourcetype": "image", "source": PNG},
                {"sourcetype": "geojson", "source": {"type": "FeatureCollection", "features": []}},
            ],
        },
        "updatemenus": [
            {
                "buttons": [
                    {"method": "restyle", "args": ["type", "surface"]},
                    {"method": "update", "args": [{"visible": [True, False]}, {"title.text": "b"}, [0]]},
                    {
                        "method": "relayout",
                        "args": ["mapbox.style", "white-bg"],
                        "args2": ["title.text", "c"],
                    },
                ]
            }
        ],
        "sliders": [{"steps": [{"method": "animate", "args": [["1"], {"mode": "immediate"}]}]}],
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
    {"mapbox.layers[0].sourceattribution": "javascript"},
    {"x.__proto__.y": "javascript"},
    {"x." * 1000: "javascript"},
    {"map": {"style": "javascript"}},
]
ADDRESSES = (SOMEWHERE, WITHIN, DISGUISED)


def _changed(address: str) -> list[dict[str, Any]]:
    """Layouts, each of which makes a map read the document at an address."""
    layer = {"sourcetype": "vector", "source": address, "sourcelayer": "x", "type": "fill"}
    changes: list[list[Any]] = [
        ["mapbox.style", address],
        ["mapbox.layers[0].source", address],
        ["map.layers", [layer]],
        ["mapbox", {"style": address}],
        [{"mapbox.style": address}],
        [{"mapbox": {"layers": [layer]}}],
        [{}, {"map.layers[0]": layer}],
        [[{"layout": {"mapbox.style": address}}], {"mode": "immediate"}],
        ["updatemenus[0].buttons[0].args", ["mapbox.style", address]],
        ["updatemenus[0].buttons[0].args[1]", address],
        [{"sliders[0].steps[0].args[1]": address}],
        ["geojson", [address]],
    ]
    return [
        {"mapbox": {"layers": [layer]}},
        {"map": {"style": address}},
        {"mapbox.style": address},
        {"mapbox.layers[0].source": address},
        {"mapbox.style.sources.a.url": address},
        *({"updatemenus": [{"buttons": [{"method": "update", "args": args}]}]} for args in changes),
        *({"updatemenus": [{"buttons": [{"method": "skip", "args2": args}]}]} for args in changes),
        *({"sliders": [{"steps": [{"method": "relayout", "args": args}]}]} for args in changes),
    ]


def test_what_only_shows_stays_as_it_is() -> None:
    """Texts, links to pages, pictures, maps and settings that are no address."""
    assert sanitize_figure(GOOD) == GOOD


@pytest.mark.parametrize("link", LINKS)
def test_no_text_links_to_a_script(link: str) -> None:
    """Wherever it is in the figure; its words stay, and a second pass changes nothing."""
    figure = {
        "data": [{"text": [link], "customdata": [[link]]}],
        "layout": {"title": {"text": link}, "annotations": [{"text": link}]},
        "frames": [{"data": [{"hovertemplate": link}]}],
    }
    plain = sanitize_figure(figure)
    written = json.dumps(plain).lower()
    assert "href=" not in written.replace(" ", "")
    assert "\\href{" not in written
    assert "\\def\\h" not in written
    assert sanitize_figure(plain) == plain


@pytest.mark.parametrize("layout", HOSTILE_LAYOUT, ids=lambda layout: str(layout)[:60])
def test_no_address_in_the_layout_is_a_script_or_a_style_of_a_map(layout: dict[str, Any]) -> None:
    """Pictures are from the web or embedded, and a map's style is one that plotly knows by name."""
    assert "javascript" not in json.dumps(sanitize_figure({"data": [], "layout": layout}))


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_makes_a_map_read_a_document(address: str) -> None:
    """At once, by a template or a frame, or later by a button or a slider: its attribution may be HTML."""
    for layout in _changed(address):
        figure = {
            "data": [{"type": "choroplethmapbox", "geojson": address}, {"type": "image", "source": address}],
            "layout": layout | {"template": {"layout": layout}},
            "frames": [{"layout": layout, "data": [{"geojson": address}]}],
        }
        plain = sanitize_figure(figure)
        assert address not in json.dumps(plain), layout
        assert sanitize_figure(plain) == plain


def test_a_template_makes_no_link_to_a_script() -> None:
    """Neither by an address elsewhere in the figure nor by a formula that it puts between dollar signs."""
    script = r"\href{javascript:alert(1)}{x}"
    few = [script, '<a href="%{customdata[0]}">x</a>']
    many = [script * 3000]
    plain = sanitize_figure({"data": [{"customdata": few}, {"customdata": many}]})
    written = json.dumps(plain)
    assert "href=" not in written
    assert r"\\href{" not in written
    assert plain["data"][1]["customdata"] == [script.replace("\\", "&#92;") * 3000]
    assert sanitize_figure(plain) == plain


def test_of_the_configuration_only_harmless_settings_are_kept() -> None:
    """No address that a button opens, no text for our page, nothing unknown."""
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
    plain = sanitize_figure({"data": [], "config": hostile | {"staticPlot": True}})
    assert plain == {"data": [], "config": {"staticPlot": True}}


def test_texts_beyond_any_label_have_no_markup_and_no_formulas() -> None:
    """To search 8 MB of them would take 10 s; plotly shows the same characters. Other texts are unchanged."""
    link, formula, other = "<a href='javascript:1'>", "$\\x$", "<b>b</b> &lt; $1, AA+/"
    few = sanitize_figure({"data": [{"text": [link * 1000, formula * 1000]}]})
    assert few["data"] == [{"text": ["<a>" * 1000, formula * 1000]}]
    texts = [link * 3000, formula * 100, other * 10_000]
    plain = sanitize_figure({"data": [{"text": texts}]})
    linked, formulas, others = plain["data"][0]["text"]
    assert linked == "&lt;a href='javascript:1'>" * 3000
    assert formulas == "&#36;\\x&#36;" * 100
    assert others == other * 10_000
    assert sanitize_figure(plain) == plain


def test_what_is_no_part_of_a_figure_is_dropped() -> None:
    """Unknown keys, and parts of the wrong kind."""
    assert sanitize_figure({"data": {"a": 1}, "layout": [1], "config": "x", "load": "alert(1)"}) == {}
