"""`python -m bot.console --json`: the main flow, end to end, in the real program."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from tests.model_server import ModelServer, calls, run_python, says
from tests.mongodb import running_mongodb
from tests.nodes import end_nodes
from tests.program import Program

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the event loop of the shared program

EIGHT_FILES = """
import json, pickle, zipfile
import numpy as np, pandas as pd, matplotlib.pyplot as plt
df = pd.DataFrame({"name": ["a", "b"], "n": [1, 2]})
df.to_csv("data.csv", index=False)
df.to_excel("data.xlsx", index=False)
json.dump({"a": [1, 2]}, open("data.json", "w"))
open("summary.txt", "w").write("two rows")
plt.plot([1, 2]); plt.savefig("plot.png"); plt.close()
pickle.dump({"model": 1}, open("model.pkl", "wb"))
np.save("a.npy", np.arange(5))
with zipfile.ZipFile("archive.zip", "w") as archive: archive.write("data.csv")
"""
WRITTEN = [
    "data.csv",
    "data.xlsx",
    "data.json",
    "summary.txt",
    "plot.png",
    "model.pkl",
    "a.npy",
    "archive.zip",
]
TYPES = {
    "data.csv": "data",
    "data.xlsx": "data",
    "data.json": "structured",
    "summary.txt": "text",
    "plot.png": "image",
    "model.pkl": "scientific",
    "a.npy": "scientific",
    "archive.zip": "archive",
}

BAD = [
    (b"{nonsense\n", "not a line of JSON"),
    (b"[1]\n", "a request is an object"),
    (b'{"user": "bob", "code": "1"}\n', "user is a whole number"),
    (b'{"user": 1}\n', "a request has one of: code, ask, upload, files, load_file, variables, reset"),
    (b'{"code": 5}\n', "code is a text"),
    (b'{"code": "1", "reset": true}\n', "this one has code and reset"),
    (b'{"reset": 0}\n', 'reset is true or "all", or is left out'),
    (b'{"reset": "everything"}\n', 'reset is true or "all", or is left out'),
    (b'{"interrupt": false}\n', 'interrupt is true or "kill", or is left out'),
    (b'{"interrupt": "all"}\n', 'interrupt is true or "kill", or is left out'),
    (b'{"files": null}\n', "files is true, or is left out"),
    (b'{"variables": "all"}\n', "variables is true, or is left out"),
    (b'{"replay": "a.ipynb", "keep_going": 1}\n', "keep_going is true or false"),
    (b'{"code": "1", "user_files": "abc"}\n', "user_files is a list"),
    (b'{"upload": "/nowhere/at/all.csv"}\n', "There is no folder /nowhere/at"),
    (b'{"notebook": "a\\u0000b"}\n', "There is no file a\ufffdb"),
    (b'{"bundle": "\\ud800"}\n', "There is no file \ufffd"),
    (b'{"replay": ""}\n', "There is no file "),
    (b'{"replay": "~nobody-here/a.ipynb"}\n', "There is no folder ~nobody-here"),
    (b'{"upload": "/nowhere\\u0000\\ud800"}\n', "There is no file /nowhere\ufffd\ufffd"),
    (b'{"upload": "/tmp"}\n', "/tmp is a folder, not a file"),
    (b'{"upload": "/dev/zero"}\n', "/dev/zero is a pipe or a device, not a file"),
    (b'{"code": "1", "id": ' + b"[" * 200 + b"]" * 200 + b"}\n", "not a line of JSON"),
    (b'{"code": "\xc3\x28"}\n', "not a line of JSON"),
    (b'{"input": "x"}\n', "Nothing is running."),
]


_users = count(100)


@pytest_asyncio.fixture(loop_scope="module")
async def own_program(tmp_path: Path) -> AsyncIterator[Program]:
    """The program on an empty data folder."""
    async with Program.start(tmp_path / "data", "--timeout", "40s") as program:
        yield program


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_program(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    """The program that tests share: with its node it takes three seconds of processor time to start."""
    data = tmp_path_factory.mktemp("shared") / "data"
    async with Program.start(data, "--timeout", "40s") as program:
        yield program
    await end_nodes(data.parent)


@pytest_asyncio.fixture(loop_scope="module")
async def program(one_program: Program) -> AsyncIterator[Program]:
    """The shared program, for a new person whose data is deleted afterwards."""
    one_program.user = next(_users)
    one_program.seen.clear()
    yield one_program
    await one_program.answer(id=one_program.send(reset="all"), event="reset")


# With the default there are enough tests.
@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "mongodb"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment that selects each database."""
    if request.param == "sqlite":
        yield {}
        return
    with running_mongodb() as uri:
        yield {"MONGODB_URI": uri, "NODE": "none"}  # with a node it is the same store


