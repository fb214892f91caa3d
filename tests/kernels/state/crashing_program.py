"""Kills a program that saves in a loop, again and again, and looks at what is there after each time.

    python -m tests.kernels.state.crashing_program <empty folder> <times>

It prints how many saves were acknowledged and how many kills left something half-written.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from kernels.state.manifest import Manifest
from kernels.state.store import StateStore
from tests.kernels.state.saves import MONTH, QUOTA, SESSION, chunk_files, loaded, noise, numbers, save

HISTORY = 3


def buffers(cell: int) -> list[bytes]:
    """What is saved after a cell: some of it is as before."""
    return [b"cell %d" % cell, noise(5000, cell), noise(3000, cell // 5), noise(1_100_000, cell // 30)]


def saving(root: Path, told: int) -> None:
    """Save for ever, and tell the number of each save once it is acknowledged."""
    state = StateStore(root, quota=QUOTA, history=HISTORY).session(SESSION)
    newest = state.newest()
    cell = newest.cell if newest else 0
    while True:
        cell += 1
        number = save(state, cell, *buffers(cell)).number
        os.write(told, number.to_bytes(8))


def killed(root: Path, seconds: float) -> int:
    """The last number that was acknowledged before the program was killed after this time, 0 if none was."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            saving(root, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        first = told.read(8)  # a new program needs some time for its first
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the program failed by itself"
        return int.from_bytes((first + told.read())[-8:])


def check(root: Path, acknowledged: int) -> Manifest:
    """The newest save is whole, and none that was acknowledged is missing."""
    state = StateStore(root, quota=QUOTA, history=HISTORY).session(SESSION)
    newest = state.newest()
    assert newest is not None
    assert acknowledged <= newest.number <= acknowledged + 1, (acknowledged, newest.number)
    assert newest.cell == newest.number
    assert loaded(state, newest) == buffers(newest.cell)
    return newest


def main(root: Path, times: int) -> None:
    """Kill it so many times."""
    half, newest = 0, None
    for _ in range(times):
        newest = check(root, killed(root, random.uniform(0, 0.05)))
        half += (root / SESSION / "unfinished").exists()
    store = StateStore(root, quota=QUOTA, history=HISTORY)
    store.tidy(MONTH)
    state, named = store.session(SESSION), set()
    for number in numbers(root):
        manifest = state.newest(before=number + 1)
        assert manifest is not None
        assert manifest.number == number
        named |= {chunk.digest for buffer in manifest.buffers for chunk in buffer}
    assert chunk_files(root) == named
    assert newest is not None
    print(newest.number, half)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
