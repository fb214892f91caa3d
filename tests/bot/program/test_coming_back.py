"""The program or its node is killed with -9 and started again: nothing is lost without being reported."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.live.cells import processes, until
from tests.nodes import node_pid
from tests.program import Answer, Program

LINES = 40
PRINTS = f"""
import time
for number in range({LINES}):
    print(f"line {{number}}", flush=True)
    time.sleep(0.05)
_ = open("done.txt", "w").write("done")
"""
WHOLE = "".join(f"line {number}\n" for number in range(LINES))


def told(program: Program) -> str:
    """All text that a program has shown while its cells ran."""
    return "".join(one["text"] for one in program.seen if one["event"] == "stream")


async def cells(program: Program, tmp_path: Path) -> list[Answer]:
    """The cells of the transcript, as the notebook has them."""
    path = tmp_path / "out.ipynb"
    await program.answer(id=program.send(notebook=str(path)), event="saved")
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.timeout(150)
async def test_a_cell_goes_on_while_its_program_is_killed_and_each_line_is_recorded_once(
    tmp_path: Path,
) -> None:
    """Variables, output, files: all are there afterwards, in the same kernel, and only once."""
    data = tmp_path / "data"
    async with Program.start(data) as program:
        await program.run("import os\nnumbers = [1, 2]; pid = os.getpid()")
        sent = program.send(code=PRINTS)
        await program.answer(id=sent, event="stream")
        await asyncio.sleep(0.3)  # in the middle of it
        await program.kill()
    before = told(program)
    async with Program.start(data) as program:
        program.send(code="numbers, os.getpid() == pid", id="again")
        ended = await program.answer(cell=2, event="result")
        assert (ended["status"], ended["output"]) == ("ok", WHOLE)
        assert [file["filename"] for file in ended["generated_files"]] == ["done.txt"]
        assert (await program.answer(id="again", event="result"))["output"] == "([1, 2], True)\n"
        recorded = (await cells(program, tmp_path))[1]
        assert ["".join(output["text"]) for output in recorded["outputs"]] == [WHOLE]
    after = told(program)
    assert WHOLE.endswith(after)
    assert (before + after).count("line 39\n") == 1
    assert set((before + after).splitlines()) == set(WHOLE.splitlines())


async def test_a_cell_that_ended_while_nobody_listened_is_recorded(tmp_path: Path) -> None:
    """The result, its files and its late output wait for the next program."""
    data = tmp_path / "data"
    async with Program.start(data) as program:
        await program.run("1")
        sent = program.send(
            code="print('begun', flush=True); import time; time.sleep(4)\n"
            "open('a.txt', 'w').write('abc'); 6 * 7"
        )
        await program.answer(id=sent, event="stream")
        await program.kill()
    await until(lambda: any((data / "workspaces").glob("*/a.txt")))  # it ends with nobody there
    async with Program.start(data) as program:
        ended = await program.answer(cell=2, event="result")
        assert ended["output"] == "begun\n42\n"
        assert [file["filename"] for file in ended["generated_files"]] == ["a.txt"]


async def test_a_question_is_asked_again(tmp_path: Path) -> None:
    """An `input()` that waited when its program was killed is answered in the next one."""
    data = tmp_path / "data"
    async with Program.start(data) as program:
        sent = program.send(code="name = input('who? '); print('hi', name)")
        await program.answer(id=sent, event="question")
        await program.kill()
    async with Program.start(data) as program:
        question = await program.answer(event="question")
        assert (question["prompt"], question["cell"]) == ("who? ", 1)
        program.send(input="Bob")
        assert (await program.answer(cell=1, event="result"))["output"] == "who? Bob\nhi Bob\n"


@pytest.mark.timeout(150)
async def test_a_killed_node_leaves_no_process_and_its_cell_is_told_honestly(tmp_path: Path) -> None:
    """The dead cell keeps what it had shown; the next one has the variables, and is told what is not back."""
    data = tmp_path / "data"
    async with Program.start(data, STATE="on") as program:
        await program.run("precious = 1; cannot = iter(open('kept.txt', 'w+')); cannot.write('kept')")
        kernel = int((await program.run("import os; os.getpid()"))["output"])
        await program.saved(2)
        sent = program.send(code="print('begun', flush=True)\nimport time; time.sleep(600)")
        await program.answer(id=sent, event="stream")
        node = node_pid(data)
        assert node is not None
        os.kill(node, signal.SIGKILL)
        died = await program.answer(id=sent, event="result")
        assert (died["status"], died["output"]) == ("died", "begun\n")
        assert died["message"] == "The kernel ended with the node that it lived in."
        await until(lambda: kernel not in processes("inside"))
        after = await program.run("precious, open('kept.txt').read()")
        assert after["output"] == "(1, 'kept')\n"
        told = next(one for one in (died, after) if one["as_of"])
        assert (told["as_of"], [one["name"] for one in told["unsaved"]]) == (2, ["cannot"])
        assert node_pid(data) not in (None, node)


@pytest.mark.parametrize("node", ["auto", pytest.param("none", marks=pytest.mark.soak)])
async def test_a_cell_that_ended_with_program_and_node_has_a_result(tmp_path: Path, node: str) -> None:
    """The next program reports it once, with its files, and so it does for the cell that was waiting."""
    data = tmp_path / "data"
    async with Program.start(data, NODE=node) as program:
        sent = program.send(
            code="open('a.txt', 'w').write('abc'); print('begun', flush=True)\nimport time; time.sleep(600)"
        )
        await program.answer(id=sent, event="stream")
        await program.kill()
    if (pid := node_pid(data)) is not None:
        os.kill(pid, signal.SIGKILL)
        await until(lambda: node_pid(data) is None)
    async with Program.start(data, NODE=node) as program:
        ended = await program.answer(cell=1, event="result")
        assert (ended["user"], ended["status"], ended["success"]) == (1, "died", False)
        assert ended["message"].startswith("The kernel ended while I was away")
        late = await program.answer(cell=1, late=True, event="captured")
        assert [file["filename"] for file in late["files"]] == ["a.txt"]
        assert (await program.run("1 + 1"))["output"] == "2\n"
    async with Program.start(data, NODE=node) as program:
        await program.run("1")
        assert [one for one in program.seen if one.get("cell") == 1] == []


@pytest.mark.timeout(150)
async def test_after_a_node_died_nothing_old_is_new_and_nothing_new_is_lost(tmp_path: Path) -> None:
    """With more files than one cell may store: the dead cell's file comes late, the next one's on time."""
    data = tmp_path / "data"
    async with Program.start(data) as program:
        made = await program.run("for n in range(120): _ = open(f'old{n:03}.csv', 'w').write(str(n))")
        assert len(made["generated_files"]) == 64
        sent = program.send(
            code="_ = open('aa_half.csv', 'w').write('half')\nprint('begun', flush=True)\n"
            "import time; time.sleep(600)"
        )
        await program.answer(id=sent, event="stream")
        node = node_pid(data)
        assert node is not None
        os.kill(node, signal.SIGKILL)
        died = await program.answer(id=sent, event="result")
        after = await program.run("_ = open('zz_result.csv', 'w').write('new')")
        assert [file["filename"] for file in after["generated_files"]] == ["zz_result.csv"]
        assert after["skipped"] == []
        late = await program.answer(cell=died["cell"], late=True, event="captured")
        assert [file["filename"] for file in late["files"]] == ["aa_half.csv"]
        recorded = await cells(program, tmp_path)
        assert [len(cell["metadata"]["kernelcord"]["file_ids"]) for cell in recorded] == [64, 1, 1]


async def test_variables_stay_when_the_program_ends_well(tmp_path: Path) -> None:
    """The next program finds the same kernel."""
    data = tmp_path / "data"
    async with Program.start(data) as program:
        await program.run("x = 41")
    async with Program.start(data) as program:
        assert (await program.run("x + 1"))["output"] == "42\n"


async def test_the_node_has_none_of_the_secrets(tmp_path: Path) -> None:
    """Neither the token nor the database is in its environment or in a kernel's."""
    data = tmp_path / "data"
    async with Program.start(data, DISCORD_TOKEN="canary-1", OPENAI_API_KEY="canary-2") as program:
        await program.run("1")
        environment = Path(f"/proc/{node_pid(data)}/environ").read_bytes()
        assert b"canary" not in environment
        assert b"PATH=" in environment


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("node", "state"), [("auto", "off"), ("none", "on")])
async def test_what_went_while_no_program_ran_is_told_with_the_next_cell(
    tmp_path: Path, node: str, state: str
) -> None:
    """The node was killed, or the kernels ended with their program: what is back, or lost, is named once."""
    data = tmp_path / "data"
    async with Program.start(data, NODE=node, STATE=state) as program:
        await program.run("precious = 1")
        await program.run("open('kept.txt', 'w').write('kept')")
        if state == "on":
            await program.saved(2)
        await program.kill()
    if (pid := node_pid(data)) is not None:
        os.kill(pid, signal.SIGKILL)
        await until(lambda: node_pid(data) is None)
    async with Program.start(data, NODE=node, STATE=state) as program:
        after = await program.run("'precious' in globals(), open('kept.txt').read()")
        (told,) = [answer for answer in program.seen if answer["event"] == "restarted"]
        assert told["reason"] == "it ended while I was away"
        lost, back, as_of = (["precious"], [], 0) if state == "off" else ([], ["precious"], 2)
        assert (after["output"], after["lost"]) == (f"({state == 'on'}, 'kept')\n", lost)
        assert (told["back"], told["as_of"], after["as_of"]) == (back, as_of, as_of)
        again = await program.run("1")
        assert (again["lost"], again["as_of"]) == ([], 0)


async def test_what_a_cell_had_defined_that_ended_its_kernel_is_not_called_nothing(tmp_path: Path) -> None:
    """Nobody knows its names, while those of a kernel that ended between two cells are known."""
    async with Program.start(tmp_path / "data", NODE="none") as program:
        await program.run("keep = 1; import os; os._exit(5)")
        await program.run("before = 1")
        await program.run("keep = 1; import os; os._exit(5)")
        await program.run("quit()")
        await program.run("1")
        told = [answer for answer in program.seen if answer["event"] == "restarted"]
        assert [(one["lost"], one["unnamed"]) for one in told] == [
            ([], True),
            (["before"], True),
            ([], False),
        ]
