"""The time from a cell's last byte in a file to the file's announced id: reply, scan, store, record.

The cell says when it has written the file (by `time.monotonic`, which all processes share), so that neither
the writing nor anything before it counts.
"""

import asyncio
import time
from pathlib import Path

from bench import ours
from bench.ground import Ground
from bench.measure import Figure, Trial, interleaved, milliseconds
from bot.sessions import Sessions

__all__ = ["figures"]

MIB = 1 << 20
SMALL, LARGE = 1000, 50 * MIB  # bytes of a file
MANY = 100  # files
USER = 1
WRITE = """
import os, time
for number in range({files}):
    with open(f"{size}-{{number}}.bin", "wb") as file:
        file.write(os.urandom({size}))
print(time.monotonic())
"""


async def figures(ground: Ground) -> list[Figure]:
    """One small file, many of them, and a large one compared with `cp`, which does not wait for the disk."""
    scale = ground.scale
    source = ground.folder / "large.bin"
    await asyncio.to_thread(_fill, source)
    async with ours.bot(ground) as sessions:
        one = await interleaved(_announced(sessions, 1, SMALL), None, scale.single_files)
        many = await interleaved(_announced(sessions, MANY, SMALL), None, scale.many_files)
        large = _announced(sessions, 1, LARGE)
        copied = await interleaved(large, lambda: _copied(source, "cp"), scale.large_files)
        synced = await interleaved(large, lambda: _copied(source, "cp, sync"), scale.large_files)
    return [
        Figure("1 small file written -> id", "ms", one, target="<= 30 ms"),
        Figure(f"{MANY} small files written -> ids", "ms", many, target="<= 500 ms"),
        Figure("50 MiB written -> id", "ms", copied, "cp", "<= 2 x"),
        Figure("50 MiB written -> id", "ms", synced, "cp, sync", "<= 2 x"),
    ]


def _announced(sessions: Sessions, files: int, size: int) -> Trial:
    """A trial that returns the milliseconds from the last byte to the ids, with new bytes each time."""

    async def trial() -> float:
        result = await sessions.execute_code(WRITE.format(files=files, size=size), USER)
        announced = time.monotonic()
        if len(result.generated_files) != files:
            raise RuntimeError(result)
        for file in result.generated_files:
            await sessions.files.delete(file.file_id, USER)
        return (announced - float(result.output)) * 1000

    return trial


async def _copied(source: Path, how: str) -> float:
    """How many milliseconds a copy takes."""
    target = source.with_suffix(".copy")
    commands = {"cp": 'cp "$1" "$2"', "cp, sync": 'cp "$1" "$2" && sync "$2"'}

    async def copy() -> None:
        process = await asyncio.create_subprocess_exec("sh", "-c", commands[how], "sh", source, target)
        if await process.wait() != 0:
            raise RuntimeError(f"{how} failed")

    took = await milliseconds(copy())
    target.unlink()
    return took


def _fill(path: Path) -> None:
    with open("/dev/urandom", "rb") as random:
        path.write_bytes(random.read(LARGE))
