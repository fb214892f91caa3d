"""What is said about variables that came back with a kernel, and about those that did not."""

from dataclasses import replace

import pytest

from bot.reply import ExecutionResult
from bot.wording.cell_messages import lost_with, restart
from kernels.cell.events import Restarted, UnsavedValue

CONN = UnsavedValue("conn", 7, "a database connection")
GEN = UnsavedValue("gen", 0, "a generator")


def back(
    lost: tuple[str, ...] = (), *unsaved: UnsavedValue, unnamed: bool = False, **more: tuple[str, ...]
) -> str:
    """What is said of a restart that brought variables back."""
    kept, names = more.get("kept", ("files",)), more.get("back", ("df",))
    told = Restarted("the kernel died", kept, lost, unnamed, as_of=12, back=names, unsaved=unsaved)
    return restart(told)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("it was not used for a long time", "The kernel ended: it was not used for a long time."),
        ("it ended while I was away", "The kernel ended while I was away."),
        ("the kernel died", "The kernel died."),
        ("quit() ended the kernel", "quit() ended the kernel."),
        ("the server ran out of memory", "The kernel ended: the server ran out of memory."),
    ],
)
def test_what_is_whole_again_is_said_in_short(reason: str, words: str) -> None:
    """Why the kernel ended, and where the variables stand; the files need no word."""
    told = Restarted(reason, ("files",), (), as_of=12, back=("df",))
    assert restart(told) == f"{words} Your variables are as after cell 12."


def test_what_is_not_back_is_named_with_what_it_was_and_its_cell() -> None:
    """The cell is the one to run again, if it is known."""
    assert back((), CONN, GEN) == (
        "The kernel died. Your variables are as after cell 12."
        " Not back: conn (a database connection, from cell 7), gen (a generator)."
    )


def test_what_is_back_in_part_is_not_called_gone() -> None:
    """A list of which one entry could not be saved is there."""
    inner = UnsavedValue("df", 3, "a lock")
    assert back((), inner).endswith("Not back: part of df (a lock, from cell 3).")


def test_what_was_made_since_the_save_is_called_lost() -> None:
    """By name, and what a cell in progress had made without."""
    assert back(("x",), CONN).endswith("from cell 7). Lost since then: x.")
    assert back(("x",), unnamed=True).endswith(
        " Your variables are as after cell 12."
        " Lost since then: x, and whatever the cell that was running had defined."
    )


def test_files_are_spoken_of_where_they_are_not_as_they_were() -> None:
    """The workspace of an unused session is emptied, though its variables stay; a copy's is older."""
    assert "Your workspace was emptied" in back(kept=())
    assert "as they were when the copy was made" in back(kept=("copy",))
    assert "files" not in back()


def test_many_that_are_not_back_are_named_and_counted() -> None:
    """As lost ones are."""
    values = [UnsavedValue(f"v{number}", 1, "a lock") for number in range(20)]
    assert back((), *values).endswith("v11 (a lock, from cell 1) and 8 more.")


def test_nothing_that_a_kernel_says_of_its_values_breaks_a_line() -> None:
    """Names and words come from the person's code."""
    told = back((), UnsavedValue("a\nb", 1, "x\x1b[2J\u2028y"))
    assert told.isprintable()
    assert len(told.splitlines()) == 1


def test_a_result_says_the_same_of_the_variables() -> None:
    """Where the restart itself was shown by an earlier program."""
    result = ExecutionResult(status="died", cell=13, return_code=1, as_of=12, back=("df",), unsaved=(CONN,))
    assert lost_with(result) == (
        "Your variables are as after cell 12. Not back: conn (a database connection, from cell 7)."
    )
    assert lost_with(replace(result, as_of=0, unsaved=(), lost=("df",))) == "Lost: df."
    assert lost_with(replace(result, as_of=0, unsaved=())) == ""
