"""The store keeps its promises if the program is killed at any moment."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.files import FileStore
from filestore.janitor import Janitor

KILLS, MANY = 5, 30
PROGRAM = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.files import FileStore

async def main(data, uri):
    async with open_store(data, mongodb_uri=uri) as store:
        files = FileStore(store, Blobs(data / "files"), clock=lambda: datetime.now(UTC))
        async def put(worker):
            number = 0
            while True:
                stored = await files.put(
                    worker, "s", f"{number % 3}.bin", os.urandom(200_000), source="generated"
                )
                print(stored.user_id, stored.file_id, flush=True)
                if number % 4 == 3:
                    print(-worker, stored.file_id, flush=True)  # from here on it may be there or not
                    await files.delete(stored.file_id, worker)
                number += 1
        await asyncio.gather(*(put(worker) for worker in (1, 2, 3)))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2] or None))
"""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [KILLS, pytest.param(MANY, marks=pytest.mark.soak)])
@pytest.mark.parametrize("backend", ["sqlite", "mongodb"])
async def test_kill_at_any_moment_leaves_only_files_that_load(
    backend: str, kills: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """After each SIGKILL announced files and rows load, and all other bytes are found and swept."""
    uri = request.getfixturevalue("mongodb_uri") if backend == "mongodb" else None
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    announced: set[tuple[int, str]] = set()
    for _ in range(kills):
        announced |= await asyncio.to_thread(_run_and_kill, tmp_path, uri, moments.randrange(1, 25))
        async with open_store(tmp_path, mongodb_uri=uri) as store:
            blobs = Blobs(tmp_path / "files")
            files = FileStore(store, blobs, clock=lambda: datetime.now(UTC))
            rows = [
                row for row in await store.files.batch(limit=100_000) if row.expires_at > datetime.now(UTC)
            ]
            for row in rows:
                assert len((await files.load_file(row.file_id, row.user_id)).data) == row.file_size
            assert announced <= {(row.user_id, row.file_id) for row in rows}, f"lost with seed {seed}"
    async with open_store(tmp_path, mongodb_uri=uri) as store:
        janitor = Janitor(store, blobs, clock=lambda: datetime.now(UTC))
        later = datetime.now(UTC) + timedelta(hours=2)
        await janitor.sweep(later)
        swept = await janitor.sweep(later + timedelta(hours=25))  # unannounced files were in the trash
        keys = {row.blob_key for row in await store.files.batch(limit=100_000)}
        root = tmp_path / "files"
        on_disk = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        assert swept.lost == 0
        assert on_disk == keys | {".database"}
    assert announced


def _run_and_kill(data: Path, uri: str | None, lines: int) -> set[tuple[int, str]]:
    """Kill the program once it has printed some lines; returns the files announced and not being deleted."""
    command = [sys.executable, "-c", PROGRAM, str(data), uri or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    assert all(told), "the program ended by itself"
    events = [line.split() for line in told if line.endswith("\n")]
    announced = {(int(user), file_id) for user, file_id in events}
    return {(user, file_id) for user, file_id in announced if user > 0 and (-user, file_id) not in announced}
