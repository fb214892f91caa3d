"""How a kernel's process is started: arguments, environment, folders and limits, all decided here.

    launch = plan(python, run_folder=..., workspace=..., outside=os.environ)

Pure: nothing is read or written. The environment is built from an allow-list, never copied, since a stock
kernel finds the bot's tokens in its own `os.environ`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kernels.sandbox.limits.usage import DEEPEST, MOST_ENTRIES
from kernels.text.clipping import human_size

__all__ = ["Launch", "Limits", "over_limit", "plan"]

KiB, MiB = 1 << 10, 1 << 20
PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")  # what of the operator's environment a kernel may know
INSIDE = Path(__file__).parent.parent / "inside"
DELETES = "the new kernel can delete files, but not write; when they fit again, you get one that can"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one cell, and its kernel, may use. Text in characters, sizes in bytes; None is no limit."""

    cell: timedelta | None = timedelta(seconds=60)  # a cell's own time; waiting and questions do not count
    answer: timedelta | None = timedelta(minutes=5)  # one `input()` waits for its answer
    questions: int = 20  # `input()`s a cell
    text: int = MiB  # text a cell that is shown: head and tail; all of it is a file of up to `file`
    display: int = 8 * MiB  # one picture, table or other display
    shown: int = 64 * MiB  # all displays that a cell holds at one time
    late_text: int = 64 * KiB  # text of a cell after its end
    file: int = 50 * MiB  # one captured file
    files: int = 64  # captured files a cell
    memory: int = 1024 * MiB  # all of a kernel's processes together, its files in /tmp and /dev/shm included
    processes: int = 96  # processes and threads of a kernel
    cpus: float = 2.0  # processors that a kernel may keep busy
    background: timedelta | None = timedelta(minutes=10)  # of processor time, from one cell to the next
    workspace: int | None = 512 * MiB  # its folder
    scratch: int = 64 * MiB  # /tmp, and again /dev/shm
    network: bool = False  # whether it may use the host's network


def over_limit(fault: str, limits: Limits) -> str:
    """Why a kernel was ended, in words: `fault` is a name of `kernels.sandbox.limits.watchdog`."""
    match fault:
        case "memory":
            return f"it used more than {human_size(limits.memory)} of memory"
        case "machine":
            return "the server ran out of memory; it was within its own limit"
        case "workspace":
            limit = human_size(limits.workspace or 0)
            return f"its files grew over {limit}: {DELETES}"
        case "folders":
            most = f"over {MOST_ENTRIES:,} files and folders, or folders more than {DEEPEST} deep"
            return f"its files cannot be counted, since there are {most}: {DELETES}"
        case "room":
            return "there is room for files again, and this kernel can write them"
        case "hiding":
            return "it hid its open files or its memory, which then cannot be counted"
        case "system":
            return "its open sockets, pipes, files and mappings could take more than its share of memory"
        case "background":
            minutes = (limits.background or timedelta()) / timedelta(minutes=1)
            return (
                f"what it left running used {minutes:g} min of processor time after its last cell had ended"
            )
    return f"it had more than {limits.processes} processes"


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel process to be. All paths are absolute, since the process has another working folder."""

    argv: tuple[str, ...]  # "{connection_file}" stands for the path that jupyter_client fills in
    env: Mapping[str, str]
    folder: Path  # the working folder
    writable: tuple[Path, ...]  # all that the kernel has to write to; made, 0700, before it starts


def plan(
    python: Path,
    *,
    run_folder: Path,
    workspace: Path,
    bell: int,
    words: Mapping[str, int],
    outside: Mapping[str, str],
) -> Launch:
    """The launch of an IPython kernel by the interpreter `python`.

    `run_folder` is for its sockets and settings and goes with the process; `workspace` is the person's
    working and home folder and stays; `bell` is a descriptor that it inherits (see `kernels.broker`), and so
    are those of its `words` (see `kernels.process.last_words`).
    `outside` is this process's environment, of which only `PASSED_ON` is used.
    """
    environment = python.parent.parent
    ipython = run_folder / "ipython"
    env = {name: outside[name] for name in PASSED_ON if name in outside} | {
        "HOME": str(workspace),
        "IPYTHONDIR": str(ipython),
        "MPLCONFIGDIR": str(environment / "matplotlib"),
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "VIRTUAL_ENV": str(environment),
    }
    inherited = json.dumps({"bell": bell, **words})
    argv = (str(python), str(INSIDE), str(run_folder), inherited, "-f", "{connection_file}")
    return Launch(argv, env, workspace, (run_folder, ipython, workspace))
