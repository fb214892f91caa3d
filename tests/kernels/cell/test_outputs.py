"""A cell's outputs are merged as a notebook merges them, and kept within limits."""

import sys

import pytest

from kernels.cell import outputs as module
from kernels.cell.events import Bundle, ClearOutput, Display, Failure, Result, Stream
from kernels.cell.outputs import Outputs
from kernels.wire.weight import weight

LIMIT = 1000


def folded(*events: object, max_text: int = LIMIT, max_shown: int = 10 * LIMIT) -> Outputs:
    """The outputs of a finished cell."""
    outputs = Outputs(max_text=max_text, max_shown=max_shown)
    for event in events:
        outputs.add_event(event)  # type: ignore[arg-type]
    outputs.close()
    return outputs


def png(data: str, display_id: str | None = None, *, update: bool = False) -> Display:
    """A picture, or at least something labelled as one."""
    return Display({"image/png": data}, {}, display_id, update)


def test_streams_of_one_name_are_one_output() -> None:
    """Pieces of text in a row are one output; another name begins another."""
    cells = folded(Stream("stdout", "a"), Stream("stdout", "b"), Stream("stderr", "c")).cells()
    assert [(cell["name"], cell["text"]) for cell in cells] == [("stdout", "ab"), ("stderr", "c")]


def test_each_kind_is_a_notebook_output() -> None:
    """Displays, results and errors are the dicts of nbformat v4."""
    cells = folded(png("aa"), Result({"text/plain": "2"}, 5), Failure("E", "v", ("t",))).cells()
    assert cells == (
        {"output_type": "display_data", "data": {"image/png": "aa"}, "metadata": {}},
        {"output_type": "execute_result", "execution_count": 5, "data": {"text/plain": "2"}, "metadata": {}},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
    )


def test_nothing_holds_the_text_that_was_clipped() -> None:
    """It has no cost, so neither the shown nor the passed-on value may keep it, wherever the value goes."""
    outputs = Outputs(max_text=LIMIT, max_shown=10 * LIMIT)
    outputs.add_event(Display({"text/plain": "x"}, {}, "x"))
    for event_id, update in (("y", False), ("x", True), ("z", True), (None, True)):
        bundle = Bundle({"text/plain": "head ... tail"})
        bundle.whole = "x" * 5000
        outputs.add_event(Display(bundle, {}, event_id, update))
        assert bundle.whole == ""


def test_clear_output_forgets_at_once() -> None:
    """Without `wait` what was shown is gone, text and pictures alike."""
    assert folded(Stream("stdout", "a"), png("aa"), ClearOutput(wait=False)).cells() == ()


def test_clear_output_that_waits_forgets_with_the_next_output() -> None:
    """With `wait` the old picture stays until a new one comes."""
    events = [png("old"), ClearOutput(wait=True)]
    assert [cell["data"]["image/png"] for cell in folded(*events).cells()] == ["old"]
    assert [cell["data"]["image/png"] for cell in folded(*events, png("new")).cells()] == ["new"]


def test_an_update_replaces_every_display_of_its_id() -> None:
    """`update_display` changes what was shown, and shows nothing new."""
    outputs = folded(png("a", "x"), png("b", "y"), png("c", "x", update=True))
    assert [cell["data"]["image/png"] for cell in outputs.cells()] == ["c", "b"]


def test_an_update_without_an_id_is_for_nothing() -> None:
    """An update without an id does not replace displays without an id."""
    outputs = Outputs(max_text=LIMIT, max_shown=LIMIT)
    outputs.add_event(png("a"))
    assert outputs.add_event(png("b", update=True)) == []
    assert [cell["data"]["image/png"] for cell in outputs.cells()] == ["a"]


