"""Every failure that can reach a person has its sentence."""

import errno
import inspect
from dataclasses import replace
from pathlib import Path

import pytest

import bot.errors
import filestore.errors
import kernels.errors
from bot.errors import (
    BranchRefused,
    DataInUse,
    NoModel,
    NoSuchAddress,
    NotAFile,
    NotAllDeleted,
    NothingRuns,
    NotOpened,
    NotText,
    OverLimit,
    Refused,
    UndoRefused,
    WorkspaceFull,
)
from bot.reply import ExecutionResult
from bot.wording.cell_messages import ending, lost_with, restart, unrecorded
from bot.wording.error_messages import ADVICE, CLAUSES, advice, at_start, clause, put_off, sentence
from filestore.errors import (
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
from filestore.records import Waiting
from kernels.cell.events import Restarted
from kernels.errors import (
    CheckpointRefused,
    KernelClosed,
    KernelStartFailed,
    NodeIncompatible,
    NodeUnavailable,
    SandboxUnavailable,
    TooLarge,
)
from tests.sentences import problems

INTERNAL = {"FileIdTaken", "BlobExists", "BlobMissing", "NoSuchCell", "NoSuchSession"}  # caught in the store


def result(status: str, cause: str | None = None, code: int = 1) -> ExecutionResult:
    """A result of which only the ending matters."""
    return ExecutionResult(status=status, cause=cause, cell=1, return_code=code)


@pytest.mark.parametrize(
    "module", [bot.errors, filestore.errors, kernels.errors], ids=lambda module: module.__name__
)
def test_every_error_of_ours_has_a_sentence(module: object) -> None:
    """No new exception class can be forgotten: it, or one of its base classes, must be in the table."""
    for name, kind in inspect.getmembers(module, inspect.isclass):
        leaf = issubclass(kind, Exception) and not kind.__subclasses__()
        if leaf and kind.__module__ == module.__name__ and name not in INTERNAL:  # type: ignore[attr-defined]
            assert any(parent in CLAUSES for parent in kind.__mro__), f"{name} has no sentence"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoSuchFile("k7m3q9x2va"), "no file k7m3q9x2va: it expired, or is not yours"),
        (QuotaExceeded(900, 1024, 200), "200 B more would be over your 1 KB (900 B used)"),
        (FileTooLarge(2048, 1024), "over the 1 KB limit"),
        (StoreUnavailable("x"), "try again in a moment"),
        (StoreFull("x"), "the disk is full and takes nothing new; delete files"),
        (StoreDamaged("x"), "its operator has to repair it"),
        (SpoolFull("x"), "try again in a while"),
        (NotRecordedYet("x"), "you are offered it as soon as the database can record it"),
        (KernelStartFailed("one\nImportError: no numpy\n"), "It said: ImportError: no numpy"),
        (
            KernelStartFailed("", "it ended with exit code 3", "x"),
            "started: it ended with exit code 3; try again",
        ),
        (FileNotFoundError(2, "No such file", "a.csv"), "there is no file a.csv"),
        (OSError(errno.ENOSPC, "No space left"), "the disk is full. Delete files with /files, or wait until"),
        (OSError(errno.EROFS, "Read-only"), "the disk can only be read; try again in a while"),
        (OSError(errno.EIO, "Input/output error"), "something failed on our side (OSError: [Errno 5]"),
        (ZeroDivisionError("odd"), "something failed on our side (ZeroDivisionError: odd)"),
    ],
)
def test_a_sentence_says_what_to_do(error: Exception, words: str) -> None:
    """The sentence has the figures, and never a traceback."""
    assert words in clause(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file", "a.csv"), "there is no file a.csv"),
        (FileNotFoundError(2, "No such file", "/nowhere/x.ipynb"), "there is no folder /nowhere"),
        (FileNotFoundError("no such file"), "there is no file"),
        (FileExistsError(17, "File exists", "/etc/passwd"), "/etc/passwd is a file, not a folder"),
        (NotADirectoryError(20, "Not a directory", "/etc/passwd/d"), "a part of /etc/passwd/d is a file"),
        (OSError(errno.ENOSPC, "No space left"), "not written: the disk is full; make room and try again"),
        (OSError(errno.EFBIG, "File too large"), "larger than this machine allows"),
        (OSError(errno.EROFS, "Read-only"), "the disk can only be read"),
        (OSError(errno.EDQUOT, "Quota"), "the disk has no more room for this user"),
        (OSError(errno.EIO, "Input/output error"), "something failed on our side (OSError: [Errno 5]"),
    ],
)
def test_who_has_named_a_path_is_told_of_it(error: Exception, words: str) -> None:
    """At the terminal, and for a program that sent it: with its folders."""
    assert words in clause(error, paths=True)


