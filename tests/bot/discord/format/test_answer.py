"""What a turn looks like in chat: the live message, and the final state."""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bot.discord.format.answer import AnswerPage, Draft
from bot.discord.format.entries import CellEntry
from bot.discord.format.final import Drawn
from bot.discord.format.progress import end_live_text
from bot.discord.format.split import length
from bot.reply import Reply, TurnUsage
from kernels.cell.events import (
    ClearOutput,
    Display,
    Event,
    Failure,
    InputRequest,
    Queued,
    Restarted,
    Result,
    Unstopped,
)
from kernels.text.clipping import left_out
from kernels.workspace.captured import Skipped
from tests.bot.discord.format.test_markdown import acted_on
from tests.bot.replies import RESULT, cell, made, printed, shown
from tests.bot.scratch.markups import SQUARE, TABLE

PICTURE = base64.b64encode(b"\x89PNG picture").decode()


def draft(replies: Iterable[Reply], code: str | None = None) -> Draft:
    """A draft that has been given all of these."""
    made = Draft(code=code, plotly_script=lambda: "SCRIPT")
    for reply in replies:
        made.add_reply(reply)
    return made


def live(replies: Iterable[Reply], code: str | None = None) -> str:
    """The text of the live message."""
    (text,) = draft(replies, code).live_page(now=0)().parts
    return text


def final(replies: Iterable[Reply], drawn: Drawn | None = None) -> AnswerPage:
    """The final state."""
    return draft(replies).final_page(drawn)()


def running(*events: Event) -> list[Reply]:
    """The replies of a cell that is still running."""
    return [Reply(1, event) for event in events]


def test_an_asked_turn_shows_words_code_and_outputs_in_order() -> None:
    """Words stream in, with the model's code and its output between them, both live and at the end."""
    replies = [
        Reply(0, words="Let me "),
        Reply(0, words="look."),
        Reply(1, code="print(6 * 7)"),
        *cell([printed("42\n")]),
        Reply(0, words="It is **42**."),
    ]
    text = "Let me look.\n```py\nprint(6 * 7)\n```\n```\n42\n```\nIt is **42**."
    assert live(replies) == f"{text}\n-# Writing …"
    usage = TurnUsage(1200, 34, 0.0042, 1.25, "small")
    assert final([*replies, Reply(0, usage=usage)]).parts == (
        f"{text}\n-# 1.2 s · 84 MB · 1,200 + 34 tokens · $0.0042 · small",
    )


def test_typed_code_is_shown_before_anything_happens() -> None:
    """The message says from the start what is running, and later for how long."""
    started = Draft(code="x = 1\n" * 40)
    (text,) = started.live_page(now=5)().parts
    assert text == "```py\n" + "x = 1\n" * 14 + "# … 26 more lines\n```\n-# Running …"
    assert started.live_page(now=28)().parts[0].endswith("-# Running … 20 s")
    assert Draft().live_page(now=0)().parts == ("-# Thinking …",)
    assert live(running(Queued(2)), "x").endswith("-# Waiting: 2 before this one.")


def test_a_place_in_line_is_said_once_and_then_rarely() -> None:
    """Each cell that ends moves up all who wait: shown once a minute, but at once when their turn comes."""
    waiting = Draft()
    told = []
    for seconds, position in enumerate(range(90, -1, -1)):
        waiting.add_reply(Reply(1, Queued(position)))
        told.append(waiting.live_page(now=100.0 + seconds)().parts[0])
    assert told[:60] == ["-# Waiting: 90 before this one."] * 60
    assert told[60:90] == ["-# Waiting: 30 before this one."] * 30
    assert told[90] == "-# Running … 1 min 30 s"


def test_output_moves() -> None:
    """A progress bar is one line, cleared output is gone, and of long output the end is shown."""
    assert "```\n90%\n```" in live(running(printed("10%\r", "stderr"), printed("90%\r", "stderr")))
    cleared = live(running(printed("old\n"), ClearOutput(wait=True), printed("new\n")))
    assert "old" not in cleared
    assert "new" in cleared
    long = live(running(printed("".join(f"line {n}\n" for n in range(5000)))))
    assert "line 4999\n```" in long
    assert "line 3\n" not in long
    assert len(long) <= 2000