async def test_eight_files_are_listed_with_ids_and_types_and_load_again_by_id(
    tmp_path: Path, database: dict[str, str]
) -> None:
    """An id loads its file in a later cell and after a restart; for anybody else it does not exist."""
    load = 'df = load_file("{}"); (type(df).__name__, df.shape)'
    async with Program.start(tmp_path / "data", **database) as program:
        written = await program.run(EIGHT_FILES)
        assert written["status"] == "ok", written["error"]
        assert {file["filename"]: file["type"] for file in written["generated_files"]} == TYPES
        ids = {file["filename"]: file["file_id"] for file in written["generated_files"]}
        assert written["generated_file_ids"] == list(ids.values())
        assert list(ids) == WRITTEN
        for name in ("data.csv", "data.xlsx"):
            later = await program.run(load.format(ids[name]))
            assert later["output"] == "('DataFrame', (2, 2))\n"
        foreign = await program.run(f"load_file('{ids['data.csv']}')", user=2)
        absent = await program.run("load_file('k7m3q9x2va')", user=2)
        sent = program.send(user=2, load_file=ids["data.csv"])
        refused = await program.answer(id=sent, event="error")
    async with Program.start(tmp_path / "data", **database) as program:
        again = await program.run(load.format(ids["data.csv"]))
        listed = await program.answer(id=program.send(files=True), event="files")
        loaded = await program.answer(id=program.send(load_file=ids["summary.txt"]), event="loaded")
    assert foreign["status"] == absent["status"] == "error"
    assert f"no file {ids['data.csv']}: it expired, or is not yours" in foreign["error"]
    assert "no file k7m3q9x2va: it expired, or is not yours" in absent["error"]
    assert refused["message"] == f"No file {ids['data.csv']}: it expired, or is not yours."
    assert again["output"] == "('DataFrame', (2, 2))\n"
    assert {file["file_id"] for file in listed["files"]} == set(ids.values())
    assert {file["source"] for file in listed["files"]} == {"generated"}
    times = [datetime.fromisoformat(file["uploaded_at"]) for file in listed["files"]]
    assert times == sorted(times, reverse=True)
    assert [file["filename"] for file in listed["files"]] == list(ids)[::-1]
    assert base64.b64decode(loaded["data"]) == b"two rows"


async def test_past_its_retention_a_file_is_gone_with_its_bytes_and_its_folder(tmp_path: Path) -> None:
    """An expired id reads as not found at once, and the sweep leaves no bytes and no empty folder."""
    kept = tmp_path / "data" / "files"
    async with Program.start(tmp_path / "data", "--retention", "3s", NODE="none") as program:
        written = await program.run("open('a.txt', 'w').write('x' * 1000)")
        (file_id,) = written["generated_file_ids"]
        assert (await program.run(f"len(load_file('{file_id}'))"))["output"] == "1000\n"
        async with asyncio.timeout(30):
            while any(path.is_dir() for path in kept.iterdir()):  # noqa: ASYNC110 - another process sweeps
                await asyncio.sleep(0.1)
        gone = await program.run(f"load_file('{file_id}')")
        listed = await program.answer(id=program.send(files=True), event="files")
    assert f"no file {file_id}: it expired, or is not yours" in gone["error"]
    assert listed["files"] == []


async def test_user_files_are_in_the_workspace_before_the_code_runs(program: Program, tmp_path: Path) -> None:
    """`user_files` puts stored files there by name, and they are not listed as generated again."""
    source = tmp_path / "cities.csv"
    source.write_text("city,people\nUlm,126000\n")
    uploaded = await program.answer(id=program.send(upload=str(source)), event="uploaded")
    await program.run("import os; os.remove('cities.csv')")
    file_id = uploaded["file"]["file_id"]
    result = await program.run("open('cities.csv').read()", user_files=[file_id])
    assert "Ulm" in result["output"]
    assert result["generated_files"] == []
    sent = program.send(user=9, code="1", user_files=[file_id])
    refused = await program.answer(id=sent, event="error")
    assert refused["message"] == f"No file {file_id}: it expired, or is not yours."
    assert program.events(sent, "result") == []


