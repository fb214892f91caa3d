"""A session exported and brought back: notebook, bundle and replay, through the real program."""

import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import nbformat
import pytest

from bot.discord.format.pieces import pieces
from bot.errors import AtWork, NotAFile, NothingRuns, OverLimit
from bot.notebooks.bundle import bundle, notebook
from bot.notebooks.replay import Step, imported, replay
from bot.notebooks.used_files import named
from bot.reply import tell_nobody
from bot.request import Request
from bot.session import StoppedWork
from bot.sessions import Sessions
from bot.terminal.machine.json_fields import step_fields
from bot.terminal.paths import created
from bot.terminal.repl import progress
from filestore.records import Said
from kernels.notebooks.cells import Code, LoadedNotebook, Markdown, Raw
from kernels.notebooks.diff import diff_outputs
from kernels.notebooks.notebook import read, write
from kernels.wire.sizes import LARGEST_CODE
from tests.conftest import KERNEL_PYTHON
from tests.program import ROOT, Program

TABLE = """
import pandas as pd, numpy as np
df = pd.DataFrame({"a": [1, 2]})
df.to_csv("table.csv", index=False)
df"""
PLOT = """
import matplotlib.pyplot as plt
_ = plt.plot([1, 4, 9])
plt.show()"""
WORDS = "print('to stderr', file=__import__('sys').stderr); print('words')"
FAILURE = "1 / 0"
ACTIVE = """
from IPython.display import HTML, Latex, SVG, Javascript
display(HTML('<b onclick="steal()">bold</b><script>steal()</script>'), Latex('$x^2$'), Javascript('steal()'))
SVG('<svg xmlns="http://www.w3.org/2000/svg" onload="steal()"><circle r="5"/></svg>')"""
PLOTLY = "import plotly.express as px\npx.line(x=[1, 2], y=[1, 2])"
BY_NAME = "load_file('table.csv').a.sum()"
BY_ID = "load_file('{file_id}').shape"
UPLOADED = "int(pd.read_csv('cities.csv').people.sum())"
CREATE = """
import sqlite3
connection = sqlite3.connect("made.db")
_ = connection.execute("CREATE TABLE t (x)")
_ = connection.execute("INSERT INTO t VALUES (1)")
connection.commit(); connection.close()"""
INSERT = """
connection = sqlite3.connect("made.db")
_ = connection.execute("INSERT INTO t VALUES (2)")
connection.commit()
print(connection.execute("SELECT count(*) FROM t").fetchall()); connection.close()"""
APPEND = """
for name in ("log.txt", "cities.csv"):
    with open(name, "a") as file:
        _ = file.write("Bonn,3\\n")
open("log.txt").read(), open("cities.csv").read()"""
LOAD = "load_file('log.txt')"
FAILED_WITH_A_FILE = "open('left.txt', 'w').write('left'); 1 / 0"
USES_WHAT_IS_LEFT = "open('left.txt').read()"
CHANGING = [CREATE, INSERT, APPEND, LOAD, APPEND, FAILED_WITH_A_FILE, USES_WHAT_IS_LEFT]
MIXED = [TABLE, PLOT, WORDS, FAILURE, BY_NAME, BY_ID, ACTIVE, PLOTLY, UPLOADED]


async def mixed_session(sessions: Sessions) -> None:
    """Run the cells of `MIXED` for user 1; a later one uses the id of a file that an earlier one wrote."""
    await sessions.upload("cities.csv", b"city,people\nUlm,126000\n", 1)
    file_id = ""
    for code in [*MIXED, *CHANGING]:
        result = await sessions.execute_code(code.replace("{file_id}", file_id), 1)
        file_id = result.generated_file_ids[0] if result.generated_files else file_id


async def exported(sessions: Sessions) -> bytes:
    """User 1's session as a notebook."""
    session = await sessions.session(1, "terminal")
    with tempfile.TemporaryFile() as file:
        await notebook(session, file)
        file.seek(0)
        return file.read()


async def bundled(sessions: Sessions) -> bytes:
    """User 1's session with its files."""
    session = await sessions.session(1, "terminal")
    with tempfile.TemporaryFile() as file:
        await bundle(session, sessions.files, file)
        file.seek(0)
        return file.read()