def test_an_update_of_an_earlier_cells_display_is_passed_on() -> None:
    """The id is not of this cell, so the update is reported and passed on, for a limited number of ids."""
    outputs = Outputs(max_text=LIMIT, max_shown=1 << 20)
    assert outputs.add_event(png("a", "earlier", update=True)) == [png("a", "earlier", update=True)]
    passed = [
        outputs.add_event(png("a", f"forged {number}", update=True)) for number in range(module.ELSEWHERE * 2)
    ]
    assert sum(map(len, passed)) == module.ELSEWHERE - 1
    outputs.add_event(png("b", "earlier", update=True))
    told = outputs.cells()
    assert len(told) == module.ELSEWHERE
    assert told[0] == {
        "output_type": "update_display_data",
        "data": {"image/png": "b"},
        "metadata": {},
        "transient": {"display_id": "earlier"},
    }
    outputs.add_event(ClearOutput(wait=False))
    assert outputs.cells() == told  # this cell may not clear what an earlier cell shows


def test_a_progress_bar_is_one_moving_line() -> None:
    """tqdm's output is one line in the record, however often it was redrawn."""
    bar = [Stream("stderr", f"\r{percent:3}%|{'#' * (percent // 10):10}|") for percent in range(0, 101, 10)]
    assert folded(*bar, Stream("stderr", "\n")).text() == "100%|##########|\n"