@pytest.mark.parametrize("start", ["```py\n", "Look:\n```py\n"])
@pytest.mark.parametrize("end", ["", "```\nDone."])
def test_the_end_of_long_words_is_seen_whatever_they_start_with(start: str, end: str) -> None:
    """Code that a model is writing also shows its end, within a complete fence."""
    code = "".join(f"line_{n} = {n}\n" for n in range(400))
    text = live([Reply(0, words=start + code + end)])
    assert re.fullmatch(r"```\n…line_\d+ = \d+\n(?s:.*)line_399 = 399\n```(\nDone\.)?\n-# Writing …", text)
    assert text.count("```") == 2
    assert ("Done." in text) == bool(end)
    assert 1900 < len(text) <= 2000


def test_a_plot_is_a_picture_at_the_end_and_a_line_before() -> None:
    """Announced while live; the final state has its bytes, and marks places only if there are several."""
    replies = cell([shown(image_png=PICTURE, text_plain="<Figure size 640x480>")])
    assert "[a picture, shown at the end]" in live(replies[:1])
    page = final(replies)
    assert [(upload.name, upload.data) for upload in page.uploads] == [("picture-1.png", b"\x89PNG picture")]
    assert page.parts == ("-# 1.2 s · 84 MB",)
    two = final(cell([shown(image_png=PICTURE), printed("between\n"), shown(image_jpeg=PICTURE)]))
    assert two.parts == ("-# ↳ `picture-1.png`\n```\nbetween\n```\n-# ↳ `picture-2.jpg`\n-# 1.2 s · 84 MB",)


@pytest.mark.parametrize(
    ("bundle", "kind"),
    [
        ({"text_html": TABLE, "text_plain": "x" * 90}, "table"),
        ({"text_html": TABLE, "text_plain": "<pandas.io.formats.style.Styler at 0x7f>"}, "table"),
        ({"text_latex": "$x^2$", "text_plain": "x**2"}, "latex"),
        ({"image_svg_xml": SQUARE, "text_plain": "<IPython.core.display.SVG object>"}, "svg"),
    ],
)
def test_what_must_be_drawn_is_told_and_shown_drawn(bundle: dict[str, str], kind: str) -> None:
    """`drawings` names it, and what was drawn is sent as a picture."""
    replies = cell([printed("before\n"), shown(**bundle)])
    (item,) = draft(replies).drawings()()
    assert (item.key, item.kind) == (0, kind)
    page = final(replies, {(kind, item.source): b"PNG"})
    assert [(upload.name, upload.data) for upload in page.uploads] == [("picture-1.png", b"PNG")]


@pytest.mark.parametrize(
    ("bundle", "text", "uploads"),
    [
        ({"text_html": TABLE, "text_plain": "wide " * 20}, "```\n" + ("wide " * 20).strip() + "\n```", []),
        ({"text_html": TABLE, "text_plain": "<x at 0x7f>"}, "This table could not be drawn", ["page-1.html"]),
        ({"text_latex": "$$x^2$$", "text_plain": "x**2"}, "```latex\nx^2\n```", []),
        ({"image_svg_xml": SQUARE}, "This svg could not be drawn", ["drawing-1.svg"]),
        (
            {"image_svg_xml": '<svg xmlns="http://www.w3.org/2000/svg" onload="steal()"/>'},
            "This svg could not be drawn",
            ["drawing-1.svg.txt"],
        ),
    ],
)
def test_what_could_not_be_drawn_is_shown_another_way(
    bundle: dict[str, str], text: str, uploads: list[str]
) -> None:
    """As source or text, in a fence or as a file, with a sentence."""
    page = final(cell([shown(**bundle)]))
    assert text in page.parts[0]
    assert [upload.name for upload in page.uploads] == uploads


def test_a_narrow_table_is_text() -> None:
    """A table that fits in a narrow block needs no picture."""
    table = "   a  b\n0  1  2"
    made = draft(cell([Result({"text/html": TABLE, "text/plain": table}, 1)]))
    assert made.drawings()() == ()
    assert made.final_page()().parts[0].startswith(f"```\n{table}\n```")


