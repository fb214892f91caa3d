"""The sentences that people read when something has gone wrong, in one table for every front.

sentence(error)          # "The database cannot be reached just now; ..."; `paths=True` for whoever runs us
clause(error)            # the same as a part of a sentence: "the database cannot be reached just now; ..."
advice(error)            # what the operator can do about it; nobody else is told
for_operator(error)      # the sentence and the advice, for whoever runs the program
at_start(error)          # the same for an error that ended the program
"""

import errno
import os
from collections.abc import Callable
from typing import Any

from bot.errors import (
    AtWork,
    BadKey,
    BranchRefused,
    CutOff,
    DataInUse,
    DeletedSince,
    NoCredit,
    NodeLives,
    NoModel,
    NoSuchAddress,
    NoSuchModel,
    NotAFile,
    NotAllDeleted,
    NothingRuns,
    NotOpened,
    NotText,
    OutOfReach,
    OverBudget,
    OverLimit,
    RateLimited,
    Refused,
    TooBusy,
    TooLong,
    UndoRefused,
    WorkspaceFull,
)
from bot.wording.refusals import branch_refused, checkpoint_refused, refused
from bot.wording.withheld import folderless, of_request
from filestore.errors import (
    BytesStay,
    FileTooLarge,
    NoSuchFile,
    NotRecordedYet,
    QuotaExceeded,
    SpoolFull,
    StoreDamaged,
    StoreFull,
    StoreInUse,
    StoreUnavailable,
    TooManyFiles,
)
from kernels.errors import (
    CheckpointRefused,
    GoesOn,
    KernelClosed,
    KernelStartFailed,
    Misconfigured,
    NodeIncompatible,
    NodeUnavailable,
    NoQuestion,
    NoSuchSave,
    NotSaved,
    ResultUnread,
    SandboxUnavailable,
    TooLarge,
)
from kernels.notebooks.cells import NotebookError
from kernels.text.clipping import human_size
from kernels.text.visible import one_line
from kernels.workspace.captured import FileChanged

__all__ = ["advice", "at_start", "clause", "for_operator", "put_off", "sentence"]

