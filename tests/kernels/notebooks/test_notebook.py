import json
import warnings
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.notebooks import notebook as module
from kernels.notebooks.cells import RAISES, SKIP, Cell, Code, Markdown, NotebookError, Raw
from kernels.notebooks.notebook import read, write, written
from kernels.notebooks.sanitize.outputs import sanitize_outputs

PNG = "iVBORw0KGgo="
STREAM = {"output_type": "stream", "name": "stdout", "text": "hello\n"}
PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": PNG, "text/plain": "<Figure>"},
    "metadata": {},
}
VALUE = {"output_type": "execute_result", "execution_count": 3, "data": {"text/plain": "2"}, "metadata": {}}
ERROR = {"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["a", "b"]}
SESSION = (
    Markdown("Plot it, *please*", author="Ada_L"),
    Code(
        "plot(x)\n1 + 1",
        (STREAM, PICTURE, VALUE),
        3,
        file_ids=("k7m3q9x2va",),
        author="Ada",
        execution_time=0.5,
    ),
    Markdown("Here it is.", author="Kernelcord"),
    Code("1 / 0", (ERROR,), 4, status="error"),
    Raw("as it is"),
    Code("", tags=("mine",)),
)

MIMES = st.sampled_from(
    ["text/plain", "text/html", "image/png", "image/svg+xml", "application/json", "Text/HTML ", "x/y", ""]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
KINDS = st.sampled_from(
    ["stream", "error", "display_data", "execute_result", "update_display_data", "pyout", None]
)
OUTPUTS = st.lists(
    JSON
    | st.fixed_dictionaries(
        {"output_type": KINDS},
        optional={
            "name": JSON,
            "text": JSON,
            "data": st.dictionaries(MIMES | st.text(), JSON, max_size=3) | JSON,
            "metadata": st.dictionaries(MIMES, JSON, max_size=2) | JSON,
            "execution_count": JSON,
            "ename": JSON,
            "evalue": JSON,
            "traceback": JSON,
        },
    ),
    max_size=4,
)


def strict(data: bytes) -> dict[str, Any]:
    """The notebook in `data`, strictly valid and not in need of any normalising."""
    document: dict[str, Any] = json.loads(data)
    before = json.dumps(document)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(document, version=4, version_minor=5, relax_add_props=False)
    assert json.dumps(document) == before
    return document


def test_session_is_a_valid_notebook() -> None:
    """Text, code, outputs, counts and our own metadata are all where Jupyter's format has them."""
    document = strict(write(SESSION, packages={"numpy": "2.1"}, about={"title": "Plots"}))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert [cell["cell_type"] for cell in document["cells"]] == [
        *("markdown", "code", "markdown", "code", "raw", "code")
    ]
    assert document["metadata"]["kernelspec"]["name"] == "python3"
    assert document["metadata"]["language_info"]["version"] == "3.12"
    assert document["metadata"]["kernelcord"] == {"packages": {"numpy": "2.1"}}
    assert document["metadata"]["title"] == "Plots"
    plot = document["cells"][1]
    assert plot["source"] == ["plot(x)\n", "1 + 1"]
    assert (plot["execution_count"], plot["outputs"]) == (3, [STREAM, PICTURE, VALUE])
    assert plot["metadata"] == {
        "kernelcord": {"status": "ok", "file_ids": ["k7m3q9x2va"], "author": "Ada", "execution_time": 0.5}
    }


def test_author_is_shown_and_cannot_format() -> None:
    """The author stands in bold before the words, on one line, whatever the name holds."""
    hostile = Markdown("Hi", author="<b>A*\n\n# B_")
    first, second = strict(write([Markdown("Hi", author="Ada"), hostile]))["cells"]
    assert "".join(first["source"]) == "**Ada**\n\nHi"
    assert "".join(second["source"]) == r"**\<b\>A\* \# B\_**" + "\n\nHi"


@pytest.mark.parametrize(
    ("status", "tags", "written"),
    [
        ("ok", (), None),
        ("error", (), [SKIP]),
        ("timeout", ("mine", SKIP), ["mine", SKIP]),
        ("error", (RAISES,), [RAISES]),
        ("died", (RAISES,), [RAISES, SKIP]),
        ("ok", ("a,b", "", "a", "a"), ["a"]),
    ],
)
def test_cells_that_did_not_end_well_are_skipped(
    status: str, tags: tuple[str, ...], written: list[str] | None
) -> None:
    """A re-run skips cells that did not finish ok, except those meant to fail; the tags are valid."""
    (cell,) = strict(write([Code("x", status=status, tags=tags)]))["cells"]
    assert cell["metadata"].get("tags") == written


def test_same_cells_give_the_same_bytes_and_unique_ids() -> None:
    """Nothing in the file depends on the clock or on chance, and equal cells still have ids of their own."""
    cells = [*SESSION, *SESSION]
    assert write(cells) == write(cells)
    ids = [cell["id"] for cell in strict(write(cells))["cells"]]
    assert len(set(ids)) == len(cells)


def test_empty_session_is_a_notebook() -> None:
    """No cells at all is a valid notebook too."""
    assert strict(write([]))["cells"] == []


def test_unwritable_text_is_repaired_everywhere() -> None:
    """NUL and lone surrogates in any field never keep the notebook from being written."""
    bad = "a\0b\ud800c"
    cells = [
        Markdown(bad, author=bad),
        Raw(bad),
        Code(bad, ({**STREAM, "text": bad},), 1, bad, (bad,), bad, float("nan"), (bad,)),
    ]
    data = write(cells, packages={bad: bad}, about={"title": bad})
    strict(data)
    assert "a\ufffdb\ufffdc" in data.decode()
    assert b"\\u0000" not in data


def test_outputs_that_nbformat_refuses_are_lost_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should an output slip through that is not valid, its cell loses its outputs and no other does."""

    def careless(outputs: Any) -> list[dict[str, Any]]:
        return [dict(output) for output in outputs]

    monkeypatch.setattr(module, "sanitize_outputs", careless)
    first, second = strict(write([Code("a", ({"output_type": "odd"},)), Code("b", (STREAM,))]))["cells"]
    assert "outputs left out" in first["outputs"][0]["text"]
    assert second["outputs"] == [STREAM]


@given(OUTPUTS)
def test_any_outputs_can_be_written(outputs: list[Any]) -> None:
    """Whatever is given as outputs, the notebook is valid, and reading and rewriting it changes nothing."""
    data = write([Code("x", tuple(outputs))])
    strict(data)
    assert write(read(data).cells) == data


@given(OUTPUTS)
def test_repairing_twice_changes_nothing(outputs: list[Any]) -> None:
    """What was sanitized once is left as it is."""
    once = sanitize_outputs(outputs)
    assert sanitize_outputs(once) == once


@given(
    st.lists(
        st.builds(Markdown, st.text(), st.text(st.characters(categories=["L", "N", "P"])))
        | st.builds(Raw, st.text())
        | st.builds(
            Code, st.text(), count=st.none() | st.integers(0, 1 << 40), status=st.sampled_from(["ok", "died"])
        )
    )
)
def test_what_is_written_is_read(cells: list[Cell]) -> None:
    """The same cells come back; line ends follow Jupyter's convention, and a skipped cell says so."""
    data = write(cells)
    found = read(data).cells
    assert [type(cell) for cell in found] == [type(cell) for cell in cells]
    for cell, again in zip(cells, found, strict=True):
        match cell, again:
            case Code(), Code():
                assert again.code == cell.code.replace("\r\n", "\n").replace("\r", "\n").replace(
                    "\0", "\ufffd"
                )
                assert (again.count, again.status) == (cell.count, cell.status)
            case Markdown(), Markdown():
                assert again.author == cell.author
    assert write(found) == data


def test_session_comes_back_whole() -> None:
    """Code, outputs, authors, ids, status and time are all preserved; the failed cell has its tag."""
    *before, failed, raw, last = SESSION
    found = read(write(SESSION)).cells
    assert found[:3] == tuple(before)
    assert isinstance(failed, Code)
    assert found[3] == Code(failed.code, failed.outputs, failed.count, failed.status, tags=(SKIP,))
    assert found[4:] == (raw, last)


def test_pieces_are_one_document_as_json_writes_it() -> None:
    """Written cell by cell, it is what `json` would write of the whole, however many cells there are."""
    for count in (0, 1, 200):
        data = write([Code("x\n", (STREAM,), number) for number in range(count)])
        document = json.loads(data)
        assert len(document["cells"]) == count
        assert data.decode() == json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def test_outputs_that_make_it_too_large_are_left_out_and_said() -> None:
    """The first outputs are included, a line explains why the others are not, and all the code is there."""
    cells = [Code(f"cell {number}", (STREAM | {"text": "x" * 1000},)) for number in range(10)]
    document = json.loads("".join(written(cells, size=6000)))
    nbformat.validate(document)
    assert [cell["source"] for cell in document["cells"]] == [[cell.code] for cell in cells]
    texts = [cell["outputs"][0]["text"] for cell in document["cells"]]
    assert texts[0] == "x" * 1000
    assert texts[-1] == "[outputs left out: the notebook would be over 5.9 KB]\n"
    with pytest.raises(NotebookError, match=r"over 1000 B without any outputs"):
        list(written(cells, size=1000))


def test_outputs_for_which_there_is_no_time_are_left_out_and_said() -> None:
    """Once the time is up nothing is processed that may take long."""
    (cell,) = json.loads("".join(written([Code("x", (STREAM,))], seconds=-1)))["cells"]
    assert cell["source"] == ["x"]
    assert cell["outputs"][0]["text"] == "[outputs left out: the notebook takes too long to write]\n"