def test_sound_page_figure_and_words_go_as_what_they_are() -> None:
    """HTML, audio and plotly are files, Markdown is its source in a block."""
    sound = '<audio><source src="data:audio/wav;base64,UklGRg==" type="audio/wav"></audio>'
    figure = {"data": [], "layout": {}}
    events = [
        shown(text_html=sound, text_plain="<IPython.lib.display.Audio object>"),
        shown(text_html="<b>hi</b>", text_plain="<IPython.core.display.HTML object>"),
        shown(**{"application_vnd.plotly.v1+json": figure}),
        shown(text_markdown="**bold**", text_plain="<IPython.core.display.Markdown object>"),
    ]
    page = final(cell(events))
    assert [upload.name for upload in page.uploads] == ["sound-1.wav", "page-1.html", "page-2.html"]
    assert b"SCRIPT" in page.uploads[2].data
    assert "```md\n**bold**\n```" in page.parts[0]
    without = Draft()
    for reply in cell(events[2:3]):
        without.add_reply(reply)
    assert "`/notebook` has it" in without.final_page()().parts[0]


@pytest.mark.parametrize(
    "text",
    [
        "**Asks for a password:** [here](https://evil.example) @everyone <@1> </run:1> <t:0:R>",
        "```",
        "``````\n",
        "`",
        "``",
        "# head\n-# small\n> quote\n||s",
    ],
)
def test_markdown_of_a_cell_is_code_and_opens_nothing(text: str) -> None:
    """Nobody can mistake it for the bot's words, and the output after it stays in its block."""
    events = [shown(text_markdown=text), printed("[OUTPUT](https://evil.example) ` ``")]
    for page in (live(running(*events)), "\n".join(final(cell(events)).parts)):
        left = acted_on(page)
        for acting in ("evil", "everyone", "OUTPUT", "head", "small", "quote", "|"):
            assert acting not in left
    long = final(cell([shown(text_markdown=f"{text}\n" * 9000)]))
    assert "evil" not in acted_on("\n".join(long.parts))
    assert long.uploads[0].data.decode().startswith(text)


def test_output_stays_code_below_words_that_leave_code_open() -> None:
    """The model's words are Markdown; a fence left open in them does not affect what follows."""
    for words in ("```", "so `", "``````", "```\n```"):
        replies = [Reply(0, words=words), *cell([printed("[OUTPUT](https://evil.example) `")])]
        for page in (live(replies), final(replies).parts[0]):
            assert "OUTPUT" not in acted_on(page)


def test_script_alone_is_not_mentioned() -> None:
    """What plotly sends before its first figure shows nothing; the text around it stays in one piece."""
    bundle = shown(text_html="<script>draw()</script>")
    alone = final(cell([bundle]))
    assert alone.uploads == ()
    assert alone.parts[0].startswith("-# Done: no output.\n")
    around = final(cell([printed("one\n"), bundle, printed("two\n")]))
    assert "```\none\ntwo\n```" in around.parts[0]


def test_an_error_is_an_ansi_block_of_its_own_frames() -> None:
    """IPython's colours become Discord's, the ruler is removed, and even the longest traceback fits."""
    lines = ("\x1b[31m" + "-" * 75 + "\x1b[39m", "\x1b[38;5;28;01mValueError\x1b[39;00m: no ```")
    page = final(cell([Failure("ValueError", "no", lines)], status="error", return_code=1))
    assert page.parts[0].startswith("```ansi\n\x1b[0;1;32mValueError\x1b[0m: no `\u200b`\u200b`\n```\n-# ")
    long = final(cell([Failure("E", "", ("\x1b[31mframe\x1b[0m " * 9,) * 400)], status="error"))
    assert len(long.parts) == 1
    assert "lines left out" in long.parts[0]


def test_a_question_is_shown_until_it_is_answered() -> None:
    """The live message ends with the prompt; for a password it adds that the answer is not shown."""
    asked = draft(running(printed("hello\n"), InputRequest("Your *name*? ", False)))
    assert asked.question == InputRequest("Your *name*? ", False)
    assert asked.live_page(now=0)().parts[0].endswith("**Asks:** Your \\*name\\*?")
    asked.question = None
    assert asked.live_page(now=0)().parts[0].endswith("-# Running …")
    secret = draft(running(InputRequest("PIN: ", True)))
    assert "**Asks for a password:** PIN:" in secret.live_page(now=0)().parts[0]
    assert "never shown or stored" in secret.live_page(now=0)().parts[0]
    secret.add_reply(Reply(1, printed("thanks\n")))
    assert secret.question is None


