"""What people are told about their cells: how they ended, what was lost, and what is not recorded.

ending(result)          # of a cell that did not end well; None for one that did
restart(restarted)      # of a kernel that was replaced, and lost_with(result)
unrecorded(waiting, 3)  # of a cell whose record waits for the database
kill_costs(unstopped)   # of a cell that does not stop, and without_answer(unstopped)
"""

import signal
from collections.abc import Sequence

from bot.reply import ExecutionResult
from filestore.records import Waiting
from kernels.cell.events import Restarted, UnsavedValue, Unstopped
from kernels.text.visible import one_line

__all__ = [
    "DOES_NOT_STOP",
    "ENDINGS",
    "NEVER",
    "NOT_RUN",
    "PERHAPS_RUN",
    "SHORTENED",
    "ending",
    "kill_costs",
    "lost_with",
    "restart",
    "unrecorded",
    "without_answer",
]

NAMED = 12  # variables that are named; the rest are counted
KEPT = {"files": "Your files are kept.", "copy": "Your files are as they were when the copy was made."}
EARLIER = "the variables of your earlier cells, whose names are not known"
EMPTIED = "Your workspace was emptied; files that are still stored can be loaded with load_file()."

NEVER = "Not recorded: the database cannot be reached. This cell's output will be missing in the notebook."
SHORTENED = (
    "Recorded in short: your quota has no room for this output, so the notebook will only have its beginning"
    " and end. Delete files to make room."
)
NOT_RUN = "I was restarted before this code began, so it has not run. Send it again to run it."
PERHAPS_RUN = (
    "I was restarted just as this code began, so it may have run in part. Send it again if you want to run it"
    " again."
)
DOES_NOT_STOP = "The cell does not stop."

ENDINGS: dict[tuple[str, str | None], str] = {
    ("timeout", "deadline"): "Stopped: the cell ran out of time.",
    ("timeout", "no answer"): "Stopped: nobody answered its question in time.",
    ("timeout", "too many questions"): "Stopped: it asked too many questions.",
    ("interrupted", None): "Interrupted.",
    ("interrupted", "unreachable"): (
        "Nobody waits for it any longer: the process that runs it does not answer. If it comes back, what the"
        " cell still shows, and its files, come later."
    ),
    ("died", "node"): "The kernel ended with the node that it lived in.",
    ("died", "away"): "The kernel ended while I was away, and this cell did not come to its end.",
    ("died", None): "The kernel died.",
    ("died", "workspace"): (
        "Stopped: its files were more than the workspace holds. Delete some and try again."
    ),
    ("died", "folders"): (
        "Stopped: its files and folders are too many, or too deep, to be counted. Delete some and try again."
    ),
    ("died", "hiding"): "Stopped: it kept what it held from being counted.",
    ("died", "processes"): "Stopped: it had too many processes.",
    ("died", "system"): "Stopped: it had too many sockets, pipes or files open. Close some and try again.",
    ("died", "background"): "Stopped: what earlier cells left running had used too much processor time.",
    ("out of memory", "machine"): "Stopped: the server is short of memory. Try again in a few minutes.",
    ("out of memory", None): "Stopped: it ran out of memory. Try a part of the data, or smaller types.",
}

SIGNALS: dict[int, str] = {
    signal.SIGABRT: "The kernel died: a library ended it (SIGABRT).",
    signal.SIGBUS: (
        "The kernel died: it wrote to shared memory, or to a mapped file, that has no room left (SIGBUS)."
    ),
    signal.SIGFPE: "The kernel died: a library divided by zero (SIGFPE).",
    signal.SIGILL: "The kernel died: a library is made for another processor (SIGILL).",
    signal.SIGSEGV: "The kernel died: a library, or ctypes, used memory that is not there (SIGSEGV).",
}


def ending(result: ExecutionResult) -> str | None:
    """What a person is told about a cell that was stopped or died; None if its output says it all."""
    if result.status in ("ok", "error"):
        return None
    text = ENDINGS.get((result.status, result.cause)) or ENDINGS.get((result.status, None)) or "Stopped."
    if result.status == "died" and result.cause is None and result.return_code < 0:
        text = SIGNALS.get(-result.return_code) or f"The kernel died (signal {-result.return_code})."
    elif result.status == "died" and result.cause is None:
        text = f"The kernel died (exit code {result.return_code})."
    return text


