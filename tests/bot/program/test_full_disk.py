"""The whole program on a disk that is really full: a small one, in its own mount namespace."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.live.cells import PATIENCE
from tests.program import Program

SMALL = "16m"
FILL = """
def fill(name, piece):
    with open(name, 'wb', 0) as file:
        try:
            while True:
                file.write(bytes(piece))
        except OSError as error:
            return str(error)
print(fill('large', 1 << 16), fill('small', 16))
"""


def on_a_disk_of_its_own(folder: Path) -> list[str]:
    """A command prefix that runs another command with a small disk mounted on the folder while it lasts."""
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    if subprocess.run(["unshare", *namespaces, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here, as in some containers")
    mount = f'mount -t tmpfs -o size={SMALL},mode=700 small "$0" && exec "$@"'
    return ["unshare", *namespaces, "sh", "-c", mount, str(folder)]


async def test_cells_run_on_a_full_disk_and_make_room(tmp_path: Path) -> None:
    """Each says that it is not recorded yet; one deletes a file; then all are recorded, with their files."""
    data = tmp_path / "data"
    data.mkdir()
    disk = on_a_disk_of_its_own(data)
    async with Program.start(data, within=disk, NODE="none", SANDBOX="none", LOG_LEVEL="critical") as program:
        await program.run("x = 6")
        filled = await program.run(FILL)
        assert filled["output"].count("No space left on device") == 2
        assert {one["name"] for one in filled["skipped"]} == {"large", "small"}
        stranger = await program.run("print('new here')", user=2)
        deleting = await program.run("import os; os.remove('large'); print(x * 7)")
        assert (stranger["output"], deleting["output"]) == ("new here\n", "42\n")
        for result in (filled, stranger, deleting):
            assert result["success"]
            assert result["unrecorded"].startswith("Not recorded yet: the disk is full.")
        late = await program.answer(event="captured", user=1)
        assert [file["filename"] for file in late["files"]] == ["small"]
        async with asyncio.timeout(PATIENCE):
            while (await program.run("'room'"))["unrecorded"]:
                pass  # waiting writes are applied one by one, and the file was only the first
        path = tmp_path / "out.ipynb"
        await program.answer(id=program.send(notebook=str(path)), event="saved")
        cells = json.loads(path.read_text())["cells"]
        assert [cell["metadata"]["kernelcord"]["status"] for cell in cells] == ["ok"] * len(cells)
        assert len(cells) >= 4
        assert "No space left" in "".join(cells[1]["outputs"][0]["text"])
        assert [late["files"][0]["file_id"]] == cells[1]["metadata"]["kernelcord"]["file_ids"]
