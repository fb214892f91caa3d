import json
import re
import time
from html import unescape
from html.parser import HTMLParser
from typing import Any

import mistune
import pytest
from markdown_it import MarkdownIt

from kernels.notebooks.cells import Code, Markdown, Raw
from kernels.notebooks.notebook import write
from kernels.notebooks.reading import source
from kernels.notebooks.sanitize.html import MOST_PARTS, is_plain_html, sanitize_svg
from kernels.notebooks.sanitize.markdown import sanitize_markdown

DATAFRAME = """<div>
<style scoped>
    .dataframe tbody tr th:only-of-type {
        vertical-align: middle;
    }
</style>
<table border="1" class="dataframe">
  <thead>
    <tr style="text-align: right;">
      <th></th>
      <th>a</th>
    </tr>
  </thead>
  <tbody>
    <tr>
      <th>0</th>
      <td>&lt;script&gt; once = 1 &amp; 2 < 3</td>
    </tr>
  </tbody>
</table>
<p>1 rows × 1 columns</p>
</div>"""
STYLED = (
    '<style type="text/css">\n#T_1_row0 {\n  background: linear-gradient(90deg, #d65f5f 50.0%);\n}\n</style>'
    '<table id="T_1"><th class="blank level0" >&nbsp;</th></table>'
)
SOUND = (
    '<audio  controls="controls" >\n<source src="data:audio/wav;base64,AA==" type="audio/wav" />\n</audio>'
)
PLAIN_HTML = [
    DATAFRAME,
    STYLED,
    SOUND,
    "",
    "<a href='out.csv' target=_blank>out.csv</a><br/>",
    '<img src="data:image/png;base64,AAAA" width=100>',
    '<a href="https://example.org/a?b=1&amp;c=2#d">x</a><!-- said -->',
    '<B TITLE="a > b <c>" aria-label=x>y</B>',
    '<table><tr><th></th><th colspan="2" halign="left">v</th></tr></table>',
    '<svg  width="550"><rect x="0" y="0" width="55" height="55" style="fill:#4878d0;stroke-width:2"/></svg>',
    '<svg viewBox="0 0 1 1"><defs><linearGradient id="a"><stop offset="0"/></linearGradient></defs></svg>',
    '<svg><path d="M0 0" fill="url(#a)" clip-path="url(#b)"/><text x1="1">x</text></svg>',
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mrow><mi>x</mi></mrow></math>',
    '<math><semantics><mo stretchy="false">(</mo><annotation encoding="application/x-tex">x</annotation>',
    "<progress style='width:60ex' max='3' value='0'></progress>",
    "<details open><summary>more</summary><p>x</p></details>",
    '<input id="a" type="checkbox" checked><label for="a" tabindex="0" hidden>b</label>',
    '<div style="background-image: url(data:image/svg+xml;base64,AA)">x</div>',
    "<style>/* its default behavior */ a:hover{b:c}</style>x",
]
ACTIVE_HTML = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example></sCrIpT >",
    "<div><p><script>alert(1)",
    "<<script>alert(1)//<</script>",
    '<img src=x onerror="alert(1)">',
    "<img src=x OnErRoR=alert(1)//",
    "<b/onclick=alert(1)>x</b>",
    "<b title='a'onclick=alert(1)>x</b>",
    "<b\x0bonclick=alert(1)>x</b>",
    "<details open ontoggle=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="JaVaScRiPt:alert(1)">x</a>',
    '<a href="&#106;avascript&colon;alert(1)">x</a>',
    '<a href=" java&#x0a;script:alert(1)">x</a>',
    '<a href="\x01javascript:alert(1)">x</a>',
    '<a href="vbscript:alert(1)">x</a>',
    '<iframe srcdoc="&lt;script&gt;alert(1)"></iframe>',
    "<object data=x></object>",
    "<embed src=x>",
    '<form action="https://evil.example"><input></form>',
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<style></style><img src=x onerror=alert(1)></style>",
    "<style><!--</style><script>alert(1)</script>--></style>",
    "<STYLE>x{}</STYLE\n x><img src=x onerror=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[><script>alert(1)</script>]]>",
    "<?x ><script>alert(1)</script>?>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<template><b title="</template><img src=x onerror=alert(1)>">',
    '<textarea><b title="</textarea><img src=x onerror=alert(1)>">',
    '<b title=x" a="><img src=x onerror=alert(1)>',
    '<\u017fpan title="<script>alert(1)</script>">',
    '<b \u017ftyle="x" title="<script>alert(1)</script>">',
    '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
    "<link rel=stylesheet href=https://evil.example>",
    '<b style="background:url(javascript:alert(1))">x</b>',
]
MORE_THAN_PLAIN_HTML = [
    '<a href="data:text/html,x">x</a>',
    "<base href=https://evil.example>",
    '<b data-commandlinker-command="x">',
    '<style>@import "https://evil.example/x.css"</style>',
    "<style>@\\69mport 'x'</style>",
    '<b style="background: URL(https://evil.example/x)">',
    "<style>never closed",
    "<b never closed",
]
# Markup in the other languages that HTML may hold, and in elements meant for scripts.
ACTIVE_FOREIGN = [
    '<b xmlns:xlink="a title=" href=javascript:alert(1)>x</b>',
    '<rect x1="a title=" href=javascript:alert(1)>x',
    "<svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg>",
    '<svg><a xlink:href="javascript:alert(1)">x</a></svg>',
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    '<svg><set attributeName="href" to="javascript:alert(1)"/></svg>',
    "<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>",
    "<svg><title><img src=x onerror=alert(1)></title></svg>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    '<math><mi xlink:href="javascript:alert(1)">x</mi></math>',
    '<math><maction href="javascript:alert(1)">x</maction></math>',
    "<input type=checkbox autofocus onfocus=alert(1)>",
    "<input>",
    "<input type=text>",
    "<input type=checkbox type=image src=x>",
    "<button onclick=alert(1)>words</button>",
    "<b>x</b><script>alert(1)",
    "<b onclick=alert(1)>x</b><script>alert(1)</script>",
    "<div id=figure></div><script>alert(1)</script>",
    "<style>/*</style><script>alert(1)</script>*/</style>",
    '<svg><use href="https://evil.example/x.svg#a"/></svg>',
    '<rect fill="url(https://evil.example/#a)"/>',
    '<b style="background:url(data:text/html,x)">',
    "<svg><style>*{background:u&#114;l(https://evil.example)}</style></svg>",
    "<style>/* */@import 'https://evil.example'/*<a>*/</style>words",
    "<style>/*/<a>*/@im/**/port 'x'; @import 'https://evil.example'</style>words",
    '<annotation-xml encoding="text/html">x</annotation-xml>',
    '<b data-root-id="x">',
]

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
DRAWING = (
    '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
    f'{SVG} viewBox="0 0 1 1"><metadata><r:RDF xmlns:r="u"><b xmlns="v">x</b></r:RDF></metadata>'
    '<style type="text/css"><![CDATA[*{stroke-linejoin: round}]]></style><!-- left out -->'
    '<path d="M 0 1" clip-path="url(#p1)"/><use xlink:href="#m"/><image href="data:image/png;base64,AA"/>'
    "<text>a &lt; b</text></svg>"
)
ACTIVE_SVG = [
    SVG + "><script>alert(1)</script></svg>",
    SVG + ' onload="alert(1)"/>',
    SVG + ' ONLOAD="alert(1)"/>',
    SVG + "><foreignObject><b/></foreignObject></svg>",
    SVG + '><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    SVG + '><animate attributeName="href" values="javascript:alert(1)"/></svg>',
    SVG + '><set attributeName="onclick" to="alert(1)"/></svg>',
    SVG + '><x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script></svg>',
    SVG + '><h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script></svg>',
    SVG + "><style><![CDATA[</style><script>alert(1)</script>]]></style></svg>",
    SVG + "><style>&lt;/style&gt;&lt;img src=x onerror=alert(1)&gt;</style></svg>",
    SVG + "><metadata></metadata><title><img src='x' onerror='alert(1)'/></title></svg>",
    '<!DOCTYPE svg [<!ENTITY x "<script>alert(1)</script>">]>' + SVG + ">&x;</svg>",
]
MORE_THAN_PLAIN_SVG = [
    '<!DOCTYPE svg [<!ATTLIST svg onload CDATA "alert(1)">]>' + SVG + "/>",
    SVG + '><use xlink:href="https://evil.example/x.svg#a"/></svg>',
    SVG + '><image href="https://evil.example/x.png"/></svg>',
    SVG + '><image href="data:image/svg+xml;base64,AA"/></svg>',
    SVG + '><rect fill="url(https://evil.example/#a)"/></svg>',
    SVG + "><style>@imp<!-- -->ort 'https://evil.example'</style></svg>",
    SVG + '><title><image src="https://evil.example"/></title></svg>',
    SVG + ">" + "<g>" * 300 + "</g>" * 300 + "</svg>",
    '<metadata xmlns="http://www.w3.org/2000/svg"/>',
    SVG + ">not closed",
    "",
]