FOLDER = "/srv/kernelcord/data files/ada"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", f"{FOLDER}/x.csv"), "x.csv may not be read or written"),
        (FileNotFoundError(2, "No such file", f"{FOLDER}/x.csv"), "There is no file x.csv"),
        (OSError(errno.EIO, "Input/output error", f"{FOLDER}/x.csv"), "Input/output error: 'x.csv'"),
        (RuntimeError(f"cannot rename '{FOLDER}/x.csv'"), "cannot rename 'x.csv'"),
        (NotOpened(PermissionError(13, "Permission denied", f"{FOLDER}/x")), "Permission denied: 'x'"),
        (NotOpened(RuntimeError(f"no {FOLDER}/x")), "try again in a minute"),
        (
            KernelStartFailed(f"{FOLDER}/python: No module named ipykernel"),
            "python: No module named ipykernel",
        ),
        (NodeUnavailable(f"x\nOSError: [Errno 28] No space left on device: '{FOLDER}/log'"), "device: 'log'"),
        (NodeUnavailable(f"Cannot connect to unix:{FOLDER}/node.sock"), "connect to unix:node.sock"),
        (NodeUnavailable(f"no file://{FOLDER}/x or {FOLDER}/y"), "no file://x or y"),
        (RuntimeError(f"cannot make {FOLDER}/my own files/a.txt"), "cannot make a.txt"),
    ],
)
def test_nobody_else_is_told_where_things_lie_on_the_machine(error: Exception, words: str) -> None:
    """Whatever the system or a program says about our own files, only the last part of a path is shown."""
    told = sentence(error)
    assert words in told
    assert "/srv" not in told
    assert FOLDER in sentence(error, paths=True) + at_start(error)


def test_commands_and_addresses_are_no_paths() -> None:
    """They stay as they are, and so do paths that do not name a folder of this machine."""
    for text in (
        "see https://sqlite.org/recovery.html, use /files or /notebook, 1/2, a/b.csv",
        "see https://example.com/a-/b/c, ./data/x, ~/data/x or ../data/x",
    ):
        assert text in sentence(RuntimeError(text))


def test_what_a_models_api_says_of_its_account_is_for_who_runs_the_program() -> None:
    """A member learns what is wrong with the request, and nothing about organizations, plans and keys."""
    account = "Your organization must be verified to use this. Go to: https://platform.example.com/settings."
    assert sentence(Refused(f"The image is too small. {account}")).endswith(
        "refused this: The image is too small."
    )
    assert sentence(Refused(account)) == "The model's API refused this: whoever runs me can see why."
    assert account in advice(Refused(account))
    assert advice(Refused("The image is too small.")) == ""
    assert "it gave no reason" in sentence(Refused())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("The image at https://cdn.example.com/x.png cannot be read.", None),
        ("Project not found", None),
        ("The image is too small. See https://platform.example.com/docs.", "The image is too small."),
        ("The image is too small. Your project has no access.", "The image is too small."),
        ("The image is too small. Find your key at https://platform.example.com.", "The image is too small."),
    ],
)
def test_what_is_wrong_with_a_request_is_told_also_with_an_address(said: str, told: str | None) -> None:
    """The address of their own picture; where the account's owner should look does not concern them."""
    assert sentence(Refused(said)).rstrip(".").endswith(f"refused this: {told or said}".rstrip("."))


def test_what_can_be_done_about_a_node_is_for_who_runs_the_program() -> None:
    """Its log and its process are the operator's business."""
    error = NodeUnavailable("it has ended at once", f"Its log is {FOLDER}/log.")
    assert sentence(error) == "The kernels cannot be reached: it has ended at once."
    assert advice(error) in at_start(error)
    assert FOLDER in advice(error)


