"""The terminal front without a terminal: cells from standard input, and sessions that persist."""

import asyncio
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.program import ROOT

ALONE = ("--json", "--node", "none", "--shutdown-grace", "0.1")  # whose cells end with the program
LIGHT = ("--preload", "none")  # scripts that do not plot need no libraries, and start in half the time
PLOTS = ("--preload", "matplotlib.pyplot")


async def script(data: Path, text: str, *flags: str) -> tuple[int, str]:
    """Run `text` as standard input; the exit status and what was printed."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "bot.console",
            "--log-level",
            "error",
            "--data",
            str(data),
            *(flags or LIGHT),
        ),
        cwd=ROOT,
        env=os.environ
        | {"NODE": "none"},  # these tests need no node, and test_ending.py runs scripts with one
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate(text.encode())
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_an_empty_input_says_that_all_is_set_up_and_exits_0(tmp_path: Path) -> None:
    """`make run </dev/null` does just that."""
    status, printed = await script(tmp_path / "data", "")
    assert status == 0
    assert "Kernelcord is set up" in printed


async def test_a_script_runs_cell_by_cell_in_one_kernel(tmp_path: Path) -> None:
    """Cells are separated by `# %%`; each shows its last value, and variables are kept between them."""
    status, printed = await script(tmp_path / "data", "x = 20\nx\n# %%\nprint('now')\nx + 1\n")
    assert status == 0
    assert printed == "20\nnow\n21\n"


async def test_a_failing_cell_ends_the_script_with_status_1(tmp_path: Path) -> None:
    """The traceback is shown, and later cells do not run."""
    status, printed = await script(tmp_path / "data", "1 / 0\n# %%\nprint('never')\n")
    assert status == 1
    assert "ZeroDivisionError" in printed
    assert "never" not in printed
    assert "\x1b" not in printed


async def test_commands_work_in_a_script(tmp_path: Path) -> None:
    """%upload, %files, %load and %vars do what they say, and one that fails ends it with status 1."""
    source = tmp_path / "my cities.csv"
    source.write_text("city,people\nUlm,126000\n")
    commands = [f"%upload '{source}'", "%files", "%load 'my cities.csv'", "%vars", "my_cities.shape"]
    status, printed = await script(
        tmp_path / "data", "\n# %%\n".join([*commands, "%load nothing9here", "print('never')"])
    )
    assert status == 1
    assert printed.count("my cities.csv") >= 2
    assert 'my_cities = load_file("' in printed
    assert "DataFrame" in printed
    assert "(1, 2)" in printed
    assert "No file nothing9here: it expired, or is not yours" in printed
    assert "never" not in printed


async def test_pictures_are_saved_and_named(tmp_path: Path) -> None:
    """A figure becomes a file on disk whose path is printed."""
    code = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])\nplt.show()"
    status, printed = await script(tmp_path / "data", code, *PLOTS)
    assert status == 0
    path = Path(printed.partition("[picture: ")[2].partition("]")[0])
    assert path.read_bytes().startswith(b"\x89PNG")


async def test_an_escape_that_is_not_a_colour_never_reaches_the_terminal(tmp_path: Path) -> None:
    """Code cannot set the clipboard or a title: such escape codes are shown as a symbol."""
    status, printed = await script(tmp_path / "data", r"print('\x1b]52;c;aGk=\x07 \x1b[2J')")
    assert status == 0
    assert "\x1b" not in printed


async def test_a_notebook_that_fails_ends_the_script_with_status_1(tmp_path: Path) -> None:
    """Just as a failing cell does."""
    (tmp_path / "bad.ipynb").write_text(nbformat.writes(new_notebook(cells=[new_code_cell("1 / 0")])))
    status, printed = await script(tmp_path / "data", f"%replay {tmp_path}/bad.ipynb\n# %%\nprint('never')")
    assert status == 1
    assert "[cell 1 of 1: error]" in printed
    assert "never" not in printed


@pytest.mark.parametrize(
    ("flags", "cells"),
    [
        ((), "while True: print(1, flush=True)"),
        (ALONE, '{"user": 1, "code": "while True: print(1, flush=True)"}\n{"user": 2, "code": "2"}\n'),
    ],
    ids=["script", "json"],
)
async def test_the_program_ends_quietly_when_nobody_reads_on(
    tmp_path: Path, flags: tuple[str, ...], cells: str
) -> None:
    """As in `... | head -1`: an endless cell is stopped, without a traceback, with a broken pipe's status."""
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--log-level", "error", "--data", str(tmp_path / "data")),
        *(*LIGHT, *flags),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writer)
    assert process.stdin is not None
    process.stdin.write(cells.encode())
    process.stdin.close()
    with os.fdopen(reader, "rb") as answers:
        assert await asyncio.to_thread(answers.readline)
    _, told = await process.communicate()
    assert (process.returncode, told) == (141, b"")


async def test_ctrl_c_ends_the_program_quietly_while_it_is_still_being_loaded(tmp_path: Path) -> None:
    """No traceback, and the status of a program that was interrupted."""
    (tmp_path / "tqdm.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--data", str(tmp_path / "data")),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert (process.returncode, told) == (130, b"")


async def test_a_terminal_that_cannot_show_a_letter_gets_a_question_mark(tmp_path: Path) -> None:
    """Neither output that the terminal cannot encode nor a script that is not UTF-8 ends the program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--log-level", "error", "--data", str(tmp_path / "data")),
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PRELOAD": "none"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate(b"print(chr(233))  # \xff\n")
    assert (process.returncode, printed) == (0, b"?\n")


async def test_a_script_loads_nothing_of_the_keyboard() -> None:
    """Loading it would take a quarter of the start-up time."""
    code = "import sys, bot.terminal.program; sys.exit('prompt_toolkit' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await process.wait() == 0
