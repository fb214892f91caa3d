"""A cell's record is written while its kernel works; nothing of the cell is shown until it is written."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.reply import Reply
from bot.sessions import Sessions
from filestore.errors import StoreUnavailable
from filestore.records import CellRecord
from filestore.sqlite.transcripts import SqliteTranscripts
from tests.live.cells import until
from tests.program import Program

RAN = "print('shown'); open('ran.txt', 'w').write('ran');"


class Begins:
    """Holds the writes that begin cells: sets `held`, waits for `goes_on`, and then fails if `fails`."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.fails = False


@contextmanager
def held_begins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Begins]:
    """Inside the block, the database accepts no cell's beginning until it is released."""
    begins = Begins()
    begin_cell = SqliteTranscripts.begin_cell

    async def hold(*given: Any, **more: Any) -> CellRecord:
        begins.held.set()
        await begins.goes_on.wait()
        if begins.fails:
            raise StoreUnavailable("away")
        return await begin_cell(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteTranscripts, "begin_cell", hold)
        try:
            yield begins
        finally:
            begins.goes_on.set()


async def cells(sessions: Sessions) -> list[CellRecord]:
    """The cells of person 1."""
    session = await sessions.session(1, "terminal")
    return [entry for entry in await session.transcript.entries() if isinstance(entry, CellRecord)]


def ran_file(sessions: Sessions) -> Path:
    """The file that person 1's cell writes when it runs."""
    session = sessions.opened(sessions.id_of(1, "terminal"))
    assert session is not None
    path: Path = session.kernel.workspace.path / "ran.txt"  # type: ignore[attr-defined]
    return path


