"""Nothing in a notebook becomes active where formulas meet code, tags and links, whatever renders it."""

import json
import re
import time
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from kernels.notebooks.cells import Code, Markdown
from kernels.notebooks.notebook import write
from kernels.notebooks.sanitize.formulas import without_script_links, without_script_links_in
from kernels.notebooks.sanitize.markdown import sanitize_markdown, without_hidden

FENCE = "```"
SCRIPT = "<script>alert(1)</script>"
JUPYTERLAB = re.compile(  # where JupyterLab's `removeMath` splits the text
    r"(\$\$?|\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]|(?:\n\s*)+|\\\\(?:\(|\)|\[|\]))"
)


class Acts(HTMLParser):
    """Collects the active parts of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag == "script" else []
        self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]


def without_formulas(words: str) -> tuple[str, list[str]]:
    """The text with a number in place of each formula, and the formulas, as JupyterLab splits them."""
    parts, formulas, kept = JUPYTERLAB.split(words), list[str](), list[str]()
    place = 0
    while place < len(parts):
        part = parts[place]
        end = {"$": "$", "$$": "$$", "\\\\(": "\\\\)", "\\\\[": "\\\\]"}.get(part) if place % 2 else None
        if place % 2 and part.startswith("\\begin"):
            end = part.replace("begin", "end")
        last = parts.index(end, place + 1) if end and end in parts[place + 1 :] else -1
        if last > 0 and not any(re.search(r"\n.*\n", one) for one in parts[place:last]):
            formulas.append(escape("".join(parts[place : last + 1]), quote=False))
            kept.append(f"@@{len(formulas) - 1}@@")
            place = last
        else:
            kept.append(part)
        place += 1
    return "".join(kept), formulas


def pages(words: str) -> list[str]:
    """The text rendered by nbconvert, as CommonMark, and by JupyterLab."""
    commonmark = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    left, formulas = without_formulas(words)
    lab = commonmark.render(left)
    return [
        markdown2html_mistune(words),
        commonmark.render(words),
        re.sub(r"@@(\d+)@@", lambda found: formulas[int(found[1])], lab),
    ]


def words_of(notebook: bytes) -> str:
    """The text of a notebook's first cell."""
    return "".join(json.loads(notebook)["cells"][0]["source"])


def shown(bundle: dict[str, Any]) -> dict[str, Any]:
    """The MIME bundle that the written notebook holds for this one."""
    data = write([Code("x", ({"output_type": "display_data", "data": bundle, "metadata": {}},))])
    found: dict[str, Any] = json.loads(data)["cells"][0]["outputs"][0]["data"]
    return {mime: "".join(value) if isinstance(value, list) else value for mime, value in found.items()}


OPENED = [  # what stands before a fence, and what ends it within the block
    ("$$\n", "$$\n"),
    ("a $$ ", "$$ "),
    ("$$a\n\n", "$$\n"),
    ("$x\n", "$\n"),
    ("\\\\[\n", "\\\\]\n"),
    ("\\\\(\n", "\\\\)\n"),
    ("\\begin{a}\n", "\\end{a}\n"),
    ("text \\begin{align*} y\n", "\\end{align*}"),
    (f"{FENCE}\n\\begin{{a}}\n{FENCE}\n", "\\end{a}\n"),
    (f"{FENCE}\n$$\n{FENCE}\n$$\n", "$$\n"),
    ("> $$\n", "$$\n"),
    ("- $$\n", "$$\n"),
    ("[a]: /x '", "'\n\n"),
    ('[a]: /x "', '"\n\n'),
    ("- [a]: /x (", ")\n\n"),
    ("[a", "]: /x\n\n"),
    ("[^1]: $$\n", "$$\n"),
    ("| $$ |\n|---|\n", "$$\n"),
    ("`$$`\n", "$$\n"),
    ("    $$\n\n", "$$\n"),
]


@pytest.mark.parametrize(("before", "after"), OPENED)
@pytest.mark.parametrize("between", ["\n", "", "\r\n", "\u2028"])
def test_a_fence_in_a_formula_hides_nothing(before: str, after: str, between: str) -> None:
    """What a renderer takes for a formula or a link's title may contain a fence."""
    words = f"{before.rstrip()}\n{FENCE}\n{after}{between}{SCRIPT}\n{FENCE}"
    written = words_of(write([Markdown(words)]))
    assert SCRIPT not in written
    for page in pages(written):
        assert Acts(page).found == []