def test_a_cell_that_does_not_stop_is_asked_about_until_it_is_decided_or_over() -> None:
    """Later output does not remove the question; names cannot ping; the final state does not contain it."""
    unstopped = Unstopped(("@everyone", "d*f"), limited=True, asks=False)
    asked = draft(running(InputRequest("who? ", False), unstopped, printed("more\n")))
    assert (asked.unstopped, asked.question) == (unstopped, None)  # the stop has ended the `input()`
    told = asked.live_page(now=0)().parts[0].rpartition("```\n")[2]
    assert told == (
        "**The cell does not stop.** Wait for it, or kill it? Killing its kernel loses \\@everyone, d\\*f,"
        " and whatever this cell has defined; your files stay."
        "\n-# Without an answer it goes on, and is killed when its time is up."
    )
    asked.unstopped = None
    assert asked.live_page(now=0)().parts[0].endswith("-# Running …")
    asked.add_reply(Reply(1, unstopped))
    asked.add_reply(Reply(1, result=RESULT))
    assert asked.unstopped is None
    assert "does not stop" not in asked.final_page()().parts[0]


def test_a_cell_that_asks_and_does_not_stop_shows_both() -> None:
    """In whichever order they come; each disappears on its own."""
    question, unstopped = InputRequest("really? ", False), Unstopped((), limited=False, asks=True)
    for events in ((question, unstopped), (structs.replace(unstopped, asks=False), question)):
        asked = draft(running(*events))
        assert asked.question == question
        text = asked.live_page(now=0)().parts[0]
        assert text.startswith("**Asks:** really?\n**The cell does not stop.**")
        assert text.endswith("-# Without an answer it goes on until it ends.")
        asked.question = None
        assert asked.live_page(now=0)().parts[0].startswith("**The cell does not stop.**")


def test_files_are_summed_up_and_what_was_left_out_has_its_reason() -> None:
    """Id, type, size and time left; ten are named; names cannot ping; the page has all of them to send."""
    files = tuple(made(f"f{n}.csv", f"abcdefgh{n:02}") for n in range(12))
    page = final(
        cell([], files=(made("a`b @everyone.csv"), *files), skipped=(Skipped("big.bin", "over *it*"),))
    )
    lines = page.parts[0].split("\n")
    assert lines[0] == "**Generated 13 file(s)**"
    assert lines[1] == "- `aˋb @everyone.csv` · data · 2 KB · `k7m3q9x2va` · expires <t:1796083200:R>"
    assert lines[11] == "-# … and 3 more: `/files` lists them"
    assert "-# not kept: `big.bin`: over \\*it\\*" in lines
    assert len(page.files) == 13
    twice = final([*cell([], files=files), *cell([], 2, files=files[:1])])
    assert twice.files == files


def test_a_record_that_waits_is_said_below_the_output() -> None:
    """So that a person who misses the cell in their notebook knows why."""
    (text,) = final(cell([printed("x\n")], unrecorded="Not recorded yet: the disk is full.")).parts
    assert text.startswith("```\nx\n```\n-# Not recorded yet: the disk is full.\n")


def test_how_it_ended_and_what_was_lost_is_said() -> None:
    """Endings and restarts have their sentences; a turn that showed nothing says so."""
    timeout = final(cell([printed("x\n")], status="timeout", cause="deadline")).parts[0]
    assert timeout == "```\nx\n```\n**Stopped: the cell ran out of time.**\n-# 1.2 s · 84 MB"
    lost = Restarted("it died", (), ("df", "my_list"))
    died = final(cell([printed("x\n"), lost], status="died", return_code=-9)).parts[0]
    assert died.index("x") < died.index("The kernel died") < died.index("Fresh kernel")
    assert "Lost: df, my\\_list" in final(cell([lost])).parts[0]
    resumed = Reply(1, result=cell([], lost=("df",), status="died", return_code=-9)[-1].result)
    assert "**The kernel died (signal 9).**" in final([resumed]).parts[0]
    assert "Lost: df." in final([resumed]).parts[0]
    in_cell = cell([], lost=(), unnamed=True, status="died", return_code=-9)[-1].result
    assert "Lost: whatever the cell that was running" in final([Reply(1, result=in_cell)]).parts[0]
    assert final(cell([])).parts == ("-# Done: no output.\n-# 1.2 s · 84 MB",)


def test_a_resumed_turn_shows_what_its_record_has() -> None:
    """Events that an earlier program received are in the result."""
    replies = cell([printed("before\n"), printed("after\n")])
    assert "before\nafter" in final(replies[1:]).parts[0]


