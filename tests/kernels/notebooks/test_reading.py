import json
from typing import Any

import pytest

from kernels.notebooks.cells import RAISES, SKIP, Code, LoadedNotebook, Markdown, NotebookError, Raw
from kernels.notebooks.notebook import read, write


def notebook(*cells: Any, **top: Any) -> bytes:
    """A version 4 file as some tool might write it."""
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "cells": cells, "metadata": {}} | top).encode()


def code(source: Any, **more: Any) -> dict[str, Any]:
    """A code cell of version 4."""
    return {
        "cell_type": "code",
        "source": source,
        "outputs": [],
        "metadata": {},
        "execution_count": None,
    } | more


VERSION_3 = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": "old"},
    "worksheets": [
        {
            "cells": [
                {"cell_type": "heading", "level": 2, "source": ["A ", "title"]},
                {"cell_type": "markdown", "source": ["one\n", "two"]},
                {
                    "cell_type": "code",
                    "language": "python",
                    "input": ["x = 1\n", "x"],
                    "prompt_number": 7,
                    "outputs": [
                        {"output_type": "stream", "stream": "stderr", "text": ["careful\n"]},
                        {"output_type": "pyout", "prompt_number": 7, "text": ["1"], "html": ["<b>1", "</b>"]},
                        {"output_type": "display_data", "png": "iVBORw0KGgo=", "javascript": "alert(1)"},
                        {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["t", "u"]},
                    ],
                },
                {"cell_type": "code", "input": "no_outputs"},
                {"cell_type": "heading", "level": "high", "source": 3},
                "not a cell",
            ]
        },
        {"cells": [{"cell_type": "raw", "source": "second sheet"}]},
        7,
    ],
}