@pytest.mark.parametrize(
    "before", ["---\ntitle: x\n", "+++\n", ":::{note}\n", "[a]: /x\n", "costs $5\n", "[open\n"]
)
def test_a_fence_after_what_may_go_on_is_not_certain(before: str) -> None:
    """Front matter, directives and definitions span several lines, each in some program."""
    assert SCRIPT not in sanitize_markdown(f"{before}{FENCE}\n{SCRIPT}\n{FENCE}")


@pytest.mark.parametrize("language", ["mermaid", "Mermaid", "mermaid-x"])
def test_a_diagram_is_no_code(language: str) -> None:
    """nbconvert puts mermaid into the page unchanged."""
    written = sanitize_markdown(f"{FENCE}{language}\ngraph\n{SCRIPT}\n{FENCE}")
    for page in pages(written):
        assert Acts(page).found == []


@pytest.mark.parametrize(
    "words",
    [
        f"{FENCE}py\nx: List<int> = {SCRIPT}\n{FENCE}\nIt costs $5, $$a < b$$",
        f"{FENCE}sh\necho $HOME <b> {SCRIPT}\n{FENCE}",
        f"- [ ] see [the docs](https://example.org) and [x]\n{FENCE}\n{SCRIPT}\n{FENCE}\n",
        f"{FENCE}py\nif a[0]:\n    x[1:\n{FENCE}\nthen\n{FENCE}html\n{SCRIPT}\n{FENCE}",
        f"a\n\n---\n{FENCE}\n{SCRIPT}\n{FENCE}",
    ],
)
def test_code_that_is_certain_stays_as_it_is(words: str) -> None:
    """Code is not changed by a formula after or inside a block, nor by links that end where they begin."""
    assert sanitize_markdown(words) == words
    for page in pages(words):
        assert Acts(page).found == []


@pytest.mark.parametrize(
    "words",
    [
        '<b title="$">x onclick=alert(1) <i title="$">',
        '<b title="\n\n<script>alert(1)</script>\n">',
        "> <b\n> onclick=alert(1)>",
        '<div title="a\n\nb">\n\n<p class=" onclick=alert(1) ">x',
        '![$" onerror=alert(1) b="$](x)',
        '![" onerror=alert(1) b="](x)',
        '![a [b] \\] $x$ " onerror=alert(1) b="][c]\n\n[c]: x',
        '[x](http://a/$" onclick=alert(1) b="$)',
        '[x](a(b) "$" onclick=alert(1) b="$")',
        '[x]\n\n[x]: http://a/$" onclick=alert(1) b="$',
        '```$" onclick=alert(1) b="$\nx\n```',
        '~~~ $" onclick=alert(1) b="$\nx\n~~~',
    ],
)
def test_no_attribute_ends_within_a_formula_or_a_line(words: str) -> None:
    """A quotation mark put into a page unescaped, or a tag that Markdown breaks, starts nothing."""
    written = sanitize_markdown(words)
    assert sanitize_markdown(written) == written
    for page in pages(written):
        assert Acts(page).found == []
    output = shown({"text/markdown": words, "text/plain": "x"})
    for page in pages(output.get("text/markdown", "")):
        assert Acts(page).found == []


def test_a_picture_description_has_no_quotation_mark() -> None:
    """JupyterLab's parser, marked, does not escape it in the attribute; a reader sees the same text."""
    assert sanitize_markdown('![the "best"](x.png) "q"') == '![the &quot;best&quot;](x.png) "q"'
    assert sanitize_markdown('![plain](x.png "title") "q"') == '![plain](x.png "title") "q"'


def test_a_bare_address_has_no_formula() -> None:
    """Programs that detect bare addresses would take the number in a formula's place as part of one."""
    written = sanitize_markdown('see https://a/$" onclick=alert(1) b="$ and https://b/c')
    assert written == 'see https\u200b://a/$" onclick=alert(1) b="$ and https://b/c'


LINK = r"\href{javascript:alert(1)}{x}"
LINKS = [
    f"<b>${LINK}$</b>",
    f"<p>$${LINK}$$</p>",
    r'<div>\(\mmlToken{mi}[href="javascript:alert(1)"]{x}\)</div>',
    "<td>&#36;&#92;href{javascript:alert(1)}{x}&#36;</td>",
    "<td>$&#x000005C;href{javascript&colon;alert(1)}{x}$</td>",
    "<td>$&bsol;href{java&#115;cript:alert(1)}{x}$</td>",
    "<td>$&#92href{javascript:alert(1)}{x}$</td>",
    r"<p>$\hr<!-- x -->ef{javascript:alert(1)}{x}$</p>",
    r"<p>$\<!-- x -->href{javascript:alert(1)}{x}$</p>",
    r"<p>$\let\z\href \z{javascript:alert(1)}{x}$</p>",
    r"<p>$\newcommand{\z}[1]{\href{#1}{x}}$</p>",
    "<p>$\\href\n {javascript:alert(1)}{x}$</p>",
    r"<p>$\csname hr\endcsname$</p>",
    r"<p>$\url{javascript:alert(1)}$</p>",
    f"<svg><text>${LINK}$</text></svg>",
    f"<math><mtext>${LINK}$</mtext></math>",
    f"<math><semantics><annotation encoding='application/x-tex'>{LINK}</annotation></semantics></math>",
]
COMMAND = re.compile(r"\\(?:href|url|mmlToken|csname|let|newcommand)")


