"""Says how a cell's outputs differ from its earlier ones, in sentences for the person who ran it again.

    diff_outputs(stored.outputs, result.outputs)      # ("output 2: a picture instead of a table",)

What a person would not call a difference is ignored: how text was cut into pieces, colours, execution counts,
what changes with every run (see `kernels.notebooks.text_diff`), what is on stderr (warnings with paths,
progress bars with times), an error's traceback, and whether a value was displayed or returned. Pictures,
sound and figures are compared only by kind, never by their bytes.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from kernels.notebooks.sanitize.outputs import joined, sanitize_outputs
from kernels.notebooks.text_diff import diff_texts
from kernels.text.visible import one_line

__all__ = ["diff_outputs"]

# What `kernels.notebooks.sanitize.outputs` writes in place of what it left out.
_LEFT_OUT = re.compile(r"(?:^|\n)\[[^\n]* left out(?:: [^\n]*)?\](?=\n|$)")
_KINDS = (  # a person sees the first of these that an output has
    (re.compile(r"application/vnd\.(plotly|vega)"), "an interactive figure"),
    (re.compile(r"image/"), "a picture"),
    (re.compile(r"audio/"), "a sound"),
    (re.compile(r"video/"), "a video"),
    (re.compile(r"application/pdf"), "a PDF"),
    (re.compile(r"text/html"), "a table"),
    (re.compile(r"text/latex"), "a formula"),
    (re.compile(r"text/markdown"), "formatted text"),
    (re.compile(r".*json"), "data"),
)
_BY_KIND_ONLY = {"an interactive figure", "a picture", "a sound", "a video", "a PDF"}
_MARKUP = {"text/html", "text/markdown", "image/svg+xml"}
MOST_MARKUP = 1 << 19  # characters of a cell's markup that are compared; checking what is active takes time


def diff_outputs(stored: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A sentence for each output that differs, and one if there are more or fewer; empty if they are alike.

    Both are nbformat v4 output dicts, hostile or not. Outputs are numbered from 1, without stderr. If there
    is too much HTML or SVG, the only sentence says that nothing was compared.
    """
    if max(_markup(stored), _markup(new)) > MOST_MARKUP:
        return ("too much HTML or SVG to compare",)
    before, after = _seen(sanitize_outputs(stored)), _seen(sanitize_outputs(new))
    found = [
        f"output {number}: {sentence}"
        for number, (old, now) in enumerate(zip(before, after, strict=False), start=1)
        if (sentence := _difference(old, now))
    ]
    if surplus := len(after) - len(before):
        things = "output" if abs(surplus) == 1 else "outputs"
        found.append(f"{abs(surplus)} {things} {'more' if surplus > 0 else 'fewer'}")
    return tuple(found)


def _markup(outputs: Iterable[Any]) -> int:
    """The number of characters of markup in the outputs, which may be anything."""
    bundles = [output.get("data") for output in outputs if isinstance(output, dict)]
    return sum(
        _length(value)
        for bundle in bundles
        if isinstance(bundle, dict)
        for mime, value in bundle.items()
        if mime.strip().lower() in _MARKUP
    )


def _length(value: Any) -> int:
    try:
        return len(joined(value))
    except RecursionError:  # such an output is left out anyway
        return 0


def _difference(old: tuple[str, str], now: tuple[str, str]) -> str:
    kind, text = now
    if old[0] != kind:
        return f"{kind} instead of {old[0]}"
    if kind in _BY_KIND_ONLY:
        return ""
    if kind == "an error":
        name, before = text.partition(":")[0], old[1].partition(":")[0]
        if name != before:
            return f"another error ({one_line(name)} instead of {one_line(before)})"
        how = diff_texts(old[1], text)
        return f"the error's message differs: {how}" if how else ""
    how = diff_texts(old[1], text)
    return f"{kind.removeprefix('a ')} differs: {how}" if how else ""


def _seen(outputs: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """The kind and the text of each thing that a person sees; neighbouring texts are one thing."""
    seen: list[tuple[str, list[str]]] = []
    streamed = False
    for output in outputs:
        if output["output_type"] != "stream":
            kind, text = _thing(output)
            seen.append((kind, [text]))
            streamed = False
        elif output["name"] == "stdout" and output["text"]:
            if not streamed:
                seen.append(("text", []))
            seen[-1][1].append(output["text"])
            streamed = True
    return [(kind, "".join(texts)) for kind, texts in seen]


def _thing(output: dict[str, Any]) -> tuple[str, str]:
    if output["output_type"] == "error":
        return "an error", f"{output['ename']}: {output['evalue']}"
    data = output["data"]
    kind = next((name for pattern, name in _KINDS if any(map(pattern.match, data))), "text")
    if kind == "a table" and "<table" not in data["text/html"].lower():
        kind = "formatted text"
    if "text/plain" not in data:
        return kind, repr(sorted(data.items()))
    return kind, _LEFT_OUT.sub("", data["text/plain"])  # an older library may not have had what was left out