def shown(bundle: dict[str, Any]) -> dict[str, Any]:
    """The MIME bundle that the written notebook holds for this one."""
    data = write([Code("x", ({"output_type": "display_data", "data": bundle, "metadata": {}},))])
    found: dict[str, Any] = json.loads(data)["cells"][0]["outputs"][0]["data"]
    return found


@pytest.mark.parametrize("html", PLAIN_HTML)
def test_plain_html_stays_to_the_letter(html: str) -> None:
    """Tables, styled tables, sound, pictures and links stay exactly as libraries write them."""
    assert shown({"text/html": html, "text/plain": "x"}) == {"text/html": html, "text/plain": "x"}


@pytest.mark.parametrize(
    ("mime", "markup", "reason"),
    [
        *(("text/html", html, "it had active content") for html in ACTIVE_HTML),
        *(("text/html", html, "it is more than plain markup") for html in MORE_THAN_PLAIN_HTML),
        *(("image/svg+xml", svg, "it had active content") for svg in ACTIVE_SVG),
        *(("image/svg+xml", svg, "it is more than plain markup") for svg in MORE_THAN_PLAIN_SVG),
    ],
)
@pytest.mark.parametrize(
    "spelling", [str, str.title, lambda mime: f" {mime}\n"], ids=["as is", "title", "space"]
)
@pytest.mark.parametrize("pieces", [False, True])
def test_hostile_markup_is_not_in_the_file(
    mime: str, markup: str, reason: str, spelling: Any, pieces: bool
) -> None:
    """Neither as a string nor as a list of lines, however its type is spelt; a line in its place says why."""
    value = [markup[:5], markup[5:]] if pieces else markup
    output = {"output_type": "execute_result", "data": {spelling(mime): value, "text/plain": "x"}}
    data = write([Code("x", (output,))])
    assert json.loads(data)["cells"][0]["outputs"][0]["data"] == {
        "text/plain": f"x\n[{mime} left out: {reason}]"
    }
    for trace in (b"alert", b"evil.example", b"<script", b"onerror"):
        assert trace not in data