async def test_variables_stay_and_are_never_seen_by_others(program: Program) -> None:
    """`x = 1`, then `x + 1` in another message gives 2; another user has no x."""
    await program.run("x = 1", user=1)
    assert (await program.run("x + 1", user=1))["output"] == "2\n"
    other = await program.run("x", user=2)
    assert "NameError" in other["error"]
    assert other["return_code"] == 1


@pytest.mark.timeout(180)
async def test_twenty_users_with_ten_cells_each_lose_nothing(own_program: Program) -> None:
    """Twenty people at once get each of their ten results, in order, with their own values."""
    people = range(1, 21)
    sent = {
        user: [
            own_program.send(
                user=user, code=f"mine = globals().get('mine', []) + [{user} * 100 + {cell}]; mine"
            )
        ]
        for user in people
        for cell in [0]
    }
    for cell in range(1, 10):
        for user in people:
            sent[user].append(
                own_program.send(user=user, code=f"mine = mine + [{user} * 100 + {cell}]; mine")
            )
    for user in people:
        for cell, request in enumerate(sent[user]):
            result = await own_program.answer(id=request, event="result")
            assert result["output"] == f"{[user * 100 + n for n in range(cell + 1)]}\n"


async def test_a_runaway_cell_ends_and_the_kernel_goes_on(tmp_path: Path) -> None:
    """`while True: pass` is stopped at its time, and the next cell finds its variables."""
    async with Program.start(tmp_path / "data", "--timeout", "2s", NODE="none") as program:
        await program.run("x = 41")
        stopped = await program.run("while True: pass")
        assert (stopped["status"], stopped["return_code"]) == ("timeout", 124)
        assert stopped["message"] == "Stopped: the cell ran out of time."
        assert (await program.run("x + 1"))["output"] == "42\n"


@pytest.mark.parametrize(
    "code",
    [
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass",
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    ],
    ids=["swallows KeyboardInterrupt", "stuck regex"],
)
async def test_a_cell_that_cannot_be_interrupted_ends_in_a_fresh_kernel(tmp_path: Path, code: str) -> None:
    """The kernel is replaced, and the next cell has the variables as they were before."""
    async with Program.start(tmp_path / "data", "--timeout", "2s", NODE="none", STATE="on") as program:
        await program.run("precious = 1")
        await program.saved(1)
        stopped = await program.run(code)
        assert (stopped["status"], stopped["as_of"]) == ("timeout", 1)
        assert "precious" not in stopped["lost"]
        assert (await program.run("precious + 1"))["output"] == "2\n"


async def test_input_is_asked_and_answered(program: Program) -> None:
    """`input("name? ")` becomes a question, and the answer goes into the cell."""
    sent = program.send(code="name = input('name? '); print('hello', name)")
    question = await program.answer(id=sent, event="question")
    assert (question["prompt"], question["password"]) == ("name? ", False)
    assert "number" not in question
    program.send(input="Bob")
    result = await program.answer(id=sent, event="result")
    assert result["output"] == "name? Bob\nhello Bob\n"


async def test_what_is_too_large_is_refused_and_what_is_sent_next_works(program: Program) -> None:
    """Lines, cells and answers each have a limit; the question still waits, and the next cell runs."""
    for line, words in (
        (b'{"code": "' + b"x" * (33 << 20) + b'"}\n', "a line has at most 32 MB"),
        (b'{"code": [' + b"{}," * (1 << 20) + b"1]}\n", "a line has at most 10,000 values"),
        (b'{"code": "' + b"x" * (5 << 20) + b'"}\n', "The code is too large: 5 MB, over the 4 MB limit"),
    ):
        program.seen.clear()
        program.send_raw(line)
        assert words in (await program.answer(event="error"))["message"]
    sent = program.send(code="len(input())")
    await program.answer(id=sent, event="question")
    program.seen.clear()
    program.send(input="x" * (2 << 20))
    assert "The answer is too large" in (await program.answer(event="error"))["message"]
    program.send(input="Bob")
    assert (await program.answer(id=sent, event="result"))["output"] == "Bob\n3\n"


async def test_at_the_end_of_the_input_nobody_is_waited_for(own_program: Program) -> None:
    """A question that is open then, and each later one, gets an end of file."""
    open_one = own_program.send(user=1, code="input('open? ')")
    later = own_program.send(user=1, code="input('later? ')")
    await own_program.answer(id=open_one, event="question")
    assert await own_program.end() == 0
    for sent in (open_one, later):
        result = await own_program.answer(id=sent, event="result")
        assert (result["status"], "EOFError" in result["error"]) == ("error", True)


