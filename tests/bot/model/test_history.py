"""What the model is told of the past, and of the present."""

from datetime import UTC, datetime

import pytest

from bot.model.conversation import ChatMessage, Item, ToolCall, ToolResult
from bot.model.history import History
from bot.model.prompt import BadCall, arguments, picture_links, situation
from bot.request import MODEL
from filestore.records import CellRecord, Output, Said
from kernels.cell.result import Variable
from kernels.interface import State

AT = datetime(2030, 1, 1, tzinfo=UTC)
PLENTY = 100_000


def said(author: str, text: str, seq: int = 1) -> Said:
    """Words of the transcript."""
    return Said("s", seq, "here", author, text, AT)


def remembered(entries: list[Said | CellRecord], *, room: int) -> list[Item]:
    """What is kept from entries that come in pages of two."""
    past = History(model="m", room=room)
    newest = entries[::-1]
    for start in range(0, len(newest), 2):
        if not past.add_page(newest[start : start + 2]):
            break
    return past.entries()


def cell(author: str, code: str, *outputs: Output, seq: int = 7, status: str = "ok") -> CellRecord:
    """A cell of the transcript."""
    return CellRecord("s", seq, "here", author, code, outputs, status, AT, file_ids=("k7m3q9x2va",))


def test_the_models_cells_are_calls_and_a_persons_are_their_words() -> None:
    """Every call has its result, with its text, its files, and a word in place of its picture."""
    picture: Output = {"output_type": "display_data", "data": {"image/png": "x", "text/plain": "<Figure>"}}
    printed: Output = {"output_type": "stream", "name": "stdout", "text": "\x1b[31mred\x1b[0m\n"}
    entries = [said("Ada", "plot"), cell(MODEL, "1", printed, picture), cell("Ada", "2", status="timeout")]
    words, call, result, typed = remembered(entries, room=PLENTY)
    assert words == ChatMessage("person", "plot")
    assert call == ToolCall("cell_7", "run_python", '{"code": "1"}')
    assert result == ToolResult("cell_7", "red\n[a picture]\nFiles: k7m3q9x2va")
    assert isinstance(typed, ChatMessage)
    assert typed.by == "person"
    assert "```py\n2\n```" in typed.text
    assert "(timeout)" in typed.text


def test_the_newest_that_fits_is_kept_and_begins_with_a_person() -> None:
    """Neither a result without its call nor an answer without its question is left at the start."""
    entries = [
        said("Ada", "long " * 500, 1),
        said(MODEL, "an answer", 2),
        cell(MODEL, "x = 1", seq=3),
        said("Ada", "short", 4),
        said(MODEL, "the end", 5),
    ]
    assert remembered(entries, room=200) == [ChatMessage("person", "short"), ChatMessage("model", "the end")]
    assert len(remembered(entries, room=PLENTY)) == 6
    assert remembered(entries, room=0) == []


def test_the_situation_lists_variables_and_counts_the_rest() -> None:
    """Names, types and shapes; long values are clipped."""
    many = tuple(Variable(f"v{number}", "int", "1" * 500) for number in range(50))
    text = situation(State(alive=True, variables=(Variable("df", "DataFrame", "3 x 2"), *many)))
    assert "- df: DataFrame 3 x 2" in text
    assert "- and 11 more" in text
    assert len(text) < 8000
    assert "the kernel is fresh" in situation(State())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (ToolCall("a", "run_python", "{"), "no JSON"),
        (ToolCall("a", "run_python", "[" * 100_000), "no JSON"),
        (ToolCall("a", "run_python", '["code"]'), "with these texts: code"),
        (ToolCall("a", "run_python", "{}"), "with these texts: code"),
        (ToolCall("a", "load_file", '{"id": 3}'), "with these texts: id"),
        (ToolCall("a", "x" * 5000, "{}"), "Use one of: run_python, list_files, load_file"),
    ],
)
def test_a_call_that_cannot_be_made_says_why(call: ToolCall, says: str) -> None:
    """The model reads it and tries again."""
    with pytest.raises(BadCall) as caught:
        arguments(call)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


def test_only_what_a_tool_takes_is_taken() -> None:
    """An owner that the model makes up is ignored."""
    assert arguments(ToolCall("a", "load_file", '{"id": "k7", "user_id": "2"}')) == {"id": "k7"}
    assert arguments(ToolCall("a", "list_files", "")) == {}


def test_links_to_pictures_are_found_in_words() -> None:
    """Plain or in Markdown, once each, four at most."""
    first = "https://a.org/x.png?size=2"
    words = f"see {first}, ![b](http://b.org/y.JPG) and https://a.org/page and {first}."
    assert picture_links(words) == (first, "http://b.org/y.JPG")
    assert len(picture_links(" ".join(f"https://a.org/{number}.gif" for number in range(9)))) == 4