def test_what_comes_later_stands_apart() -> None:
    """Output that a thread prints after its cell has ended is marked as late."""
    page = final([*cell([printed("now\n")]), Reply(1, printed("then\n"), late=True)])
    assert page.parts[0].startswith("```\nnow\n```\n-# Later, from cell 1:\n```\nthen\n```")


def test_a_sentence_of_the_front_ends_the_text() -> None:
    """The failure is reported below what was shown."""
    page = draft(running(printed("some\n"))).final_page(note="the *database* cannot be reached")()
    assert page.parts == ("```\nsome\n```\nthe \\*database\\* cannot be reached",)


def test_long_output_goes_in_up_to_four_messages_and_beyond_in_a_file() -> None:
    """Either the messages hold all of it, or a file does and its first lines are shown."""
    lines = [f"line {n}" for n in range(700)]
    page = final(cell([printed("\n".join(lines))]))
    assert 1 < len(page.parts) <= 4
    assert page.uploads == ()
    assert [line for part in page.parts for line in part.split("\n") if line.startswith("line ")] == lines
    lines = [f"line {n} ```" for n in range(7000)]
    page = final(cell([printed("\x1b[31mred\x1b[0m\n" + "\n".join(lines))], files=(made("a.csv"),)))
    assert len(page.parts) == 1
    assert "line 0" in page.parts[0]
    assert "`output-1.txt`" in page.parts[0]
    assert "Generated 1 file(s)" in page.parts[0]
    (upload,) = page.uploads
    assert upload.data.decode() == "red\n" + "\n".join(lines)


def test_a_file_that_has_not_all_of_a_text_says_so() -> None:
    """A cell's record is only a part, and labelled so; a stored file with all of it is named instead."""
    cut = printed("begin\n" + "x\n" * 9000 + left_out(5000) + "x\n" * 9000)
    page = final(cell([cut]))
    (upload,) = page.uploads
    assert upload.name == "output-1-part.txt"
    assert b"text left out" in upload.data
    assert "-# … what was kept of it is in `output-1-part.txt`" in page.parts[0]
    assert "all of it" not in page.parts[0]
    for name, what in (("output-7.txt", "all of it"), ("output-7-part.txt", "what was kept of it")):
        stored = made(name, size=3 << 20)
        page = final(cell([cut], files=(stored,), text_file=name))
        assert (page.uploads, page.files) == ((), (stored,))
        assert f"-# … {what} is in `{name}` (3 MB)" in page.parts[0]
        assert "begin" in page.parts[0]
    page = final(cell([cut], text_file="output-7.txt"))  # it could not be stored
    assert [upload.name for upload in page.uploads] == ["output-1-part.txt"]


def test_a_file_that_a_cell_shows_is_sent_once() -> None:
    """`Image("plot.png")` has the same bytes as an attached file; another picture of that size has not."""
    data = base64.b64decode(PICTURE)
    saved = made("plot.png", size=len(data))
    same = replace(saved, record=replace(saved.record, sha256=hashlib.sha256(data).hexdigest()))
    assert final(cell([shown(image_png=PICTURE)], files=(same,))).uploads == ()
    (upload,) = final(cell([shown(image_png=PICTURE)], files=(saved,))).uploads
    assert upload.data == data


def test_the_file_of_a_whole_answer_has_all_of_it() -> None:
    """Including code and errors of which the message shows only the first lines."""
    replies: list[Reply] = []
    for number in range(1, 30):
        replies.append(Reply(number, code="\n".join(f"code_{number}_{line}" for line in range(40))))
        replies += cell([Failure("E", "v", tuple(f"frame {number} {line}" for line in range(99)))], number)
    (upload,) = final(replies).uploads
    text = upload.data.decode()
    assert upload.name == "answer.md"
    for number in range(1, 30):
        assert f"code_{number}_39" in text
        assert f"frame {number} 50\n" in text
    cut = printed("x" * 50 + left_out(50))
    assert final([*replies, *cell([cut], 30)]).uploads[0].name == "answer-part.md"


