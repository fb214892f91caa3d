"""The program killed with -9 at any moment: announced files load, and nothing else is left for ever."""

import asyncio
import base64
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import filestore
from filestore.blobs.store import Blobs
from filestore.janitor import Janitor
from tests.program import Program

KILLS, MANY = 6, 50
AT_ONCE = 2  # programs, each on a data folder of its own
LONGEST_LIFE = 1.0  # seconds from the first result to the kill; a cell and its capture take some 30 ms
WRITE = """
for number in range(6):
    with open(f"file{number}.txt", "w") as file:
        file.write(f"{ROUND} {number}" * 2000)
"""


async def live_and_die(data: Path, chance: random.Random, kills: int) -> dict[str, tuple[int, str]]:
    """Run cells that write files and kill the program, again and again; return the announced files by id."""
    announced: dict[str, tuple[int, str]] = {}
    for life in range(kills):
        async with Program.start(data) as program:
            await program.run("ready = True")
            for number in range(100):
                program.send(code=WRITE.replace("{ROUND}", f"{life}-{number}"))
            await asyncio.sleep(chance.uniform(0, LONGEST_LIFE))  # the moment of death is what varies here
            await program.kill()
        for answer in program.seen:
            for file in answer.get("generated_files", []) + answer.get("files", []):
                announced[file["file_id"]] = (file["size"], file["filename"])
    return announced


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [KILLS, pytest.param(MANY, marks=pytest.mark.soak)])
async def test_kills_leave_no_announced_id_that_does_not_load_and_no_lost_bytes(
    tmp_path: Path, kills: int
) -> None:
    """Each announced id loads after the crash; when all has expired the sweeps leave no byte and no row."""
    chance = random.Random(20261122)
    folders = [tmp_path / str(number) for number in range(AT_ONCE)]
    lives = await asyncio.gather(*(live_and_die(data, chance, kills // AT_ONCE) for data in folders))
    for data, announced in zip(folders, lives, strict=True):
        assert len(announced) > kills, "too little was announced for this to show anything"
        async with Program.start(data) as program:
            for file_id, (size, _) in announced.items():
                loaded = await program.answer(id=program.send(load_file=file_id), event="loaded")
                assert len(base64.b64decode(loaded["data"])) == size
        later = datetime.now(UTC) + timedelta(days=30)
        async with filestore.open_store(data) as store:
            janitor = Janitor(store, Blobs(data / "files"), clock=lambda: later)  # noqa: B023
            await janitor.sweep(later)
            assert await store.files.batch() == []
            await janitor.sweep(later + timedelta(days=2))  # unannounced files were in the trash
        assert [path.name for path in (data / "files").rglob("*") if path.is_file()] == [".database"]