async def test_the_kernel_works_while_the_record_is_written_and_nothing_is_shown_before(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell ends in its kernel, but its person sees nothing until the database has its beginning."""
    told: list[Reply] = []

    async def tell(reply: Reply) -> None:
        told.append(reply)

    await sessions.execute_code("1", 1)
    with held_begins(monkeypatch) as begins:
        turn = asyncio.create_task(sessions.execute_code(RAN, 1, tell=tell))
        await begins.held.wait()
        await until(lambda: ran_file(sessions).exists())
        await asyncio.sleep(0.1)  # its output has come
        assert (told, len(await cells(sessions))) == ([], 1)
        begins.goes_on.set()
        result = await turn
    assert (result.output, result.unrecorded) == ("shown\n", "")
    assert [file.filename for file in result.generated_files] == ["ran.txt"]
    assert {reply.cell for reply in told} == {2}
    assert [(cell.seq, cell.status, cell.code) for cell in await cells(sessions)] == [
        (1, "ok", "1"),
        (2, "ok", RAN),
    ]


async def test_a_beginning_that_the_database_does_not_take_waits_in_the_spool(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell runs once, under the number it was given, and its person sees it as usual."""
    await sessions.execute_code("1", 1)
    with held_begins(monkeypatch) as begins:
        turn = asyncio.create_task(sessions.execute_code(RAN, 1))
        await begins.held.wait()
        await until(lambda: ran_file(sessions).exists())
        begins.fails = True
        begins.goes_on.set()
        result = await turn
        assert (result.output, result.cell) == ("shown\n", 2)
        assert "Not recorded yet: the database cannot be reached" in result.unrecorded
    await until(lambda: sessions.store.transcripts.waiting("u1") is None)
    assert [(cell.seq, cell.status, cell.outputs) for cell in await cells(sessions)][1:] == [
        (2, "ok", result.outputs)
    ]


async def test_the_order_of_records_is_that_of_cells(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and cells that arrive while a beginning is being written follow it, in order of arrival."""
    await sessions.execute_code("seen = []", 1)
    session = await sessions.session(1, "terminal")
    with held_begins(monkeypatch) as begins:
        turns = [asyncio.create_task(sessions.execute_code(f"seen.append({n}); seen", 1)) for n in range(3)]
        await begins.held.wait()
        await asyncio.sleep(0)
        saying = asyncio.create_task(session.transcript.say("terminal", "Ann", "words"))
        await asyncio.sleep(0.05)
        begins.goes_on.set()
        results = [await turn for turn in turns]
        said = await saying
    assert [result.output for result in results] == ["[0]\n", "[0, 1]\n", "[0, 1, 2]\n"]
    assert [result.cell for result in results] == [2, 3, 4]
    assert said.seq == 5
    assert [entry.seq for entry in await session.transcript.entries()] == [1, 2, 3, 4, 5]


async def test_a_turn_that_is_given_up_while_its_record_is_written_is_recorded_with_what_ran(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are kept, no task is left, and the next cell works."""
    await sessions.execute_code("1", 1)
    before = asyncio.all_tasks()
    with held_begins(monkeypatch) as begins:
        code = f"{RAN} import time; time.sleep(600)"
        turn = asyncio.create_task(sessions.execute_code(code, 1))
        await begins.held.wait()
        await until(lambda: ran_file(sessions).exists())
        turn.cancel()
        begins.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await turn
    ended = (await cells(sessions))[1]
    assert (ended.status, len(ended.file_ids)) == ("interrupted", 1)
    assert ended.outputs[0]["text"] == "shown\n"
    await until(lambda: asyncio.all_tasks() <= before)
    assert (await sessions.execute_code("6 * 7", 1)).output == "42\n"


async def test_a_turn_that_is_given_up_before_its_record_is_begun_never_runs(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits behind another write in its session; after that, its cell is recorded as interrupted."""
    await sessions.execute_code("ran = False", 1)
    session = await sessions.session(1, "terminal")
    with held_begins(monkeypatch) as begins:
        first = asyncio.create_task(sessions.execute_code("1", 1))
        await begins.held.wait()
        second = asyncio.create_task(sessions.execute_code("ran = True", 1))
        await until(lambda: len(session._runs) == 2)
        second.cancel()
        await asyncio.sleep(0.05)
        begins.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert (await first).output == "1\n"
    assert [cell.status for cell in await cells(sessions)] == ["ok", "ok", "interrupted"]
    assert (await sessions.execute_code("ran", 1)).output == "False\n"


@asynccontextmanager
async def beginning_held(data: Path) -> AsyncIterator[None]:
    """Inside the block somebody else has locked the program's database, so its writes wait."""
    with closing(sqlite3.connect(data / "kernelcord.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        with suppress(sqlite3.Error):
            other.execute("ROLLBACK")


@pytest.mark.timeout(150)
@pytest.mark.parametrize("node", ["auto", pytest.param("none", marks=pytest.mark.soak)])
async def test_a_program_killed_while_a_beginning_is_written_has_shown_nothing_of_it(
    tmp_path: Path, node: str
) -> None:
    """With a node, the next program records the cell and shows its result, asked or not.

    A kernel inside the program ends with it, and the cell is neither shown nor recorded.
    """
    data = tmp_path / "data"
    async with Program.start(data, NODE=node) as program:
        await program.run("1")
        async with beginning_held(data):
            sent = program.send(code=RAN)
            await until(lambda: any((data / "workspaces").glob("*/ran.txt")))
            await asyncio.sleep(0.1)  # its output has come
            assert [answer for answer in program.seen if answer.get("id") == sent] == []
            await program.kill()
    async with Program.start(data, NODE=node) as program:
        if node == "auto":
            ended = await program.answer(cell=2, event="result")
            assert (ended["status"], ended["output"]) == ("ok", "shown\n")
            assert [file["filename"] for file in ended["generated_files"]] == ["ran.txt"]
        after = await program.run("2")
        assert (after["status"], after["cell"]) == ("ok", 3 if node == "auto" else 2)
        saved = tmp_path / "out.ipynb"
        await program.answer(id=program.send(notebook=str(saved)), event="saved")
        codes = ["".join(cell["source"]) for cell in json.loads(saved.read_text())["cells"]]
        assert codes[-2:] == [RAN if node == "auto" else "1", "2"]