def unrecorded(waiting: Waiting, cell: int) -> str:
    """What a person is told about a cell whose record waits for the database."""
    why = (
        "the disk is full. It is recorded when there is room: delete what you no longer need"
        if waiting.full
        else "the database cannot be reached. It is recorded as soon as that is possible"
    )
    safe = "" if waiting.durable else " Until then it is only in memory, and lost if I am restarted."
    cut = (
        " Its output is too large to wait, and will be missing in the notebook."
        if cell in waiting.cut
        else ""
    )
    return f"Not recorded yet: {why}.{safe}{cut}"


def restart(restarted: Restarted) -> str:
    """What a person is told about a kernel that was replaced: why, what is kept, and what is lost."""
    kept = " ".join(KEPT[kept] for kept in restarted.kept if kept in KEPT) or EMPTIED
    told = lost_with(restarted)
    if restarted.as_of:
        files = () if restarted.kept == ("files",) else (kept,)  # who has their variables expects the files
        return " ".join((_because(restarted.reason), *files, told))
    text = f"Fresh kernel ({restarted.reason}). {kept}"
    if told:
        return f"{text} {told}"
    return f"{text} No variables were lost." if restarted.kept else text


def lost_with(told: Restarted | ExecutionResult) -> str:
    """What a person is told about the variables of a kernel that has ended; "" if none were lost."""
    lost = _lost(told.lost, unnamed=told.unnamed, earlier=told.earlier)
    if not told.as_of:
        return lost and f"Lost: {lost}."
    unsaved = _counted([_unsaved(value, told.back) for value in told.unsaved])
    return (
        f"Your variables are as after cell {told.as_of}."
        f"{f' Not back: {unsaved}.' if unsaved else ''}{f' Lost since then: {lost}.' if lost else ''}"
    )


def _because(reason: str) -> str:
    """Why a kernel ended, as a sentence; some reasons say that it did, others only why."""
    if reason.startswith("it ended "):
        return f"The kernel{reason[2:]}."
    text = reason if "the kernel" in reason else f"the kernel ended: {reason}"
    return f"{f'T{text[1:]}' if text.startswith('the ') else text}."


def _unsaved(value: UnsavedValue, back: Sequence[str]) -> str:
    """A variable that is not back, or only in part, with what it was and the cell that made it."""
    part = "part of " if value.name in back else ""
    cell = f", from cell {value.cell}" if value.cell else ""
    return f"{part}{one_line(value.name)} ({one_line(value.what)}{cell})"


def _lost(variables: Sequence[str], *, unnamed: bool, earlier: bool = False) -> str:
    """Lost variables, by their names or in words; "" if there are none."""
    names = _counted([one_line(name) for name in variables])
    if earlier:
        names += f"{', and ' if names else ''}{EARLIER}"
    if unnamed:
        names += f"{', and ' if names else ''}whatever the cell that was running had defined"
    return names


def _counted(items: Sequence[str]) -> str:
    """The first items of a list, and how many more there are."""
    first = ", ".join(items[:NAMED])
    return f"{first} and {len(items) - NAMED} more" if len(items) > NAMED else first


def kill_costs(unstopped: Unstopped) -> str:
    """What is lost if the kernel of a cell that does not stop is killed, and what stays."""
    if unstopped.saved:
        return (
            "Killing its kernel loses whatever this cell has defined or changed; your variables come back as"
            f" after cell {unstopped.saved}, and your files stay."
        )
    names = _counted([one_line(name) for name in unstopped.lost])
    also = ", and whatever this cell has defined" if names else "whatever this cell has defined"
    return f"Killing its kernel loses {names}{also}; your files stay."


def without_answer(unstopped: Unstopped) -> str:
    """What happens to the cell if nobody decides."""
    if unstopped.limited:
        return "Without an answer it goes on, and is killed when its time is up."
    return "Without an answer it goes on until it ends."
