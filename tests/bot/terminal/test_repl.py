"""A person at the keyboard, through the pipe that prompt_toolkit has for tests."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

from bot.compose import compose
from bot.errors import NotText
from bot.reply import Reply
from bot.sessions import Sessions
from bot.terminal import program, standard_input
from bot.terminal.commands import variable_name
from bot.terminal.keyboard import Keyboard, finished
from bot.terminal.prose import is_prose
from bot.terminal.repl import Repl
from bot.terminal.screen import Screen, time_left
from bot.wording.error_messages import sentence
from config.settings import load
from kernels.cell.events import ClearOutput, Display, Failure, Queued, Restarted, Stream
from kernels.errors import KernelStartFailed
from kernels.wire.sizes import LARGEST_CODE
from kernels.workspace.captured import Skipped
from tests.bot.replies import made
from tests.model_server import Fault, ModelServer, calls, run_python, says
from tests.program import Program

ENTER, CTRL_D = "\r", "\x04"


async def talk(sessions: Sessions, *lines: str, folder: Path, shown: pytest.CaptureFixture[str]) -> str:
    """Type lines, leave with Ctrl-D, and return what was shown."""
    screen = PlainTextOutput(io.StringIO())
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=screen):
        keyboard.send_text("".join(line + ENTER for line in lines) + CTRL_D)
        terminal = Repl(sessions, Screen(folder / "pictures", str, colour=False), user_id=1)
        sessions.front = terminal
        await terminal.talk(Keyboard(folder / "history", terminal.kernel))
    return shown.readouterr().out + screen.stdout.getvalue()


async def test_a_person_types_cells_blocks_and_answers(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Enter runs a complete line, an empty line runs a block, and an `input()` takes the next line."""
    typed = (
        "x = 20",
        "for i in range(2):",
        "print('line', i)",
        "",
        "x + 1",
        "name = input('who? ')",
        "Bob",
        "name",
    )
    shown = await talk(sessions, *typed, folder=tmp_path, shown=capsys)
    assert "line 0\nline 1\n" in shown
    assert "21\n" in shown
    assert "who? Bob\n" in shown
    assert "'Bob'\n" in shown


async def test_a_question_is_taken_away_when_its_cell_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody answers: the terminal says so at once, and what is typed next is a new cell."""
    settings = load(
        data=tmp_path / "data", node="none", preload="none", input_timeout=timedelta(milliseconds=300)
    )
    drawn, printed = PlainTextOutput(io.StringIO()), ""
    async with compose(settings) as sessions:
        with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=drawn):
            keyboard.send_text("input('q? ')" + ENTER)
            terminal = Repl(sessions, Screen(tmp_path / "pictures", str, colour=False), user_id=1)
            talking = asyncio.create_task(terminal.talk(Keyboard(tmp_path / "history", terminal.kernel)))
            async with asyncio.timeout(20):
                while "nobody answered its question in time" not in printed:
                    await asyncio.sleep(0.05)
                    printed += capsys.readouterr().out
            keyboard.send_text("y = 2" + ENTER + "y + 40" + ENTER + CTRL_D)
            await talking
    assert "42\n" in capsys.readouterr().out


async def test_the_colours_of_a_question_are_left_out(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prompt would show the escape codes as text."""
    shown = await talk(sessions, r"input('\x1b[31mred?\x1b[0m ')", "yes", folder=tmp_path, shown=capsys)
    assert "red?" in shown
    assert "^[" not in shown


