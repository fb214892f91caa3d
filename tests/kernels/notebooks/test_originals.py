import json
from dataclasses import replace
from typing import Any

import nbformat
import pytest

from kernels.notebooks.cells import Code, Markdown
from kernels.notebooks.notebook import read, write

PICTURE = {"image/png": "iVBORw0KGgo="}
KEPT = {
    "metadata": {
        "title": "Cities",
        "authors": [{"name": "Ada"}],
        "kernelspec": {"name": "conda-env", "display_name": "Python [conda]", "language": "python"},
        "toc": {"base_numbering": 1},
    },
    "cells": [
        {
            "cell_type": "markdown",
            "id": "words",
            "source": "![](attachment:a.png)",
            "metadata": {"slideshow": {"slide_type": "slide"}, "tags": ["mine"]},
            "attachments": {"a.png": PICTURE},
        },
        {
            "cell_type": "raw",
            "id": "raw-1",
            "source": "\\\\newpage",
            "metadata": {"raw_mimetype": "text/latex"},
        },
        {"cell_type": "raw", "id": "raw-2", "source": "---", "metadata": {}},
        {
            "cell_type": "code",
            "id": "code",
            "source": "1 / 0",
            "metadata": {"collapsed": True, "tags": ["mine"], "jupyter": {"source_hidden": True}},
            "execution_count": 3,
            "outputs": [],
        },
    ],
}


def again(document: dict[str, Any]) -> dict[str, Any]:
    """The notebook written again after it was read, with all its code having failed."""
    found = read(json.dumps({"nbformat": 4, "nbformat_minor": 5, **document}).encode())
    cells = [replace(cell, status="error") if isinstance(cell, Code) else cell for cell in found.cells]
    written: dict[str, Any] = json.loads(write(cells, about=found.metadata))
    nbformat.validate(written)
    return written


def test_what_a_notebook_has_beside_code_is_written_again() -> None:
    """Ids, slideshow, attachments, raw formats, title and kernel; and no tag for how a cell ended."""
    written = again(KEPT)
    for cell, before in zip(written["cells"], KEPT["cells"], strict=True):
        assert cell["metadata"].pop("kernelcord", {}).get("status", "error") == "error"
        assert "".join(cell.pop("source")) == before["source"]
        assert cell == {key: value for key, value in before.items() if key != "source"}
    metadata = written["metadata"]
    assert {key: metadata[key] for key in KEPT["metadata"]} == KEPT["metadata"]
    assert metadata["language_info"]["name"] == "python"


@pytest.mark.parametrize(
    ("metadata", "attachments"),
    [
        ({"trusted": True}, {}),
        ({"widgets": {"application/vnd.jupyter.widget-state+json": {}}}, {}),
        ({"title": "<script>alert(1)</script>"}, {}),
        ({"title": r"$\href{javascript:alert(1)}{x}$"}, {}),
        ({"a": [{"<img src=x onerror=alert(1)>": 1}]}, {}),
        ({"large": "x" * 70_000}, {}),
        ({"deep": json.loads("[" * 90 + "]" * 90), "deeper": json.loads("[" * 150 + "]" * 150)}, {}),
        ({}, {"a.html": {"text/html": "<script>alert(1)</script>"}}),
        ({}, {"a.png": {"image/png": '"><script>alert(1)</script>'}}),
        ({}, {'"><script>alert(1)</script>': PICTURE}),
        ({}, "<script>alert(1)</script>"),
    ],
)
def test_what_would_act_is_not_written_again(metadata: dict[str, Any], attachments: Any) -> None:
    """Trust, widgets, markup, and values too large or too deep are left out, with a note; the cell stays."""
    cell = {"cell_type": "markdown", "source": "x", "metadata": metadata, "attachments": attachments}
    found = read(json.dumps({"nbformat": 4, "metadata": metadata, "cells": [cell]}).encode())
    assert len(found.notes) >= 1
    data = write(found.cells, about=found.metadata)
    forged = write(
        [Markdown("x", original={"metadata": metadata, "attachments": attachments})], about=metadata
    )
    for text in (data.decode(), forged.decode()):
        for trace in ("alert", "trusted", "widget", "x" * 70_000, "deeper"):
            assert trace not in text


@pytest.mark.parametrize("kind", ["text/html", "text/x-rst", "text/latex", None])
def test_a_raw_cell_that_would_act_becomes_text(kind: str | None) -> None:
    """Converters put it into pages unchanged, whatever its format."""
    metadata = {"raw_mimetype": kind} if kind else {}
    cells = [
        {"cell_type": "raw", "source": text, "metadata": metadata}
        for text in ("<script>alert(1)</script>", "[x](javascript:alert(1))", "words")
    ]
    written = again({"cells": cells, "metadata": {}})
    types = [cell["metadata"].get("raw_mimetype") for cell in written["cells"]]
    assert types == ["text/plain", "text/plain", kind]


def test_no_id_is_given_twice() -> None:
    """Of two cells with one id the first keeps it, and no cell without one takes that of a later cell."""
    made = json.loads(write([Code("1")]))["cells"][0]["id"]
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [cell | {"id": "0-x"}, cell | {"id": "0-x"}, cell | {"id": "no id!"}, cell | {"id": made}, cell]
    written = again({"cells": cells, "metadata": {}})
    ids = [one["id"] for one in written["cells"]]
    assert ids[0] == "0-x"
    assert ids[3] == made
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    "metadata",
    [
        {"collapsed": "yes"},
        {"name": 3},
        {"jupyter": {"source_hidden": "x"}},
        {"tags": "x"},
        {"tags": ["a,b", 3, "", "fine", "fine"]},
    ],
)
@pytest.mark.parametrize("kind", ["code", "markdown", "raw"])
def test_what_is_not_valid_costs_no_output(kind: str, metadata: dict[str, Any]) -> None:
    """A notebook from another program stays one that programs accept, and loses nothing that it shows."""
    shown = {"output_type": "stream", "name": "stdout", "text": "shown"}
    more = {"outputs": [shown], "execution_count": None} if kind == "code" else {}
    cell = {"cell_type": kind, "source": "x", "metadata": metadata, **more}
    document = {"cells": [cell], "metadata": {"authors": "nobody", "title": 3, "orig_nbformat": "x"}}
    written = again(document)
    if kind == "code":
        assert "".join(written["cells"][0]["outputs"][0]["text"]) == "shown"
    tags = written["cells"][0]["metadata"].get("tags")
    assert tags == (["fine"] if metadata.get("tags", "")[3:] else None)
