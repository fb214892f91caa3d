"""Whatever cells show, and however much: the work for an answer's pages is small and grows linearly."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bot.discord.format.ansi
import bot.discord.format.final
import bot.discord.format.fitting
import bot.discord.format.markdown
import bot.discord.format.progress
from bot.discord.format.answer import AnswerPage, Draft
from bot.discord.format.attachments import Outgoing, Upload, plan
from bot.discord.format.split import LONGEST, length
from bot.model.view import of_result
from bot.reply import Reply
from bot.terminal.screen import Screen
from kernels.cell.events import Display, Event, Failure, Result, Stream
from kernels.cell.outputs import Outputs
from kernels.notebooks.diff import diff_outputs
from kernels.notebooks.sanitize.outputs import sanitize_outputs
from kernels.text.clipping import strip_ansi
from tests.bot.replies import RESULT, made, printed, shown

MANY = 5000  # more outputs than a cell may have, and files
MIB = 1 << 20
SIZE = MIB // 8  # length of the texts that everything is tried with: a quadratic search in one takes minutes
HANG = 20.0  # seconds of processor time; what is tried here takes about one
CODES = "\x1b[" + "1;" * (MIB // 2) + "m"
TEXTS = {
    "one code": "\x1b[" + "1;" * (SIZE // 2) + "m",
    "codes": "\x1b[m" * (SIZE // 3),
    "colours between backticks": "\x1b[31m`" * (SIZE // 6),
    "open codes": "\x1b[" * (SIZE // 2),
    "open titles": "\x1b]" * (SIZE // 2),
    "backticks": "`" * SIZE,
    "newlines": "\n" * SIZE,
    "fences": "```\n" * (SIZE // 4),
    "fences with languages": ("```" + "a" * 19) * (SIZE // 22),
    "short lines": "x\n" * (SIZE // 2),
    "spaces": " " * SIZE,
    "emoji": "\U0001f600`" * (SIZE // 2),
    "accents": "a" + "\u0301" * SIZE,
    "mentions": "<@" * (SIZE // 2),
    "a name": "<" + "a" * SIZE,
    "figures": "Figure({" * (SIZE // 8),
    "scripts": "<script>" * (SIZE // 8),
    "ends of scripts": "<script></script " * (SIZE // 17),
    "sounds": 'src="data:audio/a;base64,' * (SIZE // 25),
    "tables": "<table><td>" * (SIZE // 11),
}
SMALL: dict[str, Callable[[int], Event]] = {
    "words": lambda number: Display({"text/markdown": f"{number} {'w' * 1000}", "text/plain": "<x>"}),
    "pictures": lambda _: Display({"image/png": "QUJD" * 70}),
    "texts": lambda number: Display({"text/plain": str(number)}),
    "blanks": lambda _: Display({"text/plain": " " * 5000}),
    "codes": lambda _: Display({"text/plain": "\x1b[m" * 300}),
    "errors": lambda _: Failure("E", "e", ("\x1b[31m`\x1b[32mx" * 150,)),
    "formulas": lambda _: Display({"text/latex": "$x$", "text/plain": "<x>"}),
    "tables": lambda _: Display({"text/html": "<table>" + "<td>" * 50, "text/plain": "y\n" * 50}),
    "lists": lambda _: Display({"application/json": list(range(100))}),
    "streams": lambda number: Stream("stdout" if number % 2 else "stderr", "x\n"),
}


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """Fails a test that uses more processor time than anything short of a hang would."""
    began = time.thread_time()
    yield
    assert time.thread_time() - began < HANG


def ways(text: str) -> Iterator[Event]:
    """Every reply that can contain a text."""
    yield Failure("E", "v", (text,))
    yield Stream("stdout", text)
    yield Result({"text/plain": text}, 1)
    yield Display({"text/html": text})
    yield Display({"text/html": f"<table{text}", "text/plain": text})
    for mime in ("text/markdown", "text/html", "text/latex", "image/svg+xml", "image/png"):
        yield Display({mime: text, "text/plain": "<x>"})
    yield Display({"application/json": [text, *range(1000)], "text/plain": "<x>"})


def pages(*events: Event) -> tuple[AnswerPage, AnswerPage, AnswerPage, tuple[Outgoing, ...]]:
    """Makes a live page during the cell and one after it, the final page, and the messages."""
    draft, outputs = Draft(code="x"), Outputs(max_text=MIB, max_shown=64 * MIB)
    for event in events:
        for passed in outputs.add_event(event):
            draft.add_reply(Reply(1, passed))
    running = draft.live_page(now=0.0)()
    draft.add_reply(Reply(1, result=replace(RESULT, outputs=outputs.cells(), output=outputs.text())))
    ended, last = draft.live_page(now=0.0)(), draft.final_page()()
    assert draft.drawings()() is not None
    return running, ended, last, plan(last.parts, last.uploads)


def counting(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[int]:
    """Collects the lengths of the texts that a module's function receives from now on."""
    lengths: list[int] = []
    inner = getattr(module, name)

    def counted(text: str, *args: Any, **kwargs: Any) -> Any:
        lengths.append(len(text))
        return inner(text, *args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return lengths


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_long_text_is_shown(text: str, tmp_path: Path) -> None:
    """In every kind of output: by every front, to the model, and in comparisons."""
    screen = Screen(tmp_path, lambda: "", colour=True)
    for event in ways(text):
        running, ended, last, outgoing = pages(event)
        parts = [*running.parts, *ended.parts, *last.parts, *(message.content for message in outgoing)]
        assert max(map(length, parts)) <= LONGEST
        screen.show(Reply(1, event))
        outputs = Outputs(max_text=MIB, max_shown=64 * MIB)
        outputs.add_event(event)
        told = replace(RESULT, outputs=outputs.cells(), output=outputs.text(), error=strip_ansi(text))
        assert len(of_result(told, ())[0]) < 20_000
        sanitize_outputs(outputs.cells())
        diff_outputs(outputs.cells(), outputs.cells())


@pytest.mark.parametrize("one", SMALL.values(), ids=SMALL)
def test_thousands_of_outputs_are_shown(one: Callable[[int], Event]) -> None:
    """As many of each kind as a kernel can send."""
    running, ended, last, outgoing = pages(*map(one, range(MANY)))
    assert max(map(length, (*running.parts, *ended.parts, *last.parts))) <= LONGEST
    assert len(outgoing) <= 8


@pytest.mark.parametrize("event", [Failure("E", "v", (CODES,)), Result({"text/plain": CODES}, 1)])
def test_what_is_coloured_does_not_grow_with_the_output(
    event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given eight outputs with a megabyte of codes each, a page colours only what it has room for."""
    draft = Draft()
    for _ in range(8):
        draft.add_reply(Reply(1, event))
    coloured = counting(monkeypatch, bot.discord.format.markdown, "coloured")
    draft.live_page(now=0.0)()
    assert sum(coloured) <= 8 * 2 * bot.discord.format.markdown.LOOKED_AT * bot.discord.format.progress.OUTPUT
    coloured.clear()
    draft.final_page()()
    assert sum(coloured) <= bot.discord.format.final.COLOURED


def test_a_short_text_in_endless_codes_goes_without_its_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for its text, but not for a megabyte of codes."""
    coloured = counting(monkeypatch, bot.discord.format.markdown, "coloured")
    draft = Draft()
    draft.add_reply(Reply(1, Display({"text/plain": "\x1b[31m" * (MIB // 5) + "here"})))
    assert "```\nhere\n```" in draft.final_page()().parts[0]
    assert sum(coloured) <= bot.discord.format.final.COLOURED


def test_one_code_changes_the_style_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first of its numbers are read."""
    styles: list[int] = []
    inner = bot.discord.format.ansi._with

    def counted(style: Any, number: int, more: Any) -> Any:
        styles.append(number)
        return inner(style, number, more)

    monkeypatch.setattr(bot.discord.format.ansi, "_with", counted)
    assert bot.discord.format.ansi.coloured(CODES + "x") == "\x1b[0;1mx\x1b[0m"
    assert len(styles) <= bot.discord.format.ansi.NUMBERS


def test_the_live_page_renders_what_it_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last of hundreds of errors, and only the visible part of a text."""
    draft = Draft()
    for number in range(500):
        draft.add_reply(Reply(1, Failure("E", "e", (f"{'x' * 700} {number}",))))
    rendered = counting(monkeypatch, bot.discord.format.progress, "output_block")
    assert "499" in draft.live_page(now=0.0)().parts[0]
    assert len(rendered) <= 4


def test_the_lines_between_head_and_tail_are_counted() -> None:
    """Even if the middle is cut before it is processed."""
    total = 200_000
    draft = Draft()
    draft.add_reply(
        Reply(1, Failure("E", "e", ("\n".join(f"\x1b[3{n % 8}mline {n}" for n in range(total)),)))
    )
    for page in (draft.live_page(now=0.0)(), draft.final_page()()):
        text = strip_ansi(page.parts[0])
        assert "line 0\n" in text
        assert f"line {total - 1}\n" in text
        (missing,) = (row for row in text.split("\n") if "left out" in row)
        kept = sum(row.startswith("line ") for row in text.split("\n"))
        assert missing == f"[… {total - kept:,} lines left out …]"


def test_the_end_of_one_endless_line_is_seen_without_a_torn_code() -> None:
    """Neither the last code of the head nor the first of the tail leaves a fragment."""
    line = "".join(f"\x1b[38;5;{number % 256}m{number % 10}" for number in range(100_000))
    for page in (live_of(line), live_of(f"{CODES}the end"), live_of(f"the start{CODES}")):
        shown_text = strip_ansi(page).replace("```ansi\n", "").replace("```", "")
        assert not {"\x1b", ";", "["} & set(shown_text.replace("[…]", ""))


def live_of(text: str) -> str:
    """The live page of an error, without its last line."""
    draft = Draft()
    draft.add_reply(Reply(1, Failure("E", "e", (text,))))
    return draft.live_page(now=0.0)().parts[0].rpartition("\n")[0]


def test_what_makes_an_answer_fit_grows_with_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many outputs take twice the work: no block is measured again for each other block."""
    work = []
    for count in (100, 200):
        draft = Draft()
        for number in range(count):
            draft.add_reply(
                Reply(1, Display({"text/markdown": f"{number} {'w ' * 500}", "text/plain": "<x>"}))
            )
        with monkeypatch.context() as patched:
            measured = counting(patched, bot.discord.format.fitting, "length")
            divided = counting(patched, bot.discord.format.fitting, "split")
            draft.final_page()()
            work.append(sum(measured) + sum(divided))
    assert work[1] < 3 * work[0]


def test_what_is_too_much_for_an_answer_is_counted_and_its_error_shown() -> None:
    """An answer shows the first outputs of a cell, how many more there are, and how it ended."""
    draft = Draft()
    for number in range(bot.discord.format.final.MOST + 99):
        draft.add_reply(Reply(1, shown(text_latex=f"${number}$", text_plain="<x>")))
    draft.add_reply(Reply(1, Failure("ValueError", "no", ("ValueError: no",))))
    draft.add_reply(Reply(2, shown(text_latex="$x$", text_plain="<x>")))
    page = draft.final_page({("latex", "$x$"): b"the last formula's picture"})()
    whole = "\n".join(page.parts)
    assert "-# … 99 more outputs left out here: `/notebook` has all of them" in whole
    assert "ValueError: no" in whole
    assert [upload.data for upload in page.uploads if upload.name == "picture-1.png"] == [
        b"the last formula's picture"
    ]


def test_thousands_of_files_are_named_and_packed() -> None:
    """All have the same name: each gets its own, and the text says which were sent and which were not."""
    uploads = [Upload(("A.csv", "a.csv", "á.csv")[number % 3], b"x") for number in range(MANY)]
    messages = plan(("text",), uploads)
    assert "Not attached" not in messages[0].content
    assert len(messages) <= 8
    draft = Draft()
    draft.add_reply(Reply(1, result=RESULT, files=tuple(made(f"{n}.csv", f"id{n:08}") for n in range(MANY))))
    assert f"Generated {MANY} file(s)" in draft.final_page()().parts[-1]
    result = replace(RESULT, generated_files=tuple(made(f"{n}.csv") for n in range(MANY)))
    assert len(of_result(result, ())[0]) < 10_000


def test_what_was_told_is_not_looked_for_from_the_end() -> None:
    """An error that nearly equals what was shown, which Python's `rpartition` would compare for minutes."""
    result = replace(RESULT, output="a" * MIB, error="ab" + "a" * (MIB // 2))
    assert of_result(result, ())[0]


def test_a_page_is_of_the_moment_at_which_it_was_asked_for() -> None:
    """A thread makes it while more output arrives."""
    draft = Draft()
    draft.add_reply(Reply(1, printed("one\n")))
    draft.add_reply(Reply(0, words="before"))
    live, last, drawings = draft.live_page(now=0.0), draft.final_page(), draft.drawings()
    draft.add_reply(Reply(0, words="after"))
    draft.add_reply(Reply(1, printed("two\n")))
    draft.add_reply(Reply(1, shown(text_latex="$x$", text_plain="<x>")))
    assert drawings() == ()
    for page in (live(), last()):
        assert "one" in page.parts[0]
        assert "two" not in page.parts[0]
        assert "after" not in page.parts[0]
    assert "two" in draft.live_page(now=0.0)().parts[0]