async def test_text_without_a_line_end_is_not_written_over_by_the_prompt(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prompt, or a cell's question, begins on a new line."""
    typed = ("print('no end', end='')", "print('before', end=''); input('who? ')", "Bob")
    shown = await talk(sessions, *typed, folder=tmp_path, shown=capsys)
    assert "no end\n" in shown
    assert "before\nwho? Bob\n" in shown


async def test_leaving_and_coming_back_shows_the_transcript_and_the_files(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second visit begins with the last cells and the stored files, and says whether variables remain."""
    first = await talk(sessions, "open('a.txt', 'w').write('abc')", folder=tmp_path, shown=capsys)
    assert "A Python kernel of your own" in first
    second = await talk(sessions, folder=tmp_path, shown=capsys)
    assert "In [1]: open('a.txt', 'w').write('abc')\n3\n" in second
    assert "Your variables are still there" in second
    assert "a.txt" in second.partition("Welcome back")[2]
    await (await sessions.session(1, "terminal")).reset()
    third = await talk(sessions, folder=tmp_path, shown=capsys)
    assert "Your variables were lost when their kernel ended" in third


async def test_cell_of_an_earlier_visit_that_fails_is_a_sentence(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it will produce no result, the terminal says why."""
    terminal = Repl(sessions, Screen(tmp_path / "pictures", str, colour=False), user_id=1)
    session = await sessions.session(1, "terminal")
    await terminal.fail_resumed(session.record, 1, KernelStartFailed("no room"))
    assert "could not be started; try again. It said: no room" in capsys.readouterr().out


@pytest.mark.parametrize("leave", ["exit", "quit()"])
async def test_leaving_by_name_keeps_the_kernel(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str], leave: str
) -> None:
    """As with Ctrl-D: no further line is read, and the variables are kept."""
    await talk(sessions, "x = 40 + 1", leave, "x = 0", folder=tmp_path, shown=capsys)
    assert "\n41\n" in await talk(sessions, "x", folder=tmp_path, shown=capsys)


def test_an_output_without_anything_to_see_is_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the script that plotly emits before its first figure."""
    screen = Screen(tmp_path, str, colour=False)
    screen.show(Reply(1, Display({"text/html": "<script>window.a = 1</script>"})))
    assert capsys.readouterr().out == ""


async def test_where_there_are_no_files_none_are_spoken_of(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a person comes back and has only variables."""
    await talk(sessions, "x = 1", folder=tmp_path, shown=capsys)
    shown = await talk(sessions, folder=tmp_path, shown=capsys)
    assert "Welcome back. Your variables are still there.\n" in shown
    assert "files" not in shown


async def test_a_cell_that_goes_on_is_shown_after_what_was_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its output and its question come last, whenever they arrive."""
    data = tmp_path / "data"
    async with Program.start(data) as program:
        sent = program.send(code="print('begun'); name = input('who? '); print('hi', name)")
        await program.answer(id=sent, event="question")
        await program.kill()
    async with compose(load(data=data, preload="none")) as sessions:
        shown = await talk(sessions, "Bob", folder=tmp_path, shown=capsys)
    before, _, after = shown.partition("The last cell, continued:\n")
    assert "In [ ]: print('begun')" in before
    assert "Welcome back. Your variables are still there.\n" in before
    assert after.removeprefix("begun\n").startswith("who? Bob\nhi Bob\n")  # may not have been shown before


async def test_a_path_that_cannot_be_gets_a_sentence(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is given as a path, only its own command fails."""
    told = {
        "%notebook ~nobody-here/a.ipynb": "There is no folder ~nobody-here.",
        "%bundle ''": "There is no file .",
        "%bundle a b": "Say one path, in quotes where it has spaces.",
        "%load": "Say which file: %load ID [NAME]; %files lists them.",
        f"%notebook {tmp_path}": f"{tmp_path} is a folder, not a file.",
        f"%replay {tmp_path}/nothing.ipynb": f"There is no file {tmp_path}/nothing.ipynb.",
        "%replay /dev/null": "/dev/null is a pipe or a device, not a file.",
        "%upload ~nobody-here/a.csv": "There is no folder ~nobody-here.",
    }
    shown = await talk(sessions, *told, "print('on')", folder=tmp_path, shown=capsys)
    lines = shown.splitlines()
    assert [line for line in lines if line in told.values()] == [*told.values()]
    assert "on" in lines


async def test_reset_all_deletes_files_and_transcript(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Afterwards the next visit is like the first."""
    shown = await talk(
        sessions, "open('a.txt', 'w').write('abc')", "%help", "%reset all", folder=tmp_path, shown=capsys
    )
    assert "`all` also deletes workspace, stored files and transcript" in shown
    assert "Workspace, stored files and transcript are deleted." in shown
    assert "A Python kernel of your own" in await talk(sessions, folder=tmp_path, shown=capsys)
    assert (await sessions.list_user_files(1)).files == ()


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("x = 1", True),
        ("for i in x:", False),
        ("for i in x:\n    print(i)", False),
        ("for i in x:\n    print(i)\n", True),
        ("(1,", False),
        ("(1,\n2)", True),
        ("x = '''a", False),
        ("%timeit 1", True),
        ("%%time\nx = 1", False),
        ("%%time\nx = 1\n", True),
        ("!ls", True),
        ("print?", True),
        ("@cache", False),
        ("@cache\ndef f():\n    pass\n", True),
        ("1 +", True),
        ("await x", True),
    ],
)
def test_enter_runs_what_is_finished(text: str, runs: bool) -> None:
    """A complete statement runs, an open block waits for an empty line, and nonsense goes to the kernel."""
    assert finished(text) is runs


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("data.csv", "data"),
        ("my data.csv", "my_data"),
        ("2024.csv", "_2024"),
        ("class.csv", "class_"),
        ("...", "data"),
    ],
)
def test_a_file_names_a_variable(filename: str, name: str) -> None:
    """`%load` without a name derives one from the file's name that Python accepts."""
    assert variable_name(filename) == name


@pytest.mark.parametrize(
    ("left", "text"), [(48 * 3600, "48 h"), (540, "9 min"), (30, "30 s"), (-5, "now"), (3601, "1 h")]
)
def test_time_left_is_one_number_with_a_unit(left: int, text: str) -> None:
    """The largest unit that fits; never less than nothing."""
    present = datetime(2030, 1, 1, tzinfo=UTC)
    assert time_left(present + timedelta(seconds=left), present) == text


def test_a_redrawing_cell_takes_back_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """clear_output moves the cursor up over this cell's rows; with `wait`, only once new output comes."""
    screen = Screen(tmp_path, str, colour=True)
    for event in (Stream("stdout", "one\ntwo\n"), ClearOutput(wait=True), Stream("stdout", "three\n")):
        screen.show(Reply(1, event))
    assert capsys.readouterr().out == "one\ntwo\n\r\x1b[2A\x1b[Jthree\n"


def test_waiting_and_a_fresh_kernel_are_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The position in line is shown once, and so is what was kept and lost."""
    screen = Screen(tmp_path, str, colour=False)
    for position in (2, 1, 0):
        screen.show(Reply(1, Queued(position)))
    screen.show(Reply(1, Restarted("the kernel died", ("files",), ("df", "x"))))
    assert capsys.readouterr().out == (
        "Waiting: 2 before this one.\nFresh kernel (the kernel died). Your files are kept. Lost: df, x.\n"
    )


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("plot the mean by year", True),
        ("what is the mean of df?", True),
        ("don't plot f(x) = x^2 but its root", True),
        ("Is there a file called a.csv?", True),
        ("for each city, tell me how many people live there", True),
        ("Bitte zeichne eine Kurve", True),
        ("hello", False),
        ("x = 1", False),
        ("not x", False),
        ("print 1", False),
        ("print hello", False),
        ("for i in range(3) print(i)", False),
        ("if x == 1 print('one two three four')", False),
        ("import numpy pandas", False),
        ("df.groupby('a').mean(", False),
        ("%timeit sum(x)", False),
        ("!ls my folder", False),
        ("ls my folder", False),
        ("df?", False),
        ("await x", False),
        ("x is y", False),
    ],
)
def test_only_what_is_plainly_prose_goes_to_the_model(text: str, prose: bool) -> None:
    """A slip in code stays code; a sentence does not become an error."""
    assert is_prose(text) is prose


async def test_prose_and_ask_go_to_the_model_and_code_to_the_kernel(
    tmp_path: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words stream in, the model's code is marked, its output follows, and a line shows what it cost."""
    server.will(calls(run_python("for i in range(2):\n    print('row', i)"), words=["Let me see."]))
    server.will(says("Two ", "rows."), says("Don't know."))
    settings = load(
        data=tmp_path / "data", node="none", preload="none", openai_base_url=server.base_url, model="gpt-5.4"
    )
    async with compose(settings) as sessions:
        typed = ("x = 5", "how many rows are there?", "%ask what's x?", "x + 1", "%usage", "%ask")
        shown = await talk(sessions, *typed, folder=tmp_path, shown=capsys)
    assert "Ask gpt-5.4 in plain words." in shown
    assert "Let me see.\n>>> for i in range(2):\n...     print('row', i)\nrow 0\nrow 1\nTwo rows.\n" in shown
    assert "[200 tokens in, 40 out, $0.0011, gpt-5.4]" in shown
    assert "Don't know." in shown
    assert "6\n" in shown
    assert "Today: 2 answers, 300 tokens in, 60 out" in shown
    assert "Say what: %ask WORDS." in shown
    assert "what's x?" in server.requests[2].text


async def test_without_a_model_asking_says_so_and_prose_is_code(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line of words is treated as code, and Python reports the mistake."""
    shown = await talk(sessions, "%ask what's up?", "how are you", folder=tmp_path, shown=capsys)
    assert "Set OPENAI_API_KEY" in shown
    assert "SyntaxError" in shown


async def test_a_model_that_fails_is_a_sentence_at_the_terminal(
    tmp_path: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and the next line works."""
    server.will(Fault(401))
    settings = load(data=tmp_path / "data", node="none", preload="none", openai_base_url=server.base_url)
    async with compose(settings) as sessions:
        shown = await talk(sessions, "%ask hello", "1 + 1", folder=tmp_path, shown=capsys)
    assert "refuses my key" in shown
    assert "2\n" in shown


async def test_ctrl_c_stops_the_model_and_not_the_program(
    tmp_path: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The request ends, its words stay, and the next line works."""
    server.will(says("So far", hold=asyncio.Event()))
    settings = load(data=tmp_path / "data", node="none", preload="none", openai_base_url=server.base_url)
    async with compose(settings) as sessions:
        typing = asyncio.create_task(talk(sessions, "%ask hello", "1 + 1", folder=tmp_path, shown=capsys))
        await server.requested(1)
        os.kill(os.getpid(), signal.SIGINT)
        await server.left()
        shown = await typing
    assert "2\n" in shown


HOSTILE = "a\x9b2J\x1b[2J\x90q\x85b"  # both ways to clear a terminal, and more of the kind


def test_nothing_that_acts_reaches_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither escape codes nor C1 controls from text, values, errors, file names, notes or code."""
    screen = Screen(tmp_path, str, colour=True)
    for event in (
        Stream("stdout", HOSTILE),
        Display({"text/plain": HOSTILE}),
        Failure(HOSTILE, HOSTILE, (HOSTILE,)),
        Restarted(HOSTILE, (), (HOSTILE,)),
    ):
        screen.show(Reply(1, event))
    screen.show(Reply(1, code=HOSTILE, files=(made(HOSTILE),), skipped=(Skipped(HOSTILE, f"{HOSTILE}\nx"),)))
    screen.show(Reply(0, words=HOSTILE))
    screen.note(HOSTILE)
    out = capsys.readouterr().out
    assert not {chr(code) for code in range(0x80, 0xA0)} & set(out)
    assert "\x1b[2J" not in out
    assert out.count("a") >= 10


def test_a_name_or_reason_stays_on_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file cannot add a line to the table of files."""
    screen = Screen(tmp_path, str, colour=False)
    screen.files([made("a\nzzzzzzzzzz  data  1 B\u202e.csv").record])
    screen.skipped([Skipped("b\n>>> forged", "c\nd")])
    assert capsys.readouterr().out.count("\n") == 2


async def test_variables_and_questions_do_not_act_either(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value's repr in `%vars`, and the prompt of an `input()`."""
    typed = (
        r"class C: __repr__ = lambda self: 'p\x9b2Jq'",
        "",
        r"v = 'p\x9b2Jq'",
        "%vars",
        r"input('\x9b2J? ')",
        "x",
    )
    out = await talk(sessions, *typed, folder=tmp_path, shown=capsys)
    assert "\x9b" not in out
    assert "v " in out


async def test_an_answer_that_is_too_long_is_asked_for_again(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell still waits, and takes the next one."""
    monkeypatch.setattr("kernels.wire.sizes.LARGEST_ANSWER", 10)
    out = await talk(sessions, "len(input('who? '))", "x" * 11, "Bob", folder=tmp_path, shown=capsys)
    assert "The answer is too large" in out
    assert "\n3\n" in out


async def test_code_that_is_too_long_is_refused_with_a_sentence(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not sent, and what is typed next runs. The prompt is left out: it draws so much slowly."""
    cells = iter([f"len('{'x' * LARGEST_CODE}')", "6 * 7"])

    class Typed(Keyboard):
        async def typed(self, prompt: str) -> str:
            if (text := next(cells, None)) is None:
                raise EOFError
            return text

    with create_pipe_input() as keys, create_app_session(input=keys, output=PlainTextOutput(io.StringIO())):
        terminal = Repl(sessions, Screen(tmp_path / "pictures", str, colour=False), user_id=1)
        sessions.front = terminal
        await terminal.talk(Typed(tmp_path / "history", terminal.kernel))
    out = capsys.readouterr().out
    assert "The code is too large: over the 4 MB limit; put its data into a file" in out
    assert "42\n" in out


async def test_tab_completes_and_a_call_shows_what_it_takes(sessions: Sessions, tmp_path: Path) -> None:
    """The kernel completes a variable's name; a signature is shown below the prompt while a call is typed."""
    screen = PlainTextOutput(io.StringIO())
    with create_pipe_input() as typing, create_app_session(input=typing, output=screen):
        terminal = Repl(sessions, Screen(tmp_path / "pictures", str, colour=False), user_id=1)
        keyboard = Keyboard(tmp_path / "history", terminal.kernel)
        buffer = keyboard._prompt.default_buffer
        await sessions.execute_code("answer_of_mine = 41\ndef told(one, two=3): ...", 1)
        talking = asyncio.create_task(terminal.talk(keyboard))

        async def until(condition: Callable[[], bool]) -> None:
            async with asyncio.timeout(20):
                while not condition():  # noqa: ASYNC110  nothing tells
                    await asyncio.sleep(0.02)

        typing.send_text("answer_o\t")
        await until(lambda: buffer.text == "answer_of_mine")
        typing.send_text("\b" * 20 + "told(")
        await until(lambda: keyboard._signature.text == "told(one, two=3)")
        typing.send_text("1)" + ENTER)
        await until(lambda: keyboard._signature.text == "" and not buffer.text)
        typing.send_text("\tx")
        await until(lambda: buffer.text == "    x")
        typing.send_text("\b" * 5 + CTRL_D)
        await talking


@pytest.mark.parametrize(
    ("variables", "colour"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_a_terminal_without_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colour: bool
) -> None:
    """A dumb terminal knows no escape codes, and NO_COLOR is a person's choice."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert program._has_colour() is colour


def test_a_script_is_read_in_its_encoding_or_what_is_no_text_is_told() -> None:
    """UTF-8 unless its first lines name another; bytes that are invalid in it are reported."""
    assert standard_input._decoded("print('ä')\r\n".encode("utf-8-sig"))[0] == "print('ä')\n"
    assert standard_input._decoded("# coding: latin-1\n'ä'".encode("latin-1")) == (
        "# coding: latin-1\n'ä'",
        None,
    )
    text, odd = standard_input._decoded(b"print(1)\nprint(2)\nprint('\xe4')\n")
    assert "print('\ufffd')" in text
    assert isinstance(odd, NotText)
    assert sentence(odd).startswith("Line 3 of the script has bytes that are no text in UTF-8")
