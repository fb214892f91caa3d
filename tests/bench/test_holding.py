"""Months of use in brief: many turns of many people must not add memory, descriptors, threads or folders.

Counted after a first part in which caches fill and pools of threads grow, and again after the rest.
"""

import asyncio
import gc
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic

import pytest

from bench import ours
from bench.ground import FULL, Ground
from bot.sessions import Sessions
from kernels.workspace.temporary import all_folders

CELL = "n = globals().get('n', 0) + 1\nprint(n)\nopen('same.txt', 'w').write(str(n))"
PLAIN = "n = globals().get('n', 0) + 1\nprint(n)"
MIB = 1 << 20
POOLED = 20  # threads by which the pools may still grow; they start one whenever all of theirs are busy


@dataclass(frozen=True)
class Held:
    """What the bot and its node hold at one moment. `memory` is in bytes, without that of the kernels."""

    memory: int
    descriptors: int
    threads: int
    folders: int
    database: int


def held(folder: Path) -> Held:
    """What they hold now, between two turns."""
    gc.collect()
    processes = [os.getpid(), int(json.loads((folder / "node" / "node.json").read_bytes())["pid"])]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in processes]
    memory = sum(int(line.split()[1]) for lines in rollups for line in lines if line.startswith("Private_"))
    return Held(
        memory=memory * 1024,
        descriptors=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in processes),
        threads=sum(len(os.listdir(f"/proc/{pid}/task")) for pid in processes),
        folders=len(all_folders()),
        database=sum(file.stat().st_size for file in folder.glob("kernelcord.db*")),
    )


async def turns(sessions: Sessions, numbers: Iterator[int], until: float | int, people: int) -> int:
    """Run turns of so many people at the same time, each person's in order; returns how many there were.

    `until` is their number as an integer, or as a float the time after which none begins.
    """
    done = 0

    async def person(user_id: int) -> None:
        nonlocal done
        for number in numbers:  # shared by all of them
            if (number if isinstance(until, int) else monotonic()) >= until:
                return
            result = await sessions.execute_code(CELL if number % 10 == 0 else PLAIN, user_id)
            assert result.status == "ok", result
            done += 1

    async with asyncio.TaskGroup() as group:
        for user_id in range(1, people + 1):
            group.create_task(person(user_id))
    return done


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the bot, with a temporary folder that no other program uses."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        temporary = Path(folder) / "t"
        temporary.mkdir()
        monkeypatch.setenv("TMPDIR", str(temporary))
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


async def holds(
    data: Path, kernel_python: Path, first: float | int, rest: float | int, *, people: int
) -> None:
    """Check that after `rest` turns no more is held than after the `first`; floats are seconds of turns."""
    ground = Ground(data, kernel_python, FULL)
    async with ours.bot(ground) as sessions:
        some = await turns(sessions, count(), _until(first), people)
        before = held(data / "data")
        more = await turns(sessions, count(), _until(rest), people)
        after = held(data / "data")
    assert after.descriptors <= before.descriptors + 5
    assert after.threads <= before.threads + POOLED
    assert after.folders <= before.folders
    assert after.memory - before.memory < max(32 * MIB, more * 512), (before, after, some, more)
    assert after.database - before.database < 8 * MIB + more * 4096, (before, after, some, more)


def _until(part: float | int) -> float | int:
    return monotonic() + part if isinstance(part, float) else part


async def test_hundreds_of_turns_of_many_people_hold_what_they_had(data: Path, kernel_python: Path) -> None:
    """With kernels in a node, and files now and then."""
    await holds(data, kernel_python, 100, 400, people=16)


@pytest.mark.soak
@pytest.mark.timeout(30 * 60)
async def test_a_quarter_of_an_hour_of_fifty_people_holds_what_it_had(
    data: Path, kernel_python: Path
) -> None:
    """The same, for 15 minutes without a pause."""
    await holds(data, kernel_python, 60.0, 15 * 60.0, people=50)
