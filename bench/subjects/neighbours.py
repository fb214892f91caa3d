"""What one person's deeds cost another: the time of somebody's `1+1` before and during each of them.

    figures = await neighbours.figures(ground)
    found = await beside("a full disk", "auto", folder, python, size=1.0, quiet=20)
    found = await timed(sessions, DEEDS["print without end"], size=1.0, quiet=20)

`python -m bench.subjects.neighbours DEED NODE FOLDER PYTHON SIZE QUIET` does one deed with a bot of its own
and prints what it has measured, as JSON. Such a bot can have a small disk or few descriptors, and whatever
becomes of it, the next deed has another one.
"""

import asyncio
import json
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench import ours
from bench.ground import FULL, Ground
from bench.measure import Figure, Samples, milliseconds
from bench.subjects.deeds import DEEDS, NEIGHBOUR, Deed
from bot.sessions import Sessions

__all__ = ["Timed", "beside", "figures", "timed", "within"]

CODE = "1+1"
WARM = 10  # cells
LEAST = 20  # cells during a deed; if it is short, the last of them run after it
PAUSE = 0.02  # seconds between the neighbour's cells, so that they are no load
HOMES = {"none": "in process", "auto": "through the node"}


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of each of the neighbour's cells; those of `during` ended while the deed went on."""

    quiet: tuple[float, ...]
    beside: tuple[float, ...]
    during: int
    seconds: float


async def figures(ground: Ground) -> list[Figure]:
    """The median and the longest of a neighbour's cells, with the median of a quiet time before."""
    told = []
    for home, where in HOMES.items():
        for name in DEEDS:
            with TemporaryDirectory(dir=ground.folder, ignore_cleanup_errors=True) as folder:
                found = await beside(
                    name, home, Path(folder), ground.python, size=1.0, quiet=ground.scale.quiet
                )
            quiet = sorted(found.quiet)[len(found.quiet) // 2]
            samples = Samples(found.beside, (quiet,) * len(found.beside))
            told += [
                Figure(f"1+1 beside {name}, {where}", "ms", samples, "quiet", "<= 3 x"),
                Figure(f"- the longest of {len(found.beside)}", "ms", samples, "", "<= 1,000 ms", 1.0),
            ]
    return told


async def beside(name: str, home: str, folder: Path, python: Path, *, size: float, quiet: int) -> Timed:
    """Do a deed with a bot of its own in `folder`; `home` says where its kernels are, as NODE does.

    Raises: RuntimeError with the end of its output if it does not finish.
    """
    arguments = [name, home, str(folder), str(python), str(size), str(quiet)]
    process = await asyncio.create_subprocess_exec(
        *(*within(DEEDS[name], folder), sys.executable, "-m", "bench.subjects.neighbours", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"{name}: {err.decode(errors='replace')[-2000:]}")
    told = json.loads(out)
    return Timed(tuple(told["quiet"]), tuple(told["beside"]), told["during"], told["seconds"])


def within(deed: Deed, folder: Path) -> list[str]:
    """A command that runs another one under the deed's conditions, for example on a small temporary disk."""
    command = []
    if deed.descriptors is not None:
        command += ["prlimit", f"--nofile={deed.descriptors}"]
    if deed.disk is not None:
        size, inodes = deed.disk
        namespaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
        mount = f'mount -t tmpfs -o size={size},nr_inodes={inodes},mode=700 small "$0" && exec "$@"'
        command += ["unshare", *namespaces, "sh", "-c", mount, str(folder)]
    return command


async def measure(deed: Deed, home: str, ground: Ground, size: float, quiet: int) -> Timed:
    """Time the neighbour's cells in a quiet time, and then during the deed."""
    async with ours.bot(ground, home, **deed.settings) as sessions:
        return await timed(sessions, deed, size, quiet)


async def timed(sessions: Sessions, deed: Deed, size: float, quiet: int) -> Timed:
    """The same with a bot that is already running."""

    async def cell() -> float:
        await asyncio.sleep(PAUSE)
        return await milliseconds(sessions.execute_code(CODE, NEIGHBOUR))

    for _ in range(WARM):
        await cell()
    await deed.prepare(sessions, size)
    before = [await cell() for _ in range(quiet)]
    begun, during = perf_counter(), 0
    doing = asyncio.create_task(deed.do(sessions, size))
    times: list[float] = []
    while not doing.done() or len(times) < LEAST:
        times.append(await cell())
        during += not doing.done()
    await doing
    return Timed(tuple(before), tuple(times), during, perf_counter() - begun)


def main() -> int:
    """Do the deed that is named in the arguments."""
    name, home, folder, python, size, quiet = sys.argv[1:]
    logging.basicConfig(level=logging.ERROR)
    ground = Ground(Path(folder), Path(python), FULL)
    found = asyncio.run(measure(DEEDS[name], home, ground, float(size), int(quiet)))
    print(json.dumps({name: getattr(found, name) for name in Timed.__slots__}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