def test_a_picture_that_was_saved_as_it_is_shown_is_sent_once() -> None:
    """The file is attached under its own name; one too large to attach does not replace the picture."""
    plot = Display({"image/png": PICTURE, "text/plain": "<Figure>"}, {"files": ["plots/a.png"]})
    saved = made("plots/a.png")
    page = final(cell([plot], files=(saved,)))
    assert (page.uploads, page.files) == ((), (saved,))
    assert "Generated 1 file(s)" in page.parts[0]
    page = final(cell([plot, shown(image_png=PICTURE), plot], files=(saved,)))
    assert [upload.name for upload in page.uploads] == ["picture-1.png"]
    marks = [line for line in page.parts[0].split("\n") if line.startswith("-# ↳")]
    assert marks == ["-# ↳ `plots/a.png`", "-# ↳ `picture-1.png`", "-# ↳ `plots/a.png`"]
    for files in ((), (made("b.png"),), (made("plots/a.png", size=20 << 20),)):
        assert [upload.name for upload in final(cell([plot], files=files)).uploads] == ["picture-1.png"]


def test_endless_words_are_in_a_file_too() -> None:
    """If a model does not stop, its whole answer goes into a file, and the receipt is still shown."""
    words = "".join(f"word {n} " for n in range(5000))
    page = final([Reply(0, words=words), Reply(0, usage=TurnUsage(1, 2, None, 0.0, "m"))])
    assert len(page.parts) <= 4
    assert page.parts[-1].endswith("-# 1 + 2 tokens · m")
    assert page.uploads[-1].data.decode() == words.strip()


EVENTS = st.one_of(
    st.builds(printed, st.text("ab `\n\r\x1b[31m", max_size=300)),
    st.builds(printed, st.integers(0, 3000).map(lambda count: "x`\n" * count)),
    st.builds(lambda text: shown(text_markdown=text), st.text("*`\n<@1>", max_size=200)),
    st.builds(lambda text: Failure("E", text, (text,)), st.text("ab `\x1b[0m\n", max_size=400)),
    st.just(ClearOutput(wait=False)),
    st.just(InputRequest("```", False)),
    st.just(shown(image_png=PICTURE)),
    st.just(Restarted("```", (), ("`a`",))),
)
STEPS = st.one_of(
    st.builds(lambda text: [Reply(0, words=text)], st.text("word `\n", max_size=900)),
    st.builds(lambda count: [Reply(0, words="```py\n" + "code()\n" * count)], st.integers(0, 900)),
    st.builds(cell, st.lists(EVENTS, max_size=5), st.integers(1, 3)),
    st.builds(lambda events: running(*events), st.lists(EVENTS, max_size=4)),
    st.builds(lambda text: [Reply(2, code=text)], st.text("x = `\n", max_size=900)),
)


@given(st.lists(STEPS, max_size=6))
def test_no_turn_breaks_a_message(steps: list[list[Reply]]) -> None:
    """Whatever happens: one live message, at most four final ones, within the limit, with complete fences."""
    made = draft(reply for step in steps for reply in step)
    (text,) = made.live_page(now=0)().parts
    parts = made.final_page()().parts
    assert 1 <= len(parts) <= 4
    for part in (text, *parts):
        assert length(part) <= 2000
        assert part.count("```") % 2 == 0


def test_an_answer_of_many_cells_holds_what_one_may_show() -> None:
    """The first cells are shown in full, and a line says that the others are in the notebook."""
    picture = {"output_type": "display_data", "data": {"image/png": "x" * (20 << 20)}, "metadata": {}}
    held, cells = 0, [CellEntry(number) for number in range(20)]
    for one in cells:
        held += one.add_result(replace(RESULT, outputs=(picture,)), held)
    assert held <= 64 << 20
    assert len(cells[0].snapshot().pieces()) == 1
    assert "the notebook has it" in str(cells[-1].snapshot().pieces())


def test_a_page_that_nobody_goes_on_with_keeps_its_words_and_says_so() -> None:
    """The note replaces the progress line, and the message is no longer than Discord accepts."""
    assert end_live_text("It was\n-# Writing … 20 s", "Ask again.") == "It was\n-# Ask again."
    assert end_live_text("-# Thinking …", "Ask again.") == "-# Ask again."
    assert end_live_text("no status", "Ask again.") == "no status\n-# Ask again."
    undecided = draft([Reply(0, words="It was"), *running(Unstopped(("x",), limited=True, asks=False))])
    assert end_live_text(undecided.live_page(now=0)().parts[0], "Ask again.") == "It was\n-# Ask again."
    long = end_live_text("word " * 399 + "\n-# Writing …", "Ask again." * 20)
    assert len(long) <= 2000
    assert long.endswith("Ask again.")