def kinds(data: bytes) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Each code cell's code, and the kinds of its outputs."""
    cells = [cell for cell in json.loads(data)["cells"] if cell["cell_type"] == "code"]
    shown = [[(out["output_type"], sorted(out.get("data", {}))) for out in cell["outputs"]] for cell in cells]
    return list(zip(("".join(cell["source"]) for cell in cells), shown, strict=True))


async def test_the_notebook_of_a_mixed_session_is_valid_and_harmless(sessions: Sessions) -> None:
    """It validates, has the pictures and the table but no active content, and says what was left out."""
    await mixed_session(sessions)
    data = await exported(sessions)
    book = nbformat.reads(data.decode(), as_version=4)
    nbformat.validate(book)
    assert [cell["source"] for cell in book["cells"]][:4] == MIXED[:4]
    text = data.decode()
    assert '"image/png"' in text
    assert "<table" in text
    assert "application/vnd.plotly.v1+json" in text
    outputs = json.dumps([cell["outputs"] for cell in book["cells"]])
    assert "steal()" not in outputs
    assert outputs.count("left out") >= 2
    assert [cell["metadata"].get("tags", []) for cell in book["cells"]][3] == ["skip-execution"]
    assert book["metadata"]["kernelcord"]["packages"]["pandas"]


async def test_the_same_transcript_gives_the_same_bytes(sessions: Sessions) -> None:
    """Two exports of one session are equal, the bundle too."""
    await sessions.execute_code("open('a.txt', 'w').write('x'); 6 * 7", 1)
    assert await exported(sessions) == await exported(sessions)
    assert await bundled(sessions) == await bundled(sessions)