def test_long_text_keeps_head_and_tail() -> None:
    """The head is passed on at once; the tail follows at the end, after a line that says what is missing."""
    outputs = Outputs(max_text=LIMIT, max_shown=LIMIT)
    (first,) = outputs.add_event(Stream("stdout", "a" * 600))
    assert first == Stream("stdout", "a" * (LIMIT // 2))
    assert outputs.add_event(Stream("stdout", "b" * 10_000)) == []
    assert outputs.add_event(Stream("stdout", "end")) == []
    passed = "".join(event.text for event in outputs.close() if isinstance(event, Stream))
    assert "left out" in passed
    assert passed.endswith("bend")
    assert outputs.text() == "a" * (LIMIT // 2) + passed
    assert len(outputs.text()) < LIMIT + 100


def test_text_just_over_half_the_limit_is_whole() -> None:
    """Text that fits into head and tail together is not cut, and nothing says that it was."""
    outputs = folded(Stream("stdout", "a" * 600), Stream("stderr", "b" * 300))
    assert outputs.text() == "a" * 600 + "b" * 300


def test_a_result_comes_through_a_flood_of_text() -> None:
    """The cell's value is shown however much text was printed."""
    outputs = folded(Stream("stdout", "x" * 100_000), Result({"text/plain": "42"}, 1))
    assert "42" in outputs.text()


def test_displays_over_the_cells_limit_are_named() -> None:
    """When a display takes the cell over its limit, a sentence replaces it."""
    outputs = folded(png("a" * 600), png("b" * 600), max_shown=2 * LIMIT)
    first, second = (output["data"] for output in outputs.cells())
    assert first == {"image/png": "a" * 600}
    assert second.keys() == {"text/plain"}
    assert "left out" in outputs.text()


def test_that_displays_are_left_out_is_told_once() -> None:
    """And once more after everything was cleared. The cell's value and error have sentences of their own."""
    events = [png("a" * 600), *[png("b" * 600)] * 5]
    outputs = folded(*events, Result({"image/png": "c" * 600}, 1), max_shown=2 * LIMIT)
    assert outputs.text().count("left out") == 2
    assert len(outputs.cells()) == 3
    assert outputs.add_event(png("b" * 600)) == []
    outputs.add_event(ClearOutput(wait=False))
    assert [len(outputs.add_event(event)) for event in events] == [1, 1, 0, 0, 0, 0]


def test_replaced_and_cleared_displays_give_their_room_back() -> None:
    """A loop that redraws a plot is never over the limit."""
    events = (
        [png("a" * 600, "x")]
        + [png("b" * 600, "x", update=True)] * 5
        + [ClearOutput(wait=True), png("c" * 600)]
    )
    outputs = folded(*events, max_shown=2 * LIMIT)
    assert [output["data"]["image/png"] for output in outputs.cells()] == ["c" * 600]


def test_the_number_of_outputs_is_bounded_and_the_end_is_seen() -> None:
    """Beyond the limit one sentence says so; the cell's result still has its place."""
    events = [Display({"text/plain": str(number)}) for number in range(module.MOST + 50)]
    outputs = folded(*events, Result({"text/plain": "the end"}, 1), max_shown=1 << 20)
    assert len(outputs.cells()) == module.MOST + 2
    assert "further output left out" in outputs.text()
    assert outputs.text().endswith("the end\n")


def test_two_names_in_turn_do_not_multiply() -> None:
    """A cell that writes single characters to both streams in turn holds a bounded number of outputs."""
    events = [Stream(name, "x") for _ in range(3 * module.MOST) for name in ("stdout", "stderr")]
    assert len(folded(*events, max_text=1 << 20).cells()) <= 2 * module.MOST + 1


def test_forged_errors_are_bounded() -> None:
    """A thousand errors forged by a kernel take no more room than the cell may use."""
    outputs = folded(*[Failure("E", "v" * 100, ("t" * 100,))] * 1000)
    assert sum(len(cell["evalue"]) for cell in outputs.cells()) < 3 * module.MOST * 100
    assert len(outputs.text()) < module.MOST * 100


def test_a_line_that_is_redrawn_without_end_is_drawn_for_so_long_only() -> None:
    """Drawing costs time: beyond a multiple of the limit only the last state is drawn, at the end."""
    outputs = Outputs(max_text=LIMIT, max_shown=LIMIT)
    passed = [
        outputs.add_event(Stream("stdout", f"\r{number:09}"))
        for number in range(2 * module.DRAWN * LIMIT // 10)
    ]
    assert passed[0] != []
    assert passed[-1] == []
    outputs.close()
    assert outputs.text().endswith(f"{len(passed) - 1:09}")


def test_text_is_without_colours_and_pictures() -> None:
    """`text` is what a language model or a plain log reads."""
    outputs = folded(Stream("stdout", "\x1b[31mred\x1b[0m"), png("aa"), Result({"text/plain": "2"}, 1))
    assert outputs.text() == "red\n2\n"


FLOODS = [
    "\n" * 64 + "x" * 4090 + "\x1b[Ay" * 63,
    "x" * 4000 + "\x1b[2Ky" * 100,
    "a\r" * 1000,
    "ab\b" * 1000,
    "\n" * 1000,
    "\x1b[1ma\r" * 1000,
]


@pytest.mark.parametrize("text", FLOODS)
@pytest.mark.parametrize("names", [("stdout",), ("stdout", "stderr")])
def test_no_text_is_drawn_to_more_than_the_limit(text: str, names: tuple[str, ...]) -> None:
    """4 KB of cursor movements and text, repeated, took 34 MB under a limit of 1 MiB."""
    limit = 1 << 18
    outputs = Outputs(max_text=limit, max_shown=LIMIT)
    for number in range(3 * limit // len(text)):
        outputs.add_event(Stream(names[number % len(names)], text))
    outputs.close()
    assert len(outputs.text()) < 1.5 * limit


def test_many_displays_of_one_id_are_updated_at_the_cost_of_one() -> None:
    """An update's size is worked out once, and counted for each display."""
    outputs = Outputs(max_text=LIMIT, max_shown=1 << 20)
    for _ in range(module.MOST):
        outputs.add_event(png("a", "same"))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    large = Display({"application/json": [[]] * 1000}, {}, "same", update=True)
    sys.setprofile(count)
    outputs.add_event(large)
    sys.setprofile(None)
    assert calls < 100 * module.MOST
    assert weight(list(outputs.cells())) < 3 << 20


def test_the_text_of_many_displays_has_a_limit() -> None:
    """All displays together may hold as much text as may be printed, and each keeps some of its own."""
    outputs = folded(
        *(Display({"text/plain": f"{number} {'x' * 10_000}"}) for number in range(100)),
        max_text=50_000,
        max_shown=64 << 20,
    )
    text = outputs.text()
    assert len(text) < 50_000 + 100 * (module.SHORT + 100)
    assert all(f"\n{number} x" in f"\n{text}" for number in range(100))


def test_updates_find_their_displays_after_a_clear() -> None:
    """An id leads to every display that has it now, and to none from before the clear."""
    one = Display({"text/plain": "one"}, {}, "id")
    new = Display({"text/plain": "new"}, {}, "id", update=True)
    outputs = folded(
        one, Display({"text/plain": "other"}), one, ClearOutput(wait=False), Display({}), one, one, new
    )
    assert [cell["data"].get("text/plain") for cell in outputs.cells()] == [None, "new", "new"]
