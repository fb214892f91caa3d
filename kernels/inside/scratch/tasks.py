"""Does tasks one after the other, each in a process of its own, and displays the answers.

    tasks.do(answer)          # answer(task) returns a MIME bundle of texts

It reads `tasks.json` in the working folder, `{key: task}`, and displays each answer with its key as plain
text. A task that fails, crashes, or takes too long or too much memory has no answer.
"""

import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.display import display

EACH = 6.0  # seconds for one task
MEMORY = 600 << 20  # bytes of address space that a task may add to what the kernel has
LONGEST = 16 << 20  # bytes of an answer
PAGE = resource.getpagesize()


def do(answer: Callable[[Any], dict[str, str]]) -> None:
    """Do all tasks."""
    warnings.simplefilter("ignore")  # among others that a process with threads is forked
    for key, task in json.loads(Path("tasks.json").read_text("utf-8")).items():
        bundle = _answered(answer, task)
        if bundle is not None:
            display({**bundle, "text/plain": key}, raw=True)
            sys.stdout.flush()


def _answered(answer: Callable[[Any], dict[str, str]], task: Any) -> dict[str, str] | None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _limit()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(json.dumps(answer(task)).encode())
        except BaseException as error:  # noqa: BLE001  it is printed, and then this process ends
            os.write(2, f"{error!r}\n".encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.close(writing)
    try:
        said = _read(reading, time.monotonic() + EACH)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        bundle: dict[str, str] = json.loads(said)
    except ValueError:  # it ended early
        return None
    return bundle


def _read(pipe: int, until: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size <= LONGEST and select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    return b""


def _limit() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * PAGE
    except FileNotFoundError:  # a system other than Linux, where there is no sandbox either
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = used + MEMORY
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
