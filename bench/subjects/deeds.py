"""What a hostile person does while a neighbour's cells are timed.

    deed = DEEDS["a full disk"]
    await deed.prepare(sessions, size)
    await deed.do(sessions, size)       # meanwhile the neighbour, who is somebody else, runs cells

`size` says how much of it is done: 1.0 for a benchmark, less for a test. Whether the deed itself succeeds or
is refused does not matter: only what the neighbour notices counts.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import BotError
from bot.notebooks.bundle import notebook
from bot.sessions import Sessions
from filestore.errors import FileStoreError
from kernels.client import RemoteNode
from kernels.errors import KernelError

__all__ = ["DEEDS", "HOSTILE", "NEIGHBOUR", "Deed"]

HOSTILE, NEIGHBOUR, STRANGERS = 1, 2, 1000  # ids of people; those of strangers count up from 1000
PLACE = "terminal"
MIB = 1 << 20
PICTURE = 6 * MIB  # bytes, or 8 MiB of base64

type Do = Callable[[Sessions, float], Coroutine[Any, Any, object]]


async def _nothing(_sessions: Sessions, _size: float) -> None:
    """For deeds that need no preparation."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a hostile person does; `settings` are the bot's, `descriptors` is how many its programs may open.

    `disk` is the size of a small disk for all data, and how many files it can have.
    """

    do: Do
    prepare: Do = _nothing
    settings: Mapping[str, object] = field(default_factory=dict)
    disk: tuple[str, int] | None = None
    descriptors: int | None = None


async def run(sessions: Sessions, code: str, person: int = HOSTILE) -> None:
    """Run a cell of the hostile person, and ignore its errors."""
    with contextlib.suppress(BotError, FileStoreError, KernelError, OSError):
        await sessions.execute_code(code, person)


async def _for_a_while(sessions: Sessions, code: str, size: float) -> None:
    """Run a cell for 5 seconds times `size`, and stop it."""
    running = asyncio.create_task(run(sessions, code))
    await asyncio.wait([running], timeout=max(5 * size, 0.5))
    session = sessions.opened(sessions.id_of(HOSTILE, PLACE))
    if session is not None and not running.done():
        with contextlib.suppress(BotError):
            await session.stop(kill=True)
    await running


async def _many_files(sessions: Sessions, size: float) -> None:
    many = int(60_000 * size)
    await run(sessions, f"import os\nfor n in range({many}): os.close(os.open(str(n), os.O_CREAT))")


async def _reset(sessions: Sessions, _size: float) -> None:
    await sessions.discard(HOSTILE, PLACE)


async def _stubborn(sessions: Sessions, _size: float) -> None:
    code = """
import time
while True:
    try: time.sleep(1)
    except KeyboardInterrupt: pass
"""
    running = asyncio.create_task(run(sessions, code))
    await asyncio.wait([running], timeout=0.5)
    await sessions.discard(HOSTILE, PLACE)
    await running


async def _pictures(sessions: Sessions, size: float) -> None:
    code = f"""
import os
from IPython.display import Image, display
for _ in range(7): display(Image(data=os.urandom({int(PICTURE * size)}), format="png"))
"""
    await run(sessions, code)


async def _print(sessions: Sessions, size: float) -> None:
    await _for_a_while(sessions, "while True: print('x' * 100)", size)


async def _renames(sessions: Sessions, size: float) -> None:
    code = """
import os
n = 0
open("f0", "x").close()
while True:
    os.rename(f"f{n}", f"f{n + 1}")
    n += 1
"""
    await _for_a_while(sessions, code, size)
    await run(sessions, "import glob, os\nfor name in glob.glob('f*'): os.remove(name)")


async def _children(sessions: Sessions, size: float) -> None:
    code = f"""
import os, time
for _ in range(100):
    if os.fork() == 0:
        end = time.monotonic() + {5 * size}
        while time.monotonic() < end: pass
        os._exit(0)
"""
    await run(sessions, code)


async def _starts(sessions: Sessions, size: float) -> None:
    pool = sessions.pool
    for pid in zygotes(pool.process if isinstance(pool, RemoteNode) else os.getpid()):
        os.kill(pid, signal.SIGKILL)
    people = range(STRANGERS, STRANGERS + max(int(30 * size), 3))
    await asyncio.gather(*(run(sessions, "import pandas", person) for person in people))


async def _fill(sessions: Sessions, size: float) -> None:
    code = f"""
import time
end = time.monotonic() + {5 * size}
while time.monotonic() < end:
    try:
        with open("large", "ab", 0) as file: file.write(bytes(1 << 16))
    except OSError: time.sleep(0.01)
"""
    await run(sessions, code)
    await run(sessions, "import os; os.remove('large')")


async def _inodes(sessions: Sessions, size: float) -> None:
    code = f"""
import os, time
end = time.monotonic() + {5 * size}
number = 0
while time.monotonic() < end:
    try: os.close(os.open(str(number), os.O_CREAT))
    except OSError: time.sleep(0.01)
    number += 1
"""
    filling = asyncio.create_task(run(sessions, code))
    await asyncio.wait([filling], timeout=2 * size)
    people = range(STRANGERS, STRANGERS + max(int(10 * size), 2))
    await asyncio.gather(filling, *(run(sessions, "1", person) for person in people))


async def _descriptors(sessions: Sessions, size: float) -> None:
    people = range(STRANGERS, STRANGERS + max(int(130 * size), 10))
    await asyncio.gather(*(run(sessions, "1", person) for person in people))


async def _long_transcript(sessions: Sessions, size: float) -> None:
    for _ in range(6):
        await _pictures(sessions, size)


async def _notebook(sessions: Sessions, _size: float) -> None:
    session = await sessions.session(HOSTILE, PLACE)
    with tempfile.TemporaryFile() as target:
        await notebook(session, target)


async def _crowd(sessions: Sessions, size: float) -> None:
    people = range(STRANGERS, STRANGERS + max(int(40 * size), 6))
    await asyncio.gather(*(run(sessions, "import time; time.sleep(0.2)", person) for person in people))


DEEDS: Mapping[str, Deed] = {
    "60,000 files deleted": Deed(_reset, _many_files),
    "a stubborn cell reset": Deed(_stubborn),
    "seven pictures of 8 MB": Deed(_pictures),
    "print without end": Deed(_print),
    "names changed without end": Deed(_renames),
    "100 busy children": Deed(_children),
    "30 starts, the zygote dead": Deed(_starts),
    "a full disk": Deed(_fill, disk=("64m", 100_000)),
    "no inode left": Deed(_inodes, disk=("256m", 1_500)),
    "no descriptor left": Deed(_descriptors, descriptors=1024),
    "a notebook of 300 MB": Deed(_notebook, _long_transcript),
    "40 people in line": Deed(_crowd, settings={"max_kernels": 4}),
}


def zygotes(pid: int) -> list[int]:
    """The zygotes among the processes that a process, or one of its children, has started."""
    found = []
    with contextlib.suppress(OSError):  # it may have ended in the meantime
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if b"zygote.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
                else:
                    found += zygotes(child)
    return found