@pytest.mark.parametrize("html", ACTIVE_FOREIGN)
def test_hostile_drawings_formulas_and_scripts_are_not_in_the_file(html: str) -> None:
    """Neither what would run nor what would load something."""
    (text,) = shown({"text/html": html, "text/plain": "x"}).values()
    assert text.startswith("x\n[text/html left out: it ")


ESTIMATOR = (
    "<style>a{{b:c}}{}</style>{}<div data-param-prefix='x'><pre>SVC()</pre><input class='a' type='checkbox'>"
    '<label for="a">SVC</label><table><tr><td>{}</td><td>C</td></tr></table></div>{}'
)


def test_an_estimator_stays_without_its_script() -> None:
    """scikit-learn's display opens by its style sheet; the script and its copy buttons are removed."""
    button = (
        '<button type="button" class="copy"\n aria-label="Copy C"\n onclick="copy(\'C\',\n this)"\n></button>'
    )
    script = "<script>/* < > */ copy(`</div>`)</script>"
    shown_of = ESTIMATOR.format("/* for the `<a>` */", "<body>", button, script)
    left = ESTIMATOR.format("", "", "", "")
    told = {"text/html": left, "text/plain": "SVC()\n[scripts in text/html left out]"}
    assert shown({"text/html": shown_of, "text/plain": "SVC()"}) == told
    assert shown(told) == told


