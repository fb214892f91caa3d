"""What a cell and its kernel may use, and why a kernel was ended that used more.

limits = Limits(memory=400 * MiB)
over_limit(Fault.MEMORY, limits)        # "it used more than 400 MB of memory"
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from kernels.text.clipping import human_size

__all__ = ["DEEPEST", "MOST_ENTRIES", "Fault", "Limits", "over_limit"]

KiB, MiB = 1 << 10, 1 << 20
MOST_ENTRIES = 100_000  # files and folders of a workspace: they take room that no file's size shows
DEEPEST = 64  # levels of nested folders in a workspace; anything deeper cannot be counted
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


class Fault(StrEnum):
    """Why a kernel was ended by us or the system: mostly the limit that it went over."""

    MEMORY = "memory"
    MACHINE = "machine"  # within its own limit, but the machine, or all kernels together, had no memory
    PROCESSES = "processes"
    WORKSPACE = "workspace"
    FOLDERS = "folders"  # its files are too many, or nested too deep, to be counted
    HIDING = "hiding"  # it kept its files or memory from being counted
    SYSTEM = "system"  # the system could hold too much memory for it: sockets, pipes, locks, mappings
    BACKGROUND = "background"  # what went on after its cell used too much processor time
    ROOM = "room"  # no limit: its workspace was full at its start, so it cannot write, and has room again


def over_limit(fault: str, limits: Limits) -> str:
    """Why a kernel was ended, in words; `fault` is a `Fault`, or its text."""
    memory, workspace = human_size(limits.memory), human_size(limits.workspace or 0)
    minutes = (limits.background or timedelta()) / timedelta(minutes=1)
    most = f"over {MOST_ENTRIES:,} files and folders, or folders more than {DEEPEST} deep"
    reasons: dict[str, str] = {
        Fault.MEMORY: f"it used more than {memory} of memory",
        Fault.MACHINE: "the server ran out of memory; it was within its own limit",
        Fault.WORKSPACE: f"its files grew over {workspace}: {DELETES}",
        Fault.FOLDERS: f"its files cannot be counted, since there are {most}: {DELETES}",
        Fault.ROOM: "there is room for files again, and this kernel can write them",
        Fault.HIDING: "it hid its open files or its memory, which then cannot be counted",
        Fault.SYSTEM: "its open sockets, pipes, files and mappings could take more than its share of memory",
        Fault.BACKGROUND: f"what it left running used {minutes:g} min of processor time after its last cell"
        " had ended",
    }
    return reasons.get(fault, f"it had more than {limits.processes} processes")