CLAUSES: dict[type[Exception], Callable[[Any], str]] = {
    NoSuchFile: str,
    UndoRefused: refused,
    BranchRefused: branch_refused,
    CheckpointRefused: checkpoint_refused,
    NotSaved: lambda _: "your variables cannot be saved, and would be lost; nothing has changed",
    NoSuchSave: lambda _: "that state of your variables is not kept any more; nothing has changed",
    QuotaExceeded: lambda error: (
        f"not stored: {human_size(error.size)} more would be over your {human_size(error.quota)}"
        f" ({human_size(error.used)} used); delete files or wait until some expire"
    ),
    TooManyFiles: lambda error: (
        f"not stored: you have {error.most:,} stored files, as many as one person may; delete some or wait"
        " until some expire"
    ),
    FileTooLarge: lambda error: f"not stored: over the {human_size(error.limit)} limit for one file",
    FileChanged: lambda _: "not stored: it changed while it was being read; the next cell takes it up again",
    BytesStay: lambda _: "the disk refuses to delete some of it; try again in a while",
    StoreInUse: lambda error: f"another Kernelcord, process {error.pid} on {error.host}, uses this database",
    StoreUnavailable: lambda _: "the database cannot be reached just now; try again in a moment",
    StoreFull: lambda _: (
        "the disk is full and takes nothing new; delete files, in a cell or with /files, and try again"
    ),
    StoreDamaged: lambda _: "the database is damaged: its operator has to repair it",
    WorkspaceFull: lambda error: (
        f"your workspace is full: with {error.name} it would be over {human_size(error.limit)}; delete files"
        " in it with a cell, and try again"
    ),
    NotRecordedYet: lambda _: "it has no id yet: you are offered it as soon as the database can record it",
    SpoolFull: lambda _: (
        "the database cannot be reached, and no more of yours can wait for it; try again in a while"
    ),
    KernelStartFailed: lambda error: (
        f"your kernel could not be started{error.reason and f': {error.reason}'}; try again"
        f"{error.log.strip() and f'. It said: {_last_line(error.log)}'}"
    ),
    GoesOn: lambda _: (
        "I am being ended. The cell goes on, and what comes of it is told at the next start. What was to"
        " follow it will not be done"
    ),
    ResultUnread: lambda _: (
        "what came of it could not be read, which is our fault; look at what it did before you run it again"
    ),
    KernelClosed: lambda _: "the kernel is being shut down; try again in a moment",
    NotOpened: lambda error: f"your session could not be opened: {_not_opened(error.cause)}",
    DeletedSince: lambda _: "not done: you had everything of yours deleted after you had asked for this",
    NotAllDeleted: lambda error: (
        f"not everything is deleted: {clause(error.cause)}. Gone: {', '.join(error.gone)}."
        f" Still there: {', '.join(error.stays)}"
    ),
    NodeUnavailable: lambda error: f"the kernels cannot be reached: {_last_line(error.reason)}",
    NodeIncompatible: lambda _: "the kernels are being updated; try again in a few minutes",
    NotebookError: str,
    SandboxUnavailable: lambda _: (
        "code cannot be run safely on this machine, so none is run: whoever runs me has to see to it"
    ),
    Misconfigured: lambda _: "code cannot be run here just now: whoever runs me has to see to it",
    TooLarge: str,
    NoQuestion: lambda _: "no question is waiting for an answer",
    NothingRuns: lambda _: "nothing is running",
    NotAFile: lambda error: f"{error.path} is a pipe or a device, not a file",
    NotText: lambda error: (
        f"line {error.line} of the script has bytes that are no text in {error.encoding}, which are read as"
        " \ufffd: save it as UTF-8, or name its encoding in the first line (# coding: latin-1)"
    ),
    DataInUse: lambda error: f"another Kernelcord works in {error.folder}",
    NodeLives: lambda error: f"a node, process {error.pid}, keeps kernels in this data folder",
    AtWork: lambda error: f"you have {error.kind} under way already: wait until it is done, or stop it",
    TooBusy: lambda _: "too many others are having this done just now; try again in a minute",
    OverLimit: lambda error: f"it would be larger than {human_size(error.limit)}",
    OverBudget: lambda error: (
        f"this question needs {error.needed:,} tokens, with what was said before it, which is more than the"
        f" {error.left:,} left of your {error.budget} for today; a shorter one may fit. Code still runs"
        if error.needed
        else f"your {error.budget} for today are used up; at midnight UTC there is more. Code still runs"
    ),
    NoModel: lambda _: "there is no model here to answer words. Code still runs",
    BadKey: lambda _: "the model's API refuses my key: whoever runs me has to set another. Code still runs",
    NoSuchModel: lambda error: (
        f"the model's API has no model {error.detail} for me: whoever runs me has to choose another."
        " Code still runs"
    ),
    NoSuchAddress: lambda _: (
        "the model's API is not where I look for it: whoever runs me has to set its address right."
        " Code still runs"
    ),
    TooLong: lambda _: "that is more than the model can read at once: ask with less text or fewer pictures",
    NoCredit: lambda _: "the account of the model's API has no credit left. Code still runs",
    RateLimited: lambda _: "the model's API takes no more requests just now; try again in a moment",
    OutOfReach: lambda _: "the model cannot be reached just now; try again in a moment",
    CutOff: lambda _: "the model's answer broke off; ask again to go on",
    Refused: lambda error: f"the model's API refused this: {_why(error.detail)}",
    FileNotFoundError: lambda error: _missing(error.filename or ""),
    FileExistsError: lambda error: f"{error.filename} is a file, not a folder",
    NotADirectoryError: lambda error: f"a part of {error.filename} is a file, not a folder",
    IsADirectoryError: lambda error: f"{error.filename} is a folder, not a file",
    PermissionError: lambda error: f"the file {error.filename or 'here'} may not be read or written",
    OSError: lambda error: REFUSED.get(error.errno) or _unforeseen(error),
}

ADVICE: dict[type[Exception], Callable[[Any], str]] = {
    StoreDamaged: lambda _: REPAIR,
    StoreFull: lambda _: "The disk is full: make room on it, and start again.",
    StoreInUse: lambda _: "Either end it, or name another database in MONGODB_URI.",
    DataInUse: lambda _: "Either end it, or choose another folder by --data.",
    NodeLives: lambda error: (
        f"Set NODE to auto, or end the node by `kill {error.pid}`: that ends its kernels and their cells."
    ),
    NodeIncompatible: lambda error: (
        f"The node that NODE names is of {'a newer' if error.newer else 'an older'} Kernelcord (process"
        f" {error.pid}): start one of this version at another address and name that in NODE. The other keeps"
        " its kernels until you end it."
    ),
    NodeUnavailable: lambda error: error.remedy,
    NoModel: lambda _: "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.",
    BadKey: lambda _: "Set another OPENAI_API_KEY.",
    NoSuchModel: lambda _: "Set MODEL to one that this API has.",
    NoSuchAddress: lambda error: (
        f"Nothing answers at {error.detail}. Most servers want an OPENAI_BASE_URL that ends in /v1."
    ),
    TooLong: lambda _: "If this happens often, lower HISTORY_TOKENS.",
    NoCredit: lambda _: "Add credit to the account whose OPENAI_API_KEY is set.",
    Refused: lambda error: f"It said: {error.detail}" if of_request(error.detail) != error.detail else "",
}