def test_a_drawing_without_namespaces_gets_them() -> None:
    """Within a page it needs none, and IPython's `SVG` omits them; as a file it would not work without."""
    within = '<?xml version="1.0"?><!-- x --><svg width="9"><use xlink:href="#m"/></svg>'
    assert sanitize_svg(within) == f'{SVG} width="9"><use xlink:href="#m" /></svg>'
    assert sanitize_svg('<svg xmlns="urn:other"><rect/></svg>') is None


def test_active_words_are_shown_as_their_source() -> None:
    """Markdown with more than plain HTML becomes text that nothing runs; none of it is lost."""
    words = "**b** <img src=x onerror=alert(1)>"
    assert shown({"text/markdown": words, "text/plain": "x"}) == {
        "text/plain": f"x\n{words}\n[text/markdown left out: it had active content]"
    }
    assert shown({"text/markdown": "a <b>c</b> & 1 < 2 > `x`"}) == {
        "text/markdown": "a <b>c</b> & 1 < 2 > `x`"
    }


def test_drawing_is_written_anew() -> None:
    """What matplotlib draws stays, without invisible parts; a second pass changes nothing."""
    drawing = sanitize_svg(DRAWING)
    assert drawing == (
        f'{SVG} viewBox="0 0 1 1"><style type="text/css">*{{stroke-linejoin: round}}</style>'
        '<path d="M 0 1" clip-path="url(#p1)" /><use xlink:href="#m" />'
        '<image href="data:image/png;base64,AA" /><text>a &lt; b</text></svg>'
    )
    assert sanitize_svg(drawing) == drawing
    assert shown({"image/svg+xml": DRAWING}) == {"image/svg+xml": drawing}


@pytest.mark.parametrize(
    "mime",
    [
        "application/javascript",
        "text/javascript",
        "application/ecmascript",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.bokehjs_exec.v0+json",
        "application/vnd.holoviews_load.v0+json",
    ],
)
def test_kinds_that_run_are_left_out(mime: str) -> None:
    """Scripts and widgets are replaced by a line, even if nothing else was shown."""
    assert shown({mime: "alert(1)"}) == {"text/plain": f"[{mime} left out: it had active content]"}


@pytest.mark.parametrize(
    ("mime", "value"),
    [
        ("text/latex", "$x^2$"),
        ("text/markdown", "*x*"),
        ("image/jpeg", "AA==\n"),
        ("application/pdf", "AA=="),
        ("audio/wav", "AA=="),
        ("application/json", [1, {"a": None}]),
        ("application/vnd.plotly.v1+json", {"data": [{"y": [1.5, 2]}], "layout": {}}),
        ("application/vnd.dataresource+json", {"data": [{"a": 1}], "schema": {"fields": []}}),
    ],
)
def test_kinds_that_only_show_stay(mime: str, value: Any) -> None:
    """Formulas, pictures, documents, sound and figures' data stay in the notebook unchanged."""
    assert shown({mime: value}) == {mime: value}


VEGA = [
    f"application/vnd.{name}.v{version}+json"
    for name, versions in (("vega", range(2, 8)), ("vegalite", range(1, 8)))
    for version in versions
]


@pytest.mark.parametrize("mime", [*VEGA, "application/vnd.vegalite.v5.1+json"])
def test_charts_of_vega_are_left_out(mime: str) -> None:
    """Their tooltips are HTML, and options in them or in the metadata can name scripts and addresses."""
    chart = {"usermeta": {"embedOptions": {"sourceHeader": "<script>alert(1)</script>"}}}
    why = "such a chart can run scripts; display it as a picture to keep it"
    picture = {"image/png": "AA=="}
    assert shown({mime: chart} | picture) == {"text/plain": f"[{mime} left out: {why}]"} | picture