async def test_a_progress_bar_is_one_moving_line(program: Program) -> None:
    """tqdm's many redraws are one line in the result, at its end."""
    result = await program.run(
        "from tqdm import tqdm\nimport time\nfor _ in tqdm(range(20)): time.sleep(0.05)"
    )
    assert result["output"].count("\n") == 1
    assert result["output"].startswith("100%")


async def test_a_dead_kernel_is_said_and_the_next_cell_works(program: Program) -> None:
    """`os._exit(1)` reads "the kernel died", with what was lost (nothing is saved); then there is another."""
    await program.run("x = 1")
    died = await program.run("import os; os._exit(1)")
    assert (died["status"], died["return_code"]) == ("died", 1)
    assert died["message"] == "The kernel died (exit code 1)."
    assert died["lost"] == ["x"]
    assert (await program.run("1 + 1"))["output"] == "2\n"


async def test_a_100_mb_print_is_clipped_head_and_tail_and_its_result_arrives(program: Program) -> None:
    """The head and tail of the text are there with a line between them, followed by the cell's value."""
    result = await program.run("print('head' + 'x' * 100_000_000 + 'tail'); 6 * 7")
    assert result["status"] == "ok"
    assert result["output"].startswith("headxxx")
    assert result["output"].endswith("xxxtail\n42\n")
    assert "95.4 MB of text left out" in result["output"] or "94.4 MB of text left out" in result["output"]
    assert len(result["output"]) < 1_100_000


async def test_what_a_thread_prints_after_its_cell_is_late_output_of_that_cell(program: Program) -> None:
    """It arrives marked as late, with the number of the cell that started the thread."""
    started = await program.run(
        "import threading, time\n"
        "def later():\n    time.sleep(3); print('late words'); open('late.txt', 'w').write('x')\n"
        "threading.Thread(target=later).start()"
    )
    late = await program.answer(event="stream", late=True)
    assert (late["text"], late["cell"]) == ("late words\n", started["cell"])
    captured = await program.answer(event="captured", late=True)
    assert [file["filename"] for file in captured["files"]] == ["late.txt"]


async def test_an_interrupt_stops_the_running_cell_only(program: Program) -> None:
    """`{"interrupt": true}` ends the cell that runs; with none it says so."""
    await program.run("x = 5")
    sent = program.send(code="print('begun', flush=True)\nimport time; time.sleep(600)")
    await program.answer(id=sent, event="stream")
    program.send(interrupt=True)
    result = await program.answer(id=sent, event="result")
    assert (result["status"], result["return_code"]) == ("interrupted", 130)
    assert (await program.run("x"))["output"] == "5\n"
    idle = program.send(interrupt=True)
    assert (await program.answer(id=idle, event="error"))["message"] == "Nothing is running."


async def test_reset_of_all_deletes_files_and_transcript(program: Program) -> None:
    """The same as `%reset all` and `/reset everything`."""
    await program.run("x = 1; open('a.txt', 'w').write('abc');")
    await program.answer(id=program.send(reset="all"), event="reset")
    assert (await program.answer(id=program.send(files=True), event="files"))["files"] == []
    result = await program.run("import glob; print(glob.glob('*'), 'x' in globals())")
    assert (result["output"], result["cell"]) == ("[] False\n", 1)


async def test_reset_gives_a_fresh_kernel_and_keeps_the_files(program: Program) -> None:
    """After a reset the variables are gone and the workspace is as it was."""
    await program.run("x = 1; open('a.txt', 'w').write('kept')")
    await program.answer(id=program.send(reset=True), event="reset")
    assert (await program.run("'x' in globals(), open('a.txt').read()"))["output"] == "(False, 'kept')\n"


async def test_a_bad_request_gets_a_sentence_and_the_next_one_works(program: Program) -> None:
    """Bad input affects nothing but its own answer."""
    for line, words in BAD:
        program.seen.clear()
        program.send_raw(line)
        assert words in (await program.answer(event="error"))["message"]
        assert (await program.answer(id=program.send(files=True), event="files"))["files"] == []
        assert [answer["event"] for answer in program.seen] == ["error", "files"]