EXAMPLES: dict[type[BaseException], BaseException] = {
    QuotaExceeded: QuotaExceeded(900, 1024, 200),
    FileTooLarge: FileTooLarge(2048, 1024),
    TooManyFiles: TooManyFiles(10),
    NotText: NotText("UTF-8", 3),
    KernelStartFailed: KernelStartFailed("ImportError: no numpy"),
    NotOpened: NotOpened(OSError(errno.EMFILE, "Too many open files")),
    NodeIncompatible: NodeIncompatible(7, newer=True),
    TooLarge: TooLarge("the code", 2048, 1024, "send less"),
    NotAFile: NotAFile(Path("a")),
    NotAllDeleted: NotAllDeleted(["your stored files"], ["your kernel and workspace"], KernelClosed()),
    WorkspaceFull: WorkspaceFull("a.csv", 1024),
    UndoRefused: UndoRefused("nothing"),
    BranchRefused: BranchRefused("name"),
    CheckpointRefused: CheckpointRefused("many"),
    DataInUse: DataInUse(Path("a")),
    OverLimit: OverLimit(1024),
    StoreInUse: StoreInUse("host", 7),
}


@pytest.mark.parametrize("kind", CLAUSES, ids=lambda kind: kind.__name__)
def test_a_sentence_and_a_clause_are_made_of_the_same_words(kind: type[BaseException]) -> None:
    """The sentence has a capital letter and one full stop; the clause fits into a longer sentence."""
    error = EXAMPLES.get(kind) or made(kind)
    assert sentence(error)[0].isupper()
    assert sentence(error)[-1] in ".!?"
    assert sentence(error)[-2] not in ".!?"
    assert not clause(error).endswith(".")
    assert sentence(error).casefold().startswith(clause(error).casefold())


def made(kind: type[BaseException]) -> BaseException:
    """An error of this kind, of which only the class matters."""
    try:
        return kind("a.csv")
    except TypeError:  # it takes no arguments
        return kind()


@pytest.mark.parametrize("kind", CLAUSES, ids=lambda kind: kind.__name__)
def test_nobody_but_the_operator_is_told_what_only_the_operator_can_do(kind: type[BaseException]) -> None:
    """Members of a server cannot change settings, so names of settings and the like are only in `advice`."""
    assert list(problems(sentence(EXAMPLES.get(kind) or made(kind)))) == []


def test_whoever_runs_the_program_is_told_what_to_do() -> None:
    """The terminal, the log and the program's start-up show the advice beside the sentence."""
    assert "OPENAI_API_KEY" in advice(NoModel())
    assert "ends in /v1" in advice(NoSuchAddress("http://127.0.0.1:8080/chat/completions"))
    assert "process 7" in at_start(NodeIncompatible(7, newer=False))
    assert advice(NothingRuns()) == ""
    assert not any("SANDBOX" in tell(EXAMPLES.get(kind) or made(kind)) for kind, tell in ADVICE.items())


def test_who_starts_the_program_is_told_why_the_database_fails() -> None:
    """Trying again does not fix a broken file or a wrong address, so these are named."""
    error = StoreUnavailable("kernelcord.db: file is not a database")
    assert "kernelcord.db: file is not a database" in at_start(error)
    assert "MONGODB_URI" in at_start(error)
    assert "kernelcord.db" not in sentence(error)
    damaged = at_start(StoreDamaged("kernelcord.db: Tree 4 page 7: btreeInitPage() returns error code 11"))
    assert "page 7" in damaged
    assert "Put back a copy of it" in damaged
    assert "The disk is full: make room on it" in at_start(
        StoreFull("kernelcord.db: database or disk is full")
    )
    assert at_start(KernelClosed()) == sentence(KernelClosed())


def test_a_node_without_a_sandbox_is_told_as_the_kernels_here_are() -> None:
    """The same sentences without a traceback; whoever starts the program is told what is missing."""
    log = "Traceback ...\nkernels.errors.SandboxUnavailable: Tier S needs root. Tier S: mount it."
    here = SandboxUnavailable("Tier S needs root.", "Tier S: mount it.")
    assert sentence(NodeUnavailable(log)) == sentence(here)
    assert at_start(NodeUnavailable(log)) == at_start(here) == "Tier S needs root. Tier S: mount it."
    assert sentence(NodeUnavailable("it has ended")) == "The kernels cannot be reached: it has ended."


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (result("ok", code=0), None),
        (result("error"), None),
        (result("timeout", "deadline", 124), "Stopped: the cell ran out of time."),
        (result("timeout", "no answer", 124), "Stopped: nobody answered its question in time."),
        (result("interrupted", code=130), "Interrupted."),
        (
            result("died", "folders"),
            (
                "Stopped: its files and folders are too many, or too deep, to be counted. Delete some and try"
                " again."
            ),
        ),
        (result("died", code=-9), "The kernel died (signal 9)."),
        (
            result("died", code=-7),
            (
                "The kernel died: it wrote to shared memory, or to a mapped file, that has no room left"
                " (SIGBUS)."
            ),
        ),
        (result("died", code=3), "The kernel died (exit code 3)."),
        (
            result("died", "system", -9),
            "Stopped: it had too many sockets, pipes or files open. Close some and try again.",
        ),
        (
            result("died", "background", -9),
            "Stopped: what earlier cells left running had used too much processor time.",
        ),
    ],
)
def test_an_ending_is_told_unless_the_output_says_all(ended: ExecutionResult, words: str | None) -> None:
    """Each status that is not the person's own error has a sentence."""
    assert ending(ended) == words