@pytest.mark.timeout(180)
async def test_the_bundle_runs_clean_in_an_empty_folder(sessions: Sessions, tmp_path: Path) -> None:
    """`jupyter nbconvert --execute` on the unpacked zip succeeds without any of our code."""
    await mixed_session(sessions)
    folder = tmp_path / "empty"
    data = await bundled(sessions)
    (tmp_path / "out.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = set(archive.namelist())
        assert {"notebook.ipynb", "README.md", "files.json", "files/table.csv", "cities.csv"} <= names
        assert {"left.txt", "files/made.db", "files/log.txt"} <= names
        assert not {"made.db", "log.txt"} & names
        archive.extractall(folder)
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.joinpath("kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "p", "language": "python"})
    )
    environment = os.environ | {"JUPYTER_PATH": str(tmp_path / "jupyter"), "HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--to",
        "notebook",
        "--execute",
        "notebook.ipynb",
        "--output",
        "run",
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = json.loads((folder / "run.ipynb").read_text())
    before = json.loads((folder / "notebook.ipynb").read_text())
    for old, new in zip(before["cells"], run["cells"], strict=True):
        assert diff_outputs(old["outputs"], new["outputs"]) == (), old["source"]


async def test_each_file_of_the_bundle_is_found_whatever_its_name(sessions: Sessions, tmp_path: Path) -> None:
    """Folders are kept; older versions, and names that the bundle itself needs, get an id in their names."""
    names = ["out/a.csv", "files.json", "README.md", "kernelcord_files", "Notebook.ipynb", "v.txt"]
    write_all = f"import os; os.makedirs('out')\nfor name in {names}: print(open(name, 'w').write(name))"
    await sessions.execute_code(write_all, 1)
    await sessions.execute_code("open('v.txt', 'w').write('newer')", 1)
    data = await bundled(sessions)
    (tmp_path / "out.zip").write_bytes(data)
    folder = tmp_path / "bundle"
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(folder)
    index = json.loads((folder / "files.json").read_text())
    assert [entry["filename"] for entry in index].count("v.txt") == 2
    found = {entry["filename"]: (folder / entry["path"]).read_text() for entry in reversed(index)}
    assert found == {name: name for name in names} | {"v.txt": "newer"}
    assert (folder / "files" / "out" / "a.csv").exists()
    assert (folder / "files" / "v.txt").read_text() == "newer"
    assert not (folder / "v.txt").exists()
    assert (folder / "README.md").read_text().startswith("# A Kernelcord session")


async def test_an_expired_file_is_not_in_the_bundle(sessions: Sessions) -> None:
    """The zip has the files that still load, and the notebook is complete even so."""
    result = await sessions.execute_code("open('a.txt', 'w').write('x')", 1)
    await sessions.files.delete(result.generated_file_ids[0], 1)
    data = await bundled(sessions)
    path = Path(str((await sessions.session(1, "terminal")).kernel.workspace.path) + ".zip")
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        assert "a.txt" not in archive.namelist()
        assert b"a.txt" in archive.read("notebook.ipynb")


@pytest.mark.timeout(180)
async def test_exported_replayed_and_exported_again_it_is_the_same(
    sessions: Sessions, tmp_path: Path
) -> None:
    """The same code, and the same kinds of outputs, through `--replay IN --out OUT`."""
    for code in (TABLE, PLOT, WORDS, FAILURE, PLOTLY):
        await sessions.execute_code(code, 1)
    first = await exported(sessions)
    (tmp_path / "in.ipynb").write_bytes(first)
    status, told = await replayed(tmp_path, "--keep-going")
    assert status == 0, told
    assert kinds((tmp_path / "out.ipynb").read_bytes()) == kinds(first)


async def replayed(folder: Path, *flags: str, out: str = "out.ipynb") -> tuple[int | None, str]:
    """Replay in.ipynb into `out`; the exit status and what was said on standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--log-level", "error", "--data", str(folder / "replays")),
        *("--replay", str(folder / "in.ipynb"), "--out", str(folder / out), *flags),
        cwd=ROOT,
        env=os.environ | {"PRELOAD": "none", "NODE": "none"},  # a start of 2 s instead of 5
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    return process.returncode, told.decode()


async def steps(sessions: Sessions, *cells: Code | Markdown, keep_going: bool = False) -> list[Step]:
    """Replay these cells for user 1."""
    session = await sessions.session(1, "terminal")
    book, request = LoadedNotebook(cells), Request(1, "a", "t")
    return [step async for step in replay(session, book, request, tell_nobody, keep_going=keep_going)]


async def test_tags_mean_what_they_mean_to_jupyter(sessions: Sessions) -> None:
    """`skip-execution` leaves a cell out, `raises-exception` lets it fail, and the rest runs."""
    done = await steps(
        sessions,
        Code("x = 1"),
        Code("x = 2", tags=("skip-execution",)),
        Code("1 / 0", tags=("raises-exception",)),
        Markdown("words"),
        Code("x"),
    )
    assert [step.result.status if step.result else "left out" for step in done] == [
        "ok",
        "left out",
        "error",
        "ok",
    ]
    assert not any(step.failed for step in done)
    assert done[-1].result is not None
    assert done[-1].result.output == "1\n"
    assert [step.number for step in done] == [1, 2, 3, 4]


@pytest.mark.parametrize(("keep_going", "statuses"), [(False, ["error", None]), (True, ["error", "ok"])])
async def test_a_replay_stops_at_an_error_unless_told_to_go_on(
    sessions: Sessions, keep_going: bool, statuses: list[str | None]
) -> None:
    """Cells after the failed one do not run; all the code is in the transcript either way."""
    done = await steps(sessions, Code("1 / 0"), Code("2"), keep_going=keep_going)
    assert [step.result.status if step.result else None for step in done] == statuses
    assert [code for code, _ in kinds(await exported(sessions))] == ["1 / 0", "2"]


async def test_a_replay_can_be_stopped_between_two_of_its_cells(sessions: Sessions) -> None:
    """No other cell runs, not even if the replay goes on after errors; their code is in the transcript."""
    session = await sessions.session(1, "terminal")
    book, request = LoadedNotebook([Code("1"), Code("2"), Code("3")]), Request(1, "a", "t")
    done = []
    async for step in replay(session, book, request, tell_nobody, keep_going=True):
        if step.number == 1:
            with pytest.raises(NothingRuns):
                await session.stop("elsewhere")
            assert await session.stop("t") == StoppedWork(model=False)
        done.append(step.result.output if step.result else None)
    assert done == ["1\n", None, None]
    assert [code for code, _ in kinds(await exported(sessions))] == ["1", "2", "3"]
    with pytest.raises(NothingRuns):
        await session.stop("t")


@pytest.mark.parametrize(("keep_going", "statuses"), [(False, [None, None]), (True, [None, "ok"])])
async def test_a_cell_that_is_too_long_to_be_sent_fails_and_is_kept(
    sessions: Sessions, keep_going: bool, statuses: list[str | None]
) -> None:
    """It is refused with a sentence, and counts as one that failed; its code is in the transcript."""
    long = f"# {'x' * LARGEST_CODE}"
    done = await steps(sessions, Code(long), Code("2"), keep_going=keep_going)
    assert [step.result.status if step.result else None for step in done] == statuses
    assert [step.failed for step in done] == [True, False]
    assert "The code is too large" in done[0].refused
    assert "The code is too large" in progress(done[0])
    assert progress(Step(1, 2, "", refused="a\nb\x1b")) == "[cell 1 of 2: left out; a b ]"
    assert step_fields(done[0])["message"] == done[0].refused
    assert [code for code, _ in kinds(await exported(sessions))] == [long, "2"]


async def test_a_replay_says_what_differs_from_the_stored_outputs(sessions: Sessions) -> None:
    """The same value is not mentioned; a different one is reported, but is not a failure."""
    value = {
        "output_type": "execute_result",
        "execution_count": 9,
        "data": {"text/plain": "2"},
        "metadata": {},
    }
    same, other = await steps(sessions, Code("1 + 1", (value,)), Code("1 + 2", (value,)))
    assert same.differs == ()
    assert other.differs != ()
    assert not other.failed


async def test_the_replay_flag_tells_by_its_exit_status_whether_all_cells_ran(tmp_path: Path) -> None:
    """0 if all did, 1 after a failure, 2 if it is not a notebook; the failed cell is named."""
    book = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    book["cells"] = [cell | {"source": "1 / 0"}, cell | {"source": "2"}]
    (tmp_path / "in.ipynb").write_text(json.dumps(book))
    status, told = await replayed(tmp_path)
    assert status == 1
    assert "cell 1 of 2: error" in told
    assert "ZeroDivisionError: division by zero" in told
    assert [bool(cell.outputs) for cell in read((tmp_path / "out.ipynb").read_bytes()).cells] == [True, False]
    (tmp_path / "in.ipynb").write_text("{broken")
    status, told = await replayed(tmp_path)
    assert status == 2
    assert "Traceback" not in told


async def test_a_replayed_notebook_keeps_all_but_its_outputs(tmp_path: Path) -> None:
    """Words with their authors, raw cells and tags are the same in the new file; only outputs are new."""
    cells = (
        Markdown("Hi", author="Ada"),
        Raw("---\ntitle: x"),
        Code("1 / 0", tags=("raises-exception", "mine")),
        Code("2", tags=("skip-execution",)),
        Code("3", tags=("mine",)),
    )
    (tmp_path / "in.ipynb").write_bytes(write(cells))
    status, told = await replayed(tmp_path)
    assert status == 0, told
    found = read((tmp_path / "out.ipynb").read_bytes()).cells
    assert found[:2] == cells[:2]
    code = [cell for cell in found if isinstance(cell, Code)]
    assert [cell.tags for cell in code] == [cell.tags for cell in cells if isinstance(cell, Code)]
    assert [cell.status for cell in code] == ["error", "skipped", "ok"]


async def test_replayed_words_keep_the_name_that_stood_above_them(sessions: Sessions) -> None:
    """An author named in a foreign notebook is text in the transcript, and not one of our authors."""
    await steps(sessions, Markdown("Hi", author="Ada"))
    session = await sessions.session(1, "terminal")
    (said,) = await session.transcript.entries()
    assert isinstance(said, Said)
    assert (said.author, said.markdown) == ("", "**Ada**\n\nHi")


async def test_a_cell_that_ended_with_its_kernel_says_so_in_the_notebook(sessions: Sessions) -> None:
    """So does the next one, which has no variables if none are saved; a front shows each of these once."""
    await sessions.execute_code("kept = 1", 1)
    died = await sessions.execute_code("import os; os.kill(os.getpid(), 9)", 1)
    missing = await sessions.execute_code("kept", 1)
    await sessions.execute_code("'fine'", 1)
    cells = json.loads(await exported(sessions))["cells"]
    texts = ["".join("".join(output.get("text", "")) for output in cell["outputs"]) for cell in cells]
    assert texts[0] == texts[3] == ""
    assert texts[1].startswith("[The kernel died (signal 9). Lost: ")
    assert "kept" in texts[1]
    assert [output["output_type"] for output in cells[2]["outputs"]][-1] == "error"
    assert "[" not in died.output + missing.output.partition("---")[0]
    session = await sessions.session(1, "terminal")
    entries = await session.transcript.entries()
    assert pieces(entries[1].outputs) == []  # type: ignore[union-attr]
    assert not any("[" in cell["source"] for cell in cells)


async def test_a_cell_that_was_running_when_the_program_ended_says_so(sessions: Sessions) -> None:
    """The only trace of how it ended is the status in its record."""
    session = await sessions.session(1, "terminal")
    begun = await session.transcript.begin(Request(1, "a", "terminal", "wait()"))
    await session.transcript.note_broken_off([begun])
    (cell,) = json.loads(await exported(sessions))["cells"]
    assert cell["outputs"][0]["text"] == "[The kernel died.]\n"


@pytest.mark.parametrize("out", ["nowhere/out.ipynb", "."])
async def test_where_nothing_can_be_written_is_said_before_a_cell_runs(tmp_path: Path, out: str) -> None:
    """A mistyped path does not cost hours of replay."""
    (tmp_path / "in.ipynb").write_bytes(write([Code("open('ran', 'w')")]))
    status, told = await replayed(tmp_path, out=out)
    assert status == 2
    assert str(tmp_path) in told
    assert "1/1" not in told
    assert "Traceback" not in told


async def test_notebook_bundle_and_replay_are_json_requests_too(tmp_path: Path) -> None:
    """Each writes or reads the path it names, and bad paths and notebooks get a sentence."""
    out = tmp_path / "out.ipynb"
    async with Program.start(tmp_path / "data") as program:
        await program.run("6 * 7")
        saved = await program.answer(id=program.send(notebook=str(out)), event="saved")
        assert saved["size"] == out.stat().st_size
        await program.answer(id=program.send(bundle=str(tmp_path / "out.zip")), event="saved")
        sent = program.send(user=2, replay=str(out))
        done = await program.answer(id=sent, event="replayed")
        assert done["failed"] == 0
        assert [step["status"] for step in program.events(sent, "step")] == ["ok"]
        assert program.events(sent, "result")[0]["output"] == "42\n"
        bad = await program.answer(id=program.send(replay=str(tmp_path / "out.zip")), event="error")
        assert bad["error"] == "NotebookError"
        (tmp_path / "many.ipynb").write_bytes(b'{"nbformat":4,"cells":[' + b"{}," * 50_000 + b"{}]}")
        many = await program.answer(id=program.send(replay=str(tmp_path / "many.ipynb")), event="error")
        assert many["message"].startswith("The notebook has 50,001 cells")
        missing = await program.answer(id=program.send(replay="/nowhere.ipynb"), event="error")
        assert missing["message"] == "There is no file /nowhere.ipynb."


async def test_a_bundle_over_its_limit_is_given_up(sessions: Sessions) -> None:
    """It ends as soon as the zip is larger than it may be, and the next one is made."""
    await sessions.upload("noise.bin", os.urandom(4 << 20), 1)
    await sessions.execute_code("data = load_file('noise.bin')", 1)
    session = await sessions.session(1, "terminal")
    with tempfile.TemporaryFile() as file:
        with pytest.raises(OverLimit):
            await bundle(session, sessions.files, file, limit=100_000)
        assert file.seek(0, os.SEEK_END) < 3 << 20
    with zipfile.ZipFile(io.BytesIO(await bundled(sessions))) as archive:
        assert len(archive.read("noise.bin")) == 4 << 20


async def test_a_notebook_over_its_limit_is_zipped(sessions: Sessions) -> None:
    """Below the limit it is sent unchanged; if the zip is too large as well, it is given up."""
    await sessions.execute_code("print('x' * 100_000)", 1)
    session = await sessions.session(1, "terminal")
    whole = await exported(sessions)
    for limit, zipped in ((200_000, False), (20_000, True)):
        with tempfile.TemporaryFile() as file:
            assert await notebook(session, file, limit=limit) is zipped
            file.seek(0)
            data = file.read()
        if zipped:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = archive.read("session.ipynb")
        assert data == whole
    with tempfile.TemporaryFile() as file, pytest.raises(OverLimit):
        await notebook(session, file, limit=100)


async def test_a_bundle_holds_no_file_in_memory(sessions: Sessions) -> None:
    """Only one piece of 48 MB of files is in memory at a time."""
    session = await sessions.session(1, "terminal")
    names = [f"{number}.bin" for number in range(3)]
    for name in names:
        await sessions.files.put(1, "u1", name, os.urandom(16 << 20), source="uploaded")
    await session.transcript.begin(Request(1, "a", "terminal", f"names = {names}"))
    before = resident()
    most = before
    with tempfile.TemporaryFile() as file:
        making = asyncio.ensure_future(bundle(session, sessions.files, file))
        while not making.done():
            await asyncio.wait([making], timeout=0.01)
            most = max(most, resident())
        await making
        assert file.seek(0, os.SEEK_END) > 48 << 20
    assert most - before < 24 << 20


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("pd.read_csv('my data.csv')", ["my data.csv"]),
        ('open("/workspace/out/a.csv")', ["out/a.csv", "a.csv"]),
        ("!head a.csv | tail", ["a.csv"]),
        ("%run a.csv\nf(it's.txt)", ["a.csv"]),
        ('load_file("it\'s.txt")', ["it's.txt"]),
        ("np.save(data.csv)", []),
        ("x = 'a.csv.bak'", []),
    ],
)
def test_names_in_code_are_found(code: str, found: list[str]) -> None:
    """A name in quotes, after folders, or as a word of its own; not as a part of another name."""
    assert sorted(named(code, {"my data.csv", "out/a.csv", "a.csv", "it's.txt"})[1]) == sorted(found)


@pytest.mark.parametrize("unit", ["/", "a/", "'a.csv/", "abcdefghij ", "\"'", "a.csv,"])
def test_code_of_any_kind_is_searched_in_a_time_that_its_length_bounds(unit: str) -> None:
    """A megabyte of text that could be many names is searched within the test's time limit."""
    named(unit * (1_000_000 // len(unit)), {f"{number}.csv" for number in range(10_000)})


async def test_a_second_replay_of_a_person_is_refused(sessions: Sessions, tmp_path: Path) -> None:
    """Each replay keeps its notebook on disk: one at a time, and another once it has ended."""
    (tmp_path / "in.ipynb").write_bytes(write([Code("1")]))

    async def opened() -> BinaryIO:
        return (tmp_path / "in.ipynb").open("rb")

    for _ in range(2):
        async with imported(sessions.jobs, 1, opened) as first:
            assert list(first.cells) == [Code("1")]
            with pytest.raises(AtWork):
                async with imported(sessions.jobs, 1, opened):
                    pytest.fail("two at once")


async def test_what_was_there_stays_when_a_notebook_cannot_be_written(tmp_path: Path) -> None:
    """The old file is replaced by a complete new one or not at all, and no partial file is left beside it."""
    (tmp_path / "out.ipynb").write_bytes(b"old")

    def write_half() -> None:
        with created(tmp_path / "out.ipynb") as file:
            file.write(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    (tmp_path / "out.ipynb").chmod(0o640)
    with created(tmp_path / "out.ipynb") as file:
        file.write(b"new")
    assert [(path.read_bytes(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [
        (b"new", 0o640)
    ]
    with pytest.raises(NotAFile), created(Path("/dev/null")):
        pytest.fail("a device is no place for it")
