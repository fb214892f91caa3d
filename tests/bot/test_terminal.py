"""A person at the keyboard, through the pipe that prompt_toolkit has for tests."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

from bot.console.commands import variable_name
from bot.console.show import Screen, time_left
from bot.console.terminal import Terminal, finished
from bot.reply import Reply
from bot.sessions import Sessions
from kernels.events import ClearOutput, Queued, Restarted, Stream

ENTER, CTRL_D = "\r", "\x04"


async def talk(sessions: Sessions, *lines: str, folder: Path, shown: pytest.CaptureFixture[str]) -> str:
    """Type lines, leave with Ctrl-D, and return what was shown."""
    screen = PlainTextOutput(io.StringIO())
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=screen):
        keyboard.send_text("".join(line + ENTER for line in lines) + CTRL_D)
        terminal = Terminal(sessions, Screen(folder / "pictures", str, colour=False), user_id=1)
        sessions.tell_late = terminal.tell_late
        await terminal.talk(folder / "history")
    return shown.readouterr().out + screen.stdout.getvalue()


async def test_a_person_types_cells_blocks_and_answers(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finished line runs at Enter, a block at an empty line, and an `input()` takes the next line."""
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


async def test_text_without_a_line_end_is_not_written_over_by_the_prompt(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prompt, and a cell's question, begin on a line of their own."""
    typed = ("print('no end', end='')", "print('before', end=''); input('who? ')", "Bob")
    shown = await talk(sessions, *typed, folder=tmp_path, shown=capsys)
    assert "no end\n" in shown
    assert "before\nwho? Bob\n" in shown


async def test_leaving_and_coming_back_shows_the_transcript_and_the_files(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second visit begins with the last cells and the stored files, and says whether variables live."""
    first = await talk(sessions, "open('a.txt', 'w').write('abc')", folder=tmp_path, shown=capsys)
    assert "A Python kernel of your own" in first
    second = await talk(sessions, folder=tmp_path, shown=capsys)
    assert "In [1]: open('a.txt', 'w').write('abc')\n3\n" in second
    assert "Your variables are still there" in second
    assert "a.txt" in second.partition("Welcome back")[2]
    await (await sessions.session(1, "terminal")).reset()
    third = await talk(sessions, folder=tmp_path, shown=capsys)
    assert "Your variables ended with their kernel" in third


async def test_reset_all_deletes_files_and_transcript(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Afterwards the next visit is like the first."""
    await talk(sessions, "open('a.txt', 'w').write('abc')", "%reset all", folder=tmp_path, shown=capsys)
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
    """A whole statement runs, an open block waits for an empty line, and nonsense goes to the kernel."""
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
    """`%load` without a name takes one from the file's that Python accepts."""
    assert variable_name(filename) == name


@pytest.mark.parametrize(
    ("left", "text"), [(48 * 3600, "48 h"), (540, "9 min"), (30, "30 s"), (-5, "0 s"), (3601, "1 h")]
)
def test_time_left_is_one_number_with_a_unit(left: int, text: str) -> None:
    """The largest unit that fits; never less than nothing."""
    present = datetime(2030, 1, 1, tzinfo=UTC)
    assert time_left(present + timedelta(seconds=left), present) == text


def test_a_redrawing_cell_takes_back_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """clear_output moves the cursor up over the rows of this cell; `wait` does so with the next output."""
    screen = Screen(tmp_path, str, colour=True)
    for event in (Stream("stdout", "one\ntwo\n"), ClearOutput(wait=True), Stream("stdout", "three\n")):
        screen.show(Reply(1, event))
    assert capsys.readouterr().out == "one\ntwo\n\r\x1b[2A\x1b[Jthree\n"


def test_waiting_and_a_fresh_kernel_are_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The position in line, and what was kept and lost."""
    screen = Screen(tmp_path, str, colour=False)
    screen.show(Reply(1, Queued(2)))
    screen.show(Reply(1, Restarted("the kernel died", ("files",), ("df", "x"))))
    assert capsys.readouterr().out == (
        "Waiting: 2 before this one.\nFresh kernel (the kernel died). Your files are kept. Lost: df, x.\n"
    )