@pytest.mark.parametrize(
    "mime",
    [
        "application/geo+json",  # a map's popup shows the properties as HTML
        "application/vdom.v1+json",
        "application/xhtml+xml",
        "text/vnd.mermaid",
        "text/html; charset=utf-8",
        "image/svg+xml;x=1",
        "application/vnd.plotly.v2+json",
        "application/x-new+json",
    ],
)
def test_kinds_that_nobody_has_judged_are_left_out(mime: str) -> None:
    """An unknown renderer can do anything with them."""
    assert shown({mime: {"x": "<script>"}}) == {
        "text/plain": f"[{mime} left out: notebooks here do not hold this kind]"
    }


@pytest.mark.parametrize(
    ("mime", "kept"),
    [
        ("image/png", {"width": 300, "height": "50%", "needs_background": "light", "unconfined": True}),
        ("image/svg+xml", {"isolated": True}),
        ("text/html", {"isolated": True}),
        ("application/json", {"expanded": False, "root": "root"}),
        ("application/pdf", {"width": 300}),
        ("text/plain", {}),
        ("application/vnd.plotly.v1+json", {}),
    ],
)
def test_of_metadata_only_what_is_known_is_kept(mime: str, kept: dict[str, Any]) -> None:
    """No renderer options, addresses or markup, and no value of the wrong type under a known name."""
    hostile = {
        "embed_options": {"editorUrl": "javascript:alert(1)"},
        "layer_options": {"attribution": "<img src=x onerror=alert(1)>"},
        "onload": "alert(1)",
        "html": "<script>alert(1)</script>",
    }
    values = {"image/svg+xml": f"{SVG}/>", "application/json": 1, "application/vnd.plotly.v1+json": {}}
    bundle = {mime: values.get(mime, "AA==")}
    about = {mime: hostile | kept, "embed_options": hostile, "text/html": hostile} | {mime: hostile | kept}
    output = {"output_type": "display_data", "data": bundle, "metadata": about}
    (cell,) = json.loads(write([Code("x", (output,))]))["cells"]
    assert cell["outputs"][0]["metadata"] == ({mime: kept} if kept else {})
    wrong = dict.fromkeys(kept, '"><script>') | {"width": {"a": 1}, "height": "1 onload=1"}
    output = {"output_type": "display_data", "data": bundle, "metadata": {mime: wrong}}
    (cell,) = json.loads(write([Code("x", (output,))]))["cells"]
    assert cell["outputs"][0]["metadata"] == {}


def test_picture_that_is_not_base64_is_left_out() -> None:
    """Markup in place of a picture's data would become part of a converted page."""
    assert shown({"image/png": '"><script>'}) == {"text/plain": "[image/png left out: it is damaged]"}


