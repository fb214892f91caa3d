from typing import Any

import pytest

from kernels.notebook import differences

TABLE = "<table><tr><td>1</td></tr></table>"


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    """A piece of text."""
    return {"output_type": "stream", "name": name, "text": text}


def display(kind: str = "display_data", **data: Any) -> dict[str, Any]:
    """Something shown; `text_plain` stands for text/plain."""
    return {"output_type": kind, "data": {key.replace("_", "/"): value for key, value in data.items()}}


def error(ename: str, evalue: str, *traceback: str) -> dict[str, Any]:
    """An exception."""
    return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": list(traceback)}


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ([], []),
        ([stream("a\n"), stream("b\n")], [stream("a\nb\n")]),
        ([stream("a\n"), stream("warn", "stderr"), stream("b")], [stream("a\nb")]),
        ([stream("warn: /tmp/1", "stderr")], []),
        ([stream("\x1b[31mred\x1b[0m")], [stream("red")]),
        ([display(text_plain="<A at 0x7f00deadbeef>")], [display(text_plain="<A at 0x55c0ffee0000>")]),
        ([display("execute_result", text_plain="1") | {"execution_count": 1}], [display(text_plain="1")]),
        ([display(image_png="AAAA", text_plain="x")], [display(image_png="BBBB", text_plain="y")]),
        (
            [display(image_png="AAAA")],
            [display(**{"image_svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"/>'})],
        ),
        ([error("E", "v", "line 1")], [error("E", "v", "line 2")]),
        ([display(text_html="<b id='T_01abc'>")], [display(text_html="<b id='T_f9876'>")]),
        ([display(text_html="<script>1", text_plain="x")], [display(text_html="<script>2", text_plain="x")]),
    ],
)
def test_what_a_person_would_call_the_same(stored: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    """Pieces, colours, addresses, counts, pictures' bytes, stderr and tracebacks make no difference."""
    assert differences(stored, new) == ()


@pytest.mark.parametrize(
    ("stored", "new", "sentences"),
    [
        ([stream("a")], [stream("b")], ("output 1: text differs",)),
        (
            [stream("a"), display(image_png="AA")],
            [stream("a"), display(data=1)],
            ("output 2: text instead of a picture",),
        ),
        (
            [display(text_html=TABLE, text_plain="1")],
            [display(image_png="AA")],
            ("output 1: a picture instead of a table",),
        ),
        (
            [display(text_html=TABLE, text_plain="1")],
            [display(text_html=TABLE, text_plain="2")],
            ("output 1: table differs",),
        ),
        ([error("A", "x")], [error("B", "x")], ("output 1: another error (B instead of A)",)),
        ([stream("1")], [error("B", "x")], ("output 1: an error instead of text",)),
        ([], [stream("a")], ("1 output more",)),
        ([display(text_latex="x"), stream("b")], [], ("2 outputs fewer",)),
        ([display(text_plain="0xff0000")], [display(text_plain="0x00ff00")], ("output 1: text differs",)),
    ],
)
def test_differences_are_sentences(
    stored: list[dict[str, Any]], new: list[dict[str, Any]], sentences: tuple[str, ...]
) -> None:
    """Another kind, other text or another number of outputs is told with the output's number."""
    assert differences(stored, new) == sentences


def test_same_error_with_another_message_says_so() -> None:
    """The name alone does not tell two errors of one kind apart, so the message is what differs."""
    assert differences([error("E", "a")], [error("E", "b")]) == ("output 1: the error's message differs",)


def test_hostile_outputs_are_compared_too() -> None:
    """What is no output at all is set aside as it is when a notebook is written."""
    assert differences([{"x": 1}, {}], [{"output_type": 3}]) == ()


@pytest.mark.parametrize("mime", ["text/html", " Text/HTML", "image/svg+xml", "text/markdown"])
def test_very_much_markup_is_not_compared(mime: str) -> None:
    """It would hold others up; the person is told that it was not looked at."""
    large = {"output_type": "display_data", "data": {mime: ["<b>x</b>"] * 100_000}, "metadata": {}}
    small = {"output_type": "display_data", "data": {mime: "<b>x</b>"}, "metadata": {}}
    assert differences([large], [small]) == ("too much HTML or SVG to compare",)
    assert differences([small], [large]) == ("too much HTML or SVG to compare",)
