from typing import Any

import pytest

from kernels.notebooks.diff import diff_outputs

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
        ([error("E", "<A at 0x1f>")], [error("E", "<A at 0x2f>")]),
        ([stream("a\r\nb\r\n")], [stream("a\nb\n")]),
        ([stream("  0%\r 50%\r100%\n")], [stream("100%\n")]),
        ([stream(" 9"), stream("\b\b10"), stream("\n")], [stream("10\n")]),
        ([stream("a  \nb\n\n")], [stream("a\nb")]),
        ([stream("100%|#| 3/3 [00:00<00:00, 75.1it/s]")], [stream("100%|#| 3/3 [00:02<00:00,  1.5it/s]")]),
        (
            [stream("CPU times: user 2 μs, sys: 0 ns, total: 2 μs\nWall time: 5.01 μs\n")],
            [stream("CPU times: user 1.5 s, sys: 3 ms, total: 2 s\nWall time: 2 s\n")],
        ),
        (
            [stream("741 ns ± 0 ns per loop (mean ± std. dev. of 1 run, 1 loop each)\n")],
            [stream("1.2 µs ± 3.5 ns per loop (mean ± std. dev. of 1 run, 1 loop each)\n")],
        ),
        ([stream("/tmp/ipykernel_27220/777851302.py:1: w")], [stream("/tmp/ipykernel_9/12.py:1: w")]),
        (
            [display(text_html="<b>x</b><script>1</script>", text_plain="x")],
            [display(text_html="<b>x</b>", text_plain="x")],
        ),
        ([display(application_javascript="1", text_plain="x")], [display(text_plain="x")]),
        ([display(text_html="<b id='T_01abc'>")], [display(text_html="<b id='T_f9876'>")]),
        ([display(text_html="<script>1", text_plain="x")], [display(text_html="<script>2", text_plain="x")]),
    ],
)
def test_what_a_person_would_call_the_same(stored: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    """Splits, colours, addresses, counts, picture bytes, stderr and tracebacks make no difference."""
    assert diff_outputs(stored, new) == ()


@pytest.mark.parametrize(
    ("stored", "new", "sentences"),
    [
        ([stream("a")], [stream("b")], ('output 1: text differs: "b" instead of "a"',)),
        (
            [stream("x\r\nloss 0.5\n")],
            [stream("x\nloss 0.25\n")],
            ('output 1: text differs: only numbers: line 2 is "loss 0.25" instead of "loss 0.5"',),
        ),
        (
            [stream("done in 3 s")],
            [stream("done in 12.5 ms")],
            ('output 1: text differs: only times: "done in 12.5 ms" instead of "done in 3 s"',),
        ),
        (
            [stream("at 2024-01-01 10:00")],
            [stream("at 2026-11-30 09:59")],
            ('output 1: text differs: only times: "at 2026-11-30 09:59" instead of "at 2024-01-01 10:00"',),
        ),
        (
            [stream("a  b")],
            [stream("a b")],
            ('output 1: text differs: only spaces: "a b" instead of "a  b"',),
        ),
        ([stream("a\nb")], [stream("a")], ("output 1: text differs: 1 line fewer",)),
        ([stream("a")], [stream("a\nb\nc")], ("output 1: text differs: 2 lines more",)),
        (
            [stream(f"{'x' * 900}a{'y' * 900}")],
            [stream(f"{'x' * 900}b{'y' * 900}")],
            (f'output 1: text differs: "…{"x" * 30}b{"y" * 29}" instead of "…{"x" * 30}a{"y" * 29}"',),
        ),
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
            ('output 1: table differs: only numbers: "2" instead of "1"',),
        ),
        ([error("A", "x")], [error("B", "x")], ("output 1: another error (B instead of A)",)),
        ([error("A\nb", "x")], [error("B\x1b", "x")], ("output 1: another error (B_ instead of A_b)",)),
        ([stream("1")], [error("B", "x")], ("output 1: an error instead of text",)),
        ([], [stream("a")], ("1 output more",)),
        ([display(text_latex="x"), stream("b")], [], ("2 outputs fewer",)),
        (
            [display(text_plain="0xff0000")],
            [display(text_plain="0x00ff00")],
            ('output 1: text differs: "0x00ff00" instead of "0xff0000"',),
        ),
    ],
)
def test_differences_are_sentences(
    stored: list[dict[str, Any]], new: list[dict[str, Any]], sentences: tuple[str, ...]
) -> None:
    """A different kind, text or number of outputs is reported with the output's number."""
    assert diff_outputs(stored, new) == sentences


def test_same_error_with_another_message_says_so() -> None:
    """The name alone does not distinguish two errors of one kind, so the message is what differs."""
    assert diff_outputs([error("E", "a")], [error("E", "b")]) == (
        'output 1: the error\'s message differs: "E: b" instead of "E: a"',
    )


def test_hostile_outputs_are_compared_too() -> None:
    """Anything that is no output at all is set aside, as it is when a notebook is written."""
    assert diff_outputs([{"x": 1}, {}], [{"output_type": 3}]) == ()


@pytest.mark.parametrize("mime", ["text/html", " Text/HTML", "image/svg+xml", "text/markdown"])
def test_very_much_markup_is_not_compared(mime: str) -> None:
    """It would delay others; the person is told that it was not compared."""
    large = {"output_type": "display_data", "data": {mime: ["<b>x</b>"] * 100_000}, "metadata": {}}
    small = {"output_type": "display_data", "data": {mime: "<b>x</b>"}, "metadata": {}}
    assert diff_outputs([large], [small]) == ("too much HTML or SVG to compare",)
    assert diff_outputs([small], [large]) == ("too much HTML or SVG to compare",)


@pytest.mark.parametrize(
    "unit", ["\r", "\b", "1\b", "\x1b[A\n", "1:", "0x7", "1.", "[1<1, ", "at 0x", "\x1b[31m"]
)
def test_text_of_any_kind_is_compared_in_a_time_that_its_length_bounds(unit: str) -> None:
    """Long and short texts that move the cursor, or that look like times and addresses."""
    for size in (1 << 14, 1 << 15):
        text = unit * (size // len(unit) - 1)
        diff_outputs([stream(text)], [stream(text + "x")])


def test_very_long_text_is_compared_as_far_as_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts alike up to the limit are the same if identical; otherwise they are too long to be compared."""
    monkeypatch.setattr("kernels.notebooks.text_diff.MOST", 1 << 12)
    text = "0123456789\n" * 1000
    assert diff_outputs([stream(text)], [stream(text)]) == ()
    (told,) = diff_outputs([stream(text)], [stream(text + "x")])
    assert told == "output 1: text differs: it is too long to be compared"
    (told,) = diff_outputs([stream(text)], [stream("x" + text)])
    assert told.startswith('output 1: text differs: line 1 is "x0123456789"')