def test_version_3_is_converted() -> None:
    """Worksheets are joined, headings become Markdown, outputs take today's form; damage is noted."""
    found = read(json.dumps(VERSION_3).encode())
    title, words, run, bare, last = found.cells
    assert (title, words, last) == (Markdown("## A title"), Markdown("one\ntwo"), Raw("second sheet"))
    assert isinstance(run, Code)
    assert (run.code, run.count) == ("x = 1\nx", 7)
    stream, value, picture, error = run.outputs
    assert stream == {"output_type": "stream", "name": "stderr", "text": "careful\n"}
    assert value["data"] == {"text/plain": "1", "text/html": "<b>1</b>"}
    assert picture["data"] == {
        "image/png": "iVBORw0KGgo=",
        "text/plain": "[application/javascript left out: it had active content]",
    }
    assert (error["output_type"], error["traceback"]) == ("error", ["t", "u"])
    assert bare == Code("no_outputs")
    assert found.notes == ("A cell after cell 4 was left out: it is damaged.",) * 2


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b" \n", "The file is empty."),
        (b'{"nbformat": 4,\n "cells": [}', "line 2, column 12"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (b"[]", 'no "nbformat"'),
        (b'{"cells": []}', 'no "nbformat"'),
        (b'{"nbformat": 4}', "cells are missing or not a list"),
        (b'{"nbformat": 4, "cells": {}}', "cells are missing or not a list"),
        (b'{"nbformat": 3}', "worksheets are missing or not a list"),
        (b'{"nbformat": 1}', "format 1, which is too old"),
        (b'{"nbformat": 2, "worksheets": []}', "format 2, which is too old"),
        (b'{"nbformat": 5, "cells": []}', "format 5, but only formats up to 4"),
        (b'{"nbformat": "4", "cells": []}', "not a version number"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"9" * 5000, "a number in it is too long"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_notebook_gets_one_sentence(data: bytes, sentence: str) -> None:
    """Each unreadable file gets one line that says what is wrong with it."""
    with pytest.raises(NotebookError, match=sentence) as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_limit_is_on_the_bytes() -> None:
    """A file of exactly the limit is read; one byte more is refused with both sizes."""
    data = notebook(code("x"))
    assert read(data, limit=len(data)).cells == (Code("x"),)
    with pytest.raises(NotebookError, match=r"too large: .* the limit is .*"):
        read(data, limit=len(data) - 1)


def test_missing_parts_are_filled_in() -> None:
    """Missing metadata, ids, outputs or source, a byte order mark, and both ways to store lines are fine."""
    data = json.dumps(
        {
            "nbformat": 4,
            "cells": [
                {"cell_type": "code"},
                {"cell_type": "code", "source": ["a\r\n", "b"], "metadata": None, "outputs": None},
                {"cell_type": "markdown", "source": "x\r\ny\rz"},
                {"cell_type": "raw", "source": None, "metadata": 3},
                {"cell_type": "code", "source": {"odd": 1}, "metadata": {"tags": "x", "kernelcord": 3}},
            ],
        }
    ).encode("utf-8-sig")
    found = read(data)
    assert found == LoadedNotebook((Code(""), Code("a\nb"), Markdown("x\ny\nz"), Raw(""), Code("{'odd': 1}")))


def test_deep_source_is_no_source() -> None:
    """A source nested too deep does not keep the other cells from being read."""
    deep = json.loads("[" * 200 + "]" * 200)
    assert read(notebook(code(deep), code("x"))).cells == (Code(""), Code("x"))


def test_duplicate_ids_do_not_matter() -> None:
    """Ids are not taken over; a written notebook has its own."""
    cells = read(notebook(code("a", id="same"), code("b", id="same"), nbformat_minor=5)).cells
    ids = {cell["id"] for cell in json.loads(write(cells))["cells"]}
    assert (len(cells), len(ids)) == (2, 2)


def test_tags_of_jupyters_tools_are_kept() -> None:
    """The tags that say skip and may fail arrive as they are, other values do not."""
    (cell,) = read(notebook(code("x", metadata={"tags": [SKIP, RAISES, 3, "own"]}))).cells
    assert cell == Code("x", tags=(SKIP, RAISES, "own"))


def test_unknown_cells_and_attachments_are_noted() -> None:
    """Whatever cannot be taken over is noted with the number of its cell."""
    attached = {"cell_type": "markdown", "source": "![](attachment:a.png)", "attachments": {"a.png": {}}}
    found = read(notebook({"cell_type": "sql"}, 3, attached))
    assert found.cells == (Markdown("![](attachment:a.png)"),)
    assert found.notes == (
        "Cell 1 was left out: its type (sql) is unknown.",
        "Cell 2 was left out: its type (none) is unknown.",
        "Cell 3: attached files that are not pictures were left out.",
    )


@pytest.mark.parametrize(
    ("metadata", "notes"),
    [
        ({"kernelspec": {"language": "R"}}, ("The notebook is written in r; its cells are run as Python.",)),
        (
            {"language_info": {"name": "julia"}},
            ("The notebook is written in julia; its cells are run as Python.",),
        ),
        ({"kernelspec": {"language": "python"}}, ()),
        ({"kernelspec": {"name": "python3"}, "language_info": {"name": "Python"}}, ()),
        ({"kernelspec": 3}, ()),
        (None, ()),
    ],
)
def test_other_languages_are_noted(metadata: Any, notes: tuple[str, ...]) -> None:
    """A notebook of another language is read, and the person is told that it runs as Python."""
    assert read(notebook(metadata=metadata)).notes == notes


def test_huge_output_is_taken_over() -> None:
    """Ten million characters of output are read and written as quickly as a few."""
    text = "x" * 10_000_000
    (cell,) = read(
        notebook(code("x", outputs=[{"output_type": "stream", "name": "stdout", "text": [text]}]))
    ).cells
    assert isinstance(cell, Code)
    assert cell.outputs[0]["text"] == text


def test_unknown_kinds_are_left_out_and_said() -> None:
    """A kind of output that our notebooks do not support is replaced by a line that names it."""
    data = {"application/x-unknown": "?", "text/plain": ["a", "b"]}
    (cell,) = read(notebook(code("x", outputs=[{"output_type": "display_data", "data": data}]))).cells
    assert isinstance(cell, Code)
    assert cell.outputs[0]["data"] == {
        "text/plain": "ab\n[application/x-unknown left out: notebooks here do not hold this kind]"
    }


def test_metadata_of_ours_is_not_trusted() -> None:
    """A wrong type under our own key counts as missing, and an author is taken only if shown."""
    ours = {"status": None, "file_ids": [1, "a"], "execution_time": True, "author": []}
    words = {"cell_type": "markdown", "source": "Hi", "metadata": {"kernelcord": {"author": "Ada"}}}
    found = read(notebook(code("x", metadata={"kernelcord": ours}, execution_count=-1), words))
    assert found.cells == (Code("x", file_ids=("a",)), Markdown("Hi"))


@pytest.mark.parametrize(
    "data",
    [
        b'{"nbformat": 4, "cells": [' + b"{}," * 10_000 + b"{}]}",
        b'{"nbformat": 3, "worksheets": [{"cells": [' + b"{}," * 10_000 + b"{}]}]}",
    ],
    ids=["version 4", "version 3"],
)
def test_too_many_cells_are_refused(data: bytes) -> None:
    """Nobody wrote them by hand; the sentence has both numbers and says what to do."""
    with pytest.raises(NotebookError, match=r"has 10,001 cells; the limit is 10,000\. Split it"):
        read(data)


def test_a_note_is_one_line() -> None:
    """A cell's kind and the names of its metadata come from strangers."""
    odd = {"cell_type": "markdown", "source": "x", "metadata": {"a\nb\x1b[2J": "<script>"}}
    found = read(notebook({"cell_type": "sql\n\x9b2J"}, odd))
    assert found.notes == (
        "Cell 1 was left out: its type (sql__2J) is unknown.",
        "Cell 2: its metadata \u201ca_b_[2J\u201d was left out.",
    )


def test_notes_outputs_and_tags_are_bounded() -> None:
    """Ten thousand odd cells give a hundred notes and a count; a cell has as many outputs as one run here."""
    found = read(notebook(*[{"cell_type": "sql"}] * 10_000))
    assert len(found.notes) == 101
    assert found.notes[-1] == "And 9,900 more notes like these."
    stream = {"output_type": "stream", "name": "stdout", "text": "x"}
    (cell,) = (
        many := read(notebook(code("x", outputs=[stream] * 3000, metadata={"tags": ["t"] * 5000})))
    ).cells
    assert isinstance(cell, Code)
    assert (len(cell.outputs), len(cell.tags)) == (2008, 1000)
    assert many.notes == ("Cell 1: 992 of its outputs were left out.",)