# Errors whose text comes from the system or from a program, and may name paths of this machine.
FROM_BELOW = (OSError, KernelStartFailed, NodeUnavailable, NotOpened)

REFUSED: dict[int | None, str] = {
    errno.ENOSPC: "not written: the disk is full; make room and try again",
    errno.EDQUOT: "not written: the disk has no more room for this user; make room and try again",
    errno.EFBIG: "not written: the file would be larger than this machine allows",
    errno.EROFS: "not written: the disk can only be read; choose another folder",
}

FULL = "the disk is full. Delete files with /files, or wait until its operator has made room, and try again"
OURS: dict[int | None, str] = {  # about our own disk, for people who have no other
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: "not written: the disk can only be read; try again in a while",
}
NOT_OPENED: dict[int | None, str] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EMFILE: "too many others are here just now; try again in a few minutes",
    errno.ENFILE: "the machine has too many files open just now; try again in a few minutes",
    errno.ENOMEM: "the machine is short of memory just now; try again in a minute",
    errno.ETIMEDOUT: "the kernels do not answer; try again in a minute",
}

REPAIR = (
    "The file is damaged. Put back a copy of it, or save what can be read with SQLite's .recover"
    " (https://sqlite.org/recovery.html) and put it in its place. People's files are safe."
)


def sentence(error: BaseException, *, paths: bool = False) -> str:
    """What a person is told about an exception, as one or more sentences; never a traceback.

    With `paths` the person runs the program, or has named a path of this machine.
    """
    text = clause(error, paths=paths)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def clause(error: BaseException, *, paths: bool = False) -> str:
    """The same as one line to put after a colon, without the full stop at the end."""
    error = _known(error)
    if isinstance(error, OSError) and isinstance(error.filename, str) and not paths:
        error = OSError(error.errno, error.strerror, os.path.basename(error.filename))
    known = next((kind for kind in type(error).__mro__ if kind in CLAUSES), None)
    text = one_line(CLAUSES[known](error) if known else _unforeseen(error), " ").removesuffix(".")
    if paths or (known and not issubclass(known, FROM_BELOW)):
        return text
    return (isinstance(error, OSError) and OURS.get(error.errno)) or folderless(text)


def advice(error: BaseException) -> str:
    """What the operator can do about it, in sentences; "" if the error itself says it all."""
    error = _known(error)
    known = next((kind for kind in type(error).__mro__ if kind in ADVICE), None)
    return ADVICE[known](error) if known else ""


def for_operator(error: BaseException) -> str:
    """The sentence, with paths, and the advice."""
    return f"{sentence(error, paths=True)} {advice(error)}".strip()


def at_start(error: BaseException) -> str:
    """What is told to whoever starts the program; for a database this includes its own words and its host."""
    error = _known(error)
    if isinstance(error, StoreDamaged | StoreFull | SandboxUnavailable | Misconfigured):
        return f"{str(error).rstrip('.')}. {advice(error)}".strip()
    if isinstance(error, StoreUnavailable) and not isinstance(error, StoreInUse):
        return f"{error}. See to MONGODB_URI, or without it to kernelcord.db in the data folder."
    return for_operator(error)


def put_off(error: BaseException) -> str:
    """Why a cell's file is not stored now, and what happens next."""
    if isinstance(error, StoreFull):
        return "the disk is full; it is tried again with your next cell once there is room"
    if isinstance(error, StoreUnavailable):
        return "the database cannot be reached just now; it is tried again with your next cell"
    return clause(error)


def _unforeseen(error: BaseException) -> str:
    return f"something failed on our side ({type(error).__name__}: {error})"


def _why(detail: str) -> str:
    """The part of an API's refusal that is about the request."""
    return of_request(detail) or ("whoever runs me can see why" if detail else "it gave no reason")


def _missing(path: str) -> str:
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        return f"there is no folder {folder}"
    return f"there is no file {path}"


def _known(error: BaseException) -> BaseException:
    """The error itself, or the error of ours that ended a node: the last line of the node's log names it."""
    if isinstance(error, NodeUnavailable):
        kind, _, told = _last_line(error.reason).partition(": ")
        for ours in (SandboxUnavailable, Misconfigured):
            if kind == f"{ours.__module__}.{ours.__name__}":
                return ours(told.removesuffix("."))
    return error


def _not_opened(cause: BaseException) -> str:
    if isinstance(cause, MemoryError):
        return NOT_OPENED[errno.ENOMEM]
    if isinstance(cause, TimeoutError):
        return NOT_OPENED[errno.ETIMEDOUT]
    told = NOT_OPENED.get(cause.errno) if isinstance(cause, OSError) else None
    return told or f"{cause or type(cause).__name__}; try again in a minute"


def _last_line(log: str) -> str:
    return (log.strip().splitlines() or [""])[-1]