@pytest.mark.parametrize("unit", ["<g/>", "<!---->", "<g id='' class=''/>", "<path d='' fill='' />"])
def test_drawing_of_too_many_parts_is_left_out_unparsed(unit: str) -> None:
    """Each part takes time and memory; a drawing that anybody can look at has fewer."""
    parts = unit.count("<") + unit.count("=")
    much = unit * (MOST_PARTS // parts + 1)
    assert shown({"image/svg+xml": f"{SVG}>{much}</svg>"}) == {
        "text/plain": "[image/svg+xml left out: it has more than 300,000 elements and attributes]"
    }
    less = unit * (MOST_PARTS // parts - 10)
    assert "image/svg+xml" in shown({"image/svg+xml": f"{SVG}>{less}</svg>"})


def test_data_of_too_many_values_is_left_out() -> None:
    """As with a kernel's messages, up to 100,000 values are accepted, wherever they are."""
    many: list[Any] = [[] for _ in range(100_000)]
    assert shown({"application/json": many}) == {"application/json": many}
    for more in ([*many, []], {"a": [{"b": many}]}, [many[:50_000], many[:50_000]]):
        assert shown({"application/json": more}) == {
            "text/plain": "[application/json left out: it has more than 100,000 values]"
        }


def test_kinds_and_lines_beyond_reason_are_few_in_the_file() -> None:
    """Only the first 32 types of an output are named, and a traceback of a million lines becomes one text."""
    kept = shown({f"x/{number}": "" for number in range(1000)} | {"text/plain": "x"})
    assert len(kept["text/plain"].splitlines()) == 33
    assert kept["text/plain"].endswith("[969 more kinds left out]")
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["a", *[""] * 5000, "b"]}
    data = write([Code("x", (error,))])
    assert json.loads(data)["cells"][0]["outputs"][0]["traceback"] == ["a" + "\n" * 5001 + "b"]


@pytest.mark.parametrize(
    "number", ["9" * 5000, "x" + "f" * 5000, "0" * 5000 + "106", "x" + "0" * 5000 + "6a"]
)
def test_character_of_many_digits_is_what_a_browser_sees(number: str) -> None:
    """Python refuses numbers of 5,000 digits; leading zeros do not hide the `j` they stand for."""
    for html in (f'<a href="&#{number};avascript:alert(1)">x</a>', f'<b style="&#{number};a">x</b><script>'):
        assert "text/html" not in shown({"text/html": html})
    zeros = "0" * 5000
    assert "text/html" not in shown(
        {"text/html": f'<b style="background:&#{zeros}117;rl(https://evil.example)">'}
    )


@pytest.mark.parametrize(
    "unit",
    [
        *("<b ", "<!--", '<b title="', "<style>", "<div>", "</b", "<", "< ", "on", "on  ", ">", "> "),
        *("<script>", "<script ", "<style>/*", "<button>", "<button a='", "<svg ", "<input type=checkbox "),
        *("<script></script>", "<button></button>", "<b x:y=' "),
    ],
)
def test_hostile_length_is_no_more_than_length(unit: str) -> None:
    """A megabyte that makes a careless pattern backtrack is handled within the test's time."""
    html = unit * (1_000_000 // len(unit))
    shown({"text/html": html})
    shown({"text/html": html + "<script>"})
    assert not is_plain_html(html + "<script>")
    shown({"image/svg+xml": html})


FENCE = "```\n<script>alert(1)</script>\n```"
ACTIVE_WORDS = [
    *(html for html in ACTIVE_HTML if html.strip()),
    f"<pre>\n{FENCE}\n</pre>",
    f"<div>\n{FENCE}\n</div>",
    "<!--\n```\n--><script>alert(1)</script>\n```",
    "~~~\n```\n~~~\n<script>alert(1)</script>\n```",
    "````\n```\n````\n<script>alert(1)</script>\n```",
    "```py\n<script>\n```js\n<script>alert(1)</script>\n```",
    "> ```\n<script>alert(1)</script>\n> ```",
    "- ```\n<script>alert(1)</script>\n- ```",
    f"{FENCE}\n<img src=x onerror=alert(1)>",
    f"{FENCE}\n```\n<script>alert(1)</script>",
    "`\n```\n`<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x]( <JavaScript&colon;alert(1)>)",
    "![x](\x01javascript:alert(1))",
    "[x]:\n  vbscript:alert(1)\n\n[x][x]",
    "[x](javascript:a)" * 200,
    "<javascript:alert(1)>",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
]
TEX_LINKS = [
    r"$\href{javascript:alert(1)}{x}$",
    "$\\href%\n{javascript:alert(1)}{x}$",
    r"$\href{\text{javascript:alert(1)}}{x}$",
    r"$\def\h{\href}\h{javascript:alert(1)}{x}$",
    r"$\newcommand{\h}[2]{\href{java#1}{#2}}\h{script:alert(1)}{x}$",
    r"$\let\h=\href$ is used in other words",
    r'$\mmlToken{mi}[href="javascript:alert(1)"]{x}$',
    "&#36;&#92;href{javascript:alert(1)}{x}&#36;",
]
PLAIN_WORDS = [
    "**Ada** says: 2 < 3, and `a > b`",
    "see [the docs](https://example.org/a?b=1) and [mine](out.csv), or <b>this</b>",
    "JavaScript: [it](https://example.org/javascript:void) is not Java",
    r"$\newcommand{\R}{\mathbb R} \R$",
    r"$\href{https://example.org}{x}$, and not javascript:",
    "![x](data:image/png;base64,iVBORw0KGgo=)",
    "```py\nif a<b: x = List[int]\n```\n\n```html\n<script>alert(1)</script>\n```\nDone.",
]


class Acts(HTMLParser):
    """Collects the active parts of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "form", "svg", "math", "link", "meta", "base"):
            self.found.append(tag)
        for name, value in attrs:
            address = re.sub("[\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or address.startswith(("javascript:", "vbscript:")):
                self.found.append(f"{tag} {name}={value}")


def rendered(words: str) -> list[str]:
    """The text as pages: by CommonMark, and by nbconvert's parser with its own precautions off."""
    commonmark = MarkdownIt("commonmark", {"html": True}).enable("table")
    commonmark.validateLink = lambda _url: True  # type: ignore[method-assign]
    mistune_html = mistune.HTMLRenderer(escape=False, allow_harmful_protocols=True)
    return [
        commonmark.render(words),
        str(mistune.create_markdown(renderer=mistune_html, plugins=["table", "math"])(words)),
    ]


def words_of(notebook: bytes) -> str:
    """The text of a notebook's first cell."""
    return "".join(json.loads(notebook)["cells"][0]["source"])


@pytest.mark.parametrize("words", ACTIVE_WORDS)
def test_no_words_of_a_notebook_act(words: str) -> None:
    """Any renderer, even without a sanitiser, finds nothing to run; the text is still there."""
    written = words_of(write([Markdown(words)]))
    for page in rendered(written):
        assert Acts(page).found == []
    assert written.replace("\u200b", "").replace("< ", "<") == source(words).replace("< ", "<")
    assert words_of(write([Markdown(written)])) == written


@pytest.mark.parametrize("words", PLAIN_WORDS)
def test_plain_words_and_blocks_of_code_stay_as_they_are(words: str) -> None:
    """Nothing is added to what a person may copy."""
    assert words_of(write([Markdown(words, author="Ada <b>")])).endswith(f"\n\n{words}")


def test_a_raw_cell_says_that_it_is_text() -> None:
    """Without a type, nbconvert puts it into the page unchanged."""
    (cell,) = json.loads(write([Raw("<script>alert(1)</script>")]))["cells"]
    assert cell["metadata"] == {"raw_mimetype": "text/plain"}


@pytest.mark.parametrize("mime", ["text/markdown", "text/latex"])
def test_a_displayed_link_to_a_script_is_none(mime: str) -> None:
    """A formula can contain links just as text can."""
    shown = r"$\href{javascript:alert(1)}{x}$ [x](javascript:alert(1))"
    output = {"output_type": "display_data", "data": {mime: shown}, "metadata": {}}
    (cell,) = json.loads(write([Code("", (output,))]))["cells"]
    written = "".join(cell["outputs"][0]["data"][mime])
    assert "\\href" not in written
    assert "](" not in written


@pytest.mark.parametrize("words", TEX_LINKS)
def test_no_formula_links_to_a_script(words: str) -> None:
    """Neither by the linking command nor by a new name for it, however it is written."""
    written = unescape(sanitize_markdown(words))
    assert not re.search(r"\\(?:def|let|newcommand|mmlToken)\b", written)
    assert not re.search(r"\\href\W*(?:text\W)?javascript", written)
    assert sanitize_markdown(sanitize_markdown(words)) == sanitize_markdown(words)


def test_hostile_words_take_time_by_their_length() -> None:
    """Half a million links next to one that leads to a script."""
    began = time.monotonic()
    sanitize_markdown(
        "[x](javascript:1)" + "](" * 500_000 + "&" * 500_000 + "<a" * 500_000 + "```\n" * 100_000
    )
    assert time.monotonic() - began < 20