def text_of(html: str) -> str:
    """The text MathJax finds in a page, joined across comments."""
    return unescape(re.sub(r"<!--.*?-->|</?[a-z][^>]*>", "", html))


@pytest.mark.parametrize("html", LINKS)
def test_no_formula_of_a_page_links_to_a_script(html: str) -> None:
    """In tables, drawings and MathML; its tags and words stay, and a second pass changes nothing."""
    assert COMMAND.search(text_of(html))
    (written,) = shown({"text/html": html}).values()
    assert not COMMAND.search(text_of(written))
    assert written.replace("\u200b", "") == html
    assert shown({"text/html": written}) == {"text/html": written}


def test_no_formula_of_a_drawing_links_to_a_script() -> None:
    """Its texts are part of the page like any other, and a comment within one is left out."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>$\\hr<!-- -->ef{javascript:1}{x}$</text></svg>'
    (written,) = shown({"image/svg+xml": svg}).values()
    assert "$\\\u200bhref{javascript:1}{x}$" in written
    assert shown({"image/svg+xml": written}) == {"image/svg+xml": written}


def test_no_text_of_data_links_to_a_script() -> None:
    """A renderer of tables may typeset its names and values."""
    table = {"schema": {"fields": [{"name": LINK}]}, "data": [{LINK: LINK, "n": 1}]}
    broken = LINK.replace("\\", "\\\u200b")
    assert shown({"application/vnd.dataresource+json": table}) == {
        "application/vnd.dataresource+json": {
            "schema": {"fields": [{"name": broken}]},
            "data": [{broken: broken, "n": 1}],
        }
    }
    assert without_script_links_in([None, 1.5, True]) == [None, 1.5, True]


@pytest.mark.parametrize(
    "html",
    [
        r"<p>$\href{https://example.org}{x} \alpha$</p>",
        r"<p>C:\new\urls, $\frac{a}{b}$, \hrefs</p>",
        r'<b title="\href{javascript:alert(1)}{x}">x</b>',
        "<p>&#92;alpha</p>",
    ],
)
def test_other_formulas_of_a_page_stay(html: str) -> None:
    """Links to the web, other commands, and anything that is no text."""
    assert shown({"text/html": html}) == {"text/html": html}


def test_a_name_is_no_formula() -> None:
    """The escaped name of an author is typeset as it was written."""
    written = words_of(write([Markdown("hello", author=f"${LINK}$")]))
    assert "\\\\href" not in written
    assert "\\\\\u200bhref" in written
    code = f"{FENCE}\n{SCRIPT}\n{FENCE}"
    assert SCRIPT in words_of(write([Markdown(code, author="Ada (she) [x]")]))
    assert SCRIPT not in words_of(write([Markdown(code, author="$$")]))


@pytest.mark.parametrize(
    "words", ['$"\n```' + "`" * 100_000 + 'x"', '$"' + "\n" * 200_000 + 'x"', '$"' + "http:/a" * 50_000 + '"']
)
def test_hostile_fences_take_time_by_their_length(words: str) -> None:
    """No fence, line or address is searched again from each of its characters."""
    began = time.thread_time()
    without_hidden(words)
    assert time.thread_time() - began < 5


def test_hostile_formulas_take_time_by_their_length() -> None:
    """A megabyte that makes a careless pattern backtrack is handled within the test's time."""
    began = time.monotonic()
    for unit in (
        '$](x"',
        '![$"](',
        "[",
        "[ ",
        "\\[",
        '<b "',
        "<b '\"",
        "\\href ",
        "&#92;",
        "https://",
        "```$\n",
    ):
        many = unit * (300_000 // len(unit))
        sanitize_markdown('$"' + many + '"')
        without_script_links(many + "\\href")
        shown({"text/html": many, "text/markdown": many})
    sanitize_markdown("&#" + "9" * 5000 + ";")  # Python's own `unescape` refuses this
    assert time.monotonic() - began < 20