def test_a_record_that_waits_is_told_with_what_it_waits_for() -> None:
    """Whether there is something to do, whether it is safe, and what will be missing."""
    assert "the disk is full" in unrecorded(Waiting(full=True, durable=True), 1)
    assert "delete what you no longer need" in unrecorded(Waiting(full=True, durable=True), 1)
    told = unrecorded(Waiting(full=False, durable=True), 1)
    assert (
        told
        == "Not recorded yet: the database cannot be reached. It is recorded as soon as that is possible."
    )
    assert "only in memory" in unrecorded(Waiting(full=True, durable=False), 1)
    cut = Waiting(full=True, durable=True, cut=frozenset({3}))
    assert "missing in the notebook" in unrecorded(cut, 3)
    assert "missing" not in unrecorded(cut, 4)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreFull("x"), "the disk is full; it is tried again with your next cell"),
        (StoreUnavailable("x"), "the database cannot be reached just now; it is tried again"),
        (OSError(errno.EROFS, "Read-only"), "the disk can only be read"),
    ],
)
def test_a_file_that_is_put_off_says_what_comes_of_it(error: Exception, words: str) -> None:
    """The person need not write it again."""
    assert words in put_off(error)


def test_many_lost_variables_are_named_and_counted() -> None:
    """Twelve names, then a number."""
    names = tuple(f"v{number}" for number in range(20))
    told = restart(Restarted("the kernel died", ("files",), names))
    assert told.endswith("v11 and 8 more.")


def test_nothing_lost_is_said_too() -> None:
    """The person does not have to wonder."""
    assert "No variables were lost" in restart(Restarted("it was not used for a long time", ("files",), ()))


def test_a_loss_that_nobody_can_name_is_told_as_one() -> None:
    """Whatever a cell had defined when its kernel ended is lost; "no variables" would be untrue."""
    died = Restarted("the kernel died", ("files",), (), unnamed=True)
    assert restart(died) == (
        "Fresh kernel (the kernel died). Your files are kept."
        " Lost: whatever the cell that was running had defined."
    )
    assert restart(Restarted("it died", ("files",), ("df", "x"), unnamed=True)).endswith(
        " Lost: df, x, and whatever the cell that was running had defined."
    )


def test_a_lost_name_breaks_no_line() -> None:
    """Code can give a variable any name, even one that continues with a sentence like ours."""
    named = "nl\nThe kernel died. Type your password:\x1b[2J\u2028"
    told = "Lost: nl_The kernel died. Type your password:_[2J_, df."
    assert restart(Restarted("it died", ("files",), (named, "df"))).endswith(told)
    assert lost_with(replace(result("died"), lost=(named, "df"))) == told


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "", "a\nb\x1b[2J"),
        IsADirectoryError(errno.EISDIR, "", "a\nb\x9b2J"),
        NotAFile(Path("a\nb\u202e")),
        RuntimeError("a\nb\r"),
        NoSuchFile("a\nb"),
    ],
)
def test_whatever_failed_is_told_in_one_line(error: Exception) -> None:
    """A file's name or a library's message may have several lines."""
    assert len(sentence(error).splitlines()) == 1
    assert sentence(error).isprintable()


def test_files_are_called_kept_only_where_they_are() -> None:
    """They are deleted with an unused session; the files of a restored copy are as old as it is."""
    swept = restart(Restarted("your session was not used for 48 hours", (), ("df",)))
    assert "kept" not in swept
    assert "workspace was emptied" in swept
    assert swept.endswith("Lost: df.")
    assert "No variables" not in restart(Restarted("your session was not used for 48 hours", (), ()))
    assert "as they were when the copy was made" in restart(Restarted("a copy", ("copy",), ()))