async def test_empty_lines_are_passed_over_and_any_id_comes_back_as_json(program: Program) -> None:
    """A file of requests may end in an empty line; an id that JSON does not know comes back as null."""
    program.send_raw(b'\n  \r\n{"id": NaN, "code": "6 * 7"}\n\n')
    assert (await program.answer(event="result"))["output"] == "42\n"
    assert [answer["event"] for answer in program.seen] == ["value", "result"]
    assert program.seen[0]["id"] is None


async def test_a_line_that_is_refused_is_told_with_its_id(program: Program) -> None:
    """Whatever is wrong with a request, the answer says which request it was."""
    program.send_raw(b'{"id": "a", "user": "bob", "code": "1"}\n')
    refused = await program.answer(id="a", event="error")
    assert "user" not in refused
    program.send_raw(b'{"id": "b", "user": 3}\n')
    assert (await program.answer(id="b", event="error"))["user"] == 3


async def test_a_file_over_the_limit_is_refused_before_all_of_it_is_read(tmp_path: Path) -> None:
    """A sparse file of 3 GB, which would fill the memory."""
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(3 << 30)
    async with Program.start(tmp_path / "data", "--max-file", "1MiB", NODE="none") as program:
        sent = program.send(upload=str(tmp_path / "huge.bin"))
        refused = await program.answer(id=sent, event="error")
        assert refused["message"] == "Not stored: over the 1 MB limit for one file."
        peak = Path(f"/proc/{program.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    assert int(peak) < 1_000_000, "kB of memory"


async def test_two_programs_on_one_data_folder_are_refused(own_program: Program, tmp_path: Path) -> None:
    """The second one says what to do and exits with status 2; the first keeps running."""
    await own_program.run("1")
    second = await asyncio.create_subprocess_exec(
        *(__import__("sys").executable, "-m", "bot.console", "--json", "--data", str(tmp_path / "data")),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await second.communicate()
    assert second.returncode == 2
    assert b"Another Kernelcord works in" in told
    assert (await own_program.run("2"))["output"] == "2\n"


@pytest.mark.asyncio(loop_scope="function")  # the server's event loop
async def test_asking_is_told_in_events_and_can_be_interrupted(tmp_path: Path, server: ModelServer) -> None:
    """`words`, `code`, the cell's own events, `usage`, `answer`; `interrupt` stops the model."""
    server.will(calls(run_python("6 * 7"), words=["So: "]), says("42."), says("Well", hold=asyncio.Event()))
    where = {"OPENAI_BASE_URL": server.base_url, "MODEL": "gpt-5.4"}
    async with Program.start(tmp_path / "data", **where) as program:
        sent = program.send(ask="six times seven?")
        answer = await program.answer(id=sent, event="answer")
        assert [one["text"] for one in program.events(sent, "words")] == ["So: ", "42."]
        (code,) = program.events(sent, "code")
        (result,) = program.events(sent, "result")
        assert (code["code"], code["cell"], result["output"]) == ("6 * 7", result["cell"], "42\n")
        assert (answer["words"], answer["cells"], answer["stopped"]) == (
            "So: \n\n42.",
            [result["cell"]],
            False,
        )
        (usage,) = program.events(sent, "usage")
        assert (usage["input_tokens"], usage["output_tokens"], usage["model"]) == (200, 40, "gpt-5.4")
        assert usage["cost"] == pytest.approx((200 * 2.5 + 40 * 15) / 1e6)
        slow = program.send(ask="and?")
        await program.answer(id=slow, event="words")
        program.send(interrupt=True)
        stopped = await program.answer(id=slow, event="answer")
        assert (stopped["words"], stopped["stopped"]) == ("Well", True)
        await server.left()
        server.will(calls(run_python("print('begun\\n', end='', flush=True); import time; time.sleep(600)")))
        cell = program.send(ask="wait")
        await program.answer(id=cell, event="stream", text="begun\n")
        program.send(interrupt=True)
        stopped = await program.answer(id=cell, event="answer")
        assert (stopped["stopped"], len(stopped["cells"])) == (True, 1)
        assert (await program.answer(id=cell, event="result"))["status"] == "interrupted"


async def test_asking_without_a_model_is_an_error_that_says_what_is_missing(program: Program) -> None:
    """Everything else works without one."""
    refused = await program.answer(id=program.send(ask="hello"), event="error")
    assert refused["error"] == "NoModel"
    assert "OPENAI_API_KEY" not in refused["message"]
    assert "Set OPENAI_API_KEY" in refused["advice"]
