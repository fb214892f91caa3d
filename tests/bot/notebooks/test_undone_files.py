"""A bundle has the files that its notebook needs: none that only undone cells made."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

from bot.notebooks.bundle import bundle
from bot.notebooks.used_files import used_files
from bot.sessions import Sessions
from tests.bot.worlds import Program, World


async def made(sessions: Sessions, name: str, data: bytes, cell: int) -> str:
    """The id of a version that a cell has made."""
    stored = await sessions.files.put(1, "u1", name, data, source="generated", cell=cell)
    return stored.file_id


async def test_versions_of_undone_cells_are_left_out(tmp_path: Path) -> None:
    """Cells that count get those that cells which count have made, though the names are the same."""
    world = World(tmp_path)
    async with Program(world) as sessions:
        for code in ("a", "'plot.txt'", "'plot.txt' 'only.txt'", "'plot.txt' 'only.txt' b"):
            await world.ran(sessions, code)
        first = await made(sessions, "plot.txt", b"one", 2)
        await made(sessions, "plot.txt", b"two", 3)
        await made(sessions, "only.txt", b"x", 3)
        session = await sessions.session(1, "terminal")
        await session.transcript.mark([3], undone=True)
        assert [file.file_id for file in await used_files(session, sessions.files)] == [first]
        target = io.BytesIO()
        await bundle(session, sessions.files, target)
        with zipfile.ZipFile(target) as archive:
            assert [file["file_id"] for file in json.loads(archive.read("files.json"))] == [first]
            notebook = json.loads(archive.read("notebook.ipynb"))
        code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert code[1:] == ["a", "'plot.txt'", "'plot.txt' 'only.txt' b"]


async def test_a_branch_takes_along_what_it_began_with(tmp_path: Path) -> None:
    """An upload is beside the notebook, whose cells read it; what came later elsewhere is not its own."""
    world = World(tmp_path)
    async with Program(world) as sessions:
        await world.ran(sessions, "'data.csv'")
        upload = await sessions.files.put(1, "u1", "data.csv", b"1", source="uploaded")
        world.now += timedelta(seconds=1)
        await sessions.branch(1, "terminal", "terminal", "x")
        world.now += timedelta(seconds=1)
        await sessions.files.put(1, "u1", "data.csv", b"2", source="uploaded")
        target = io.BytesIO()
        await bundle(await sessions.session(1, "terminal"), sessions.files, target)
        with zipfile.ZipFile(target) as archive:
            assert archive.read("data.csv") == b"1"
            assert [file["file_id"] for file in json.loads(archive.read("files.json"))] == [upload.file_id]
