"""What people read after an undo: short, and nothing that differs is left out."""

import pytest

from bot.continuity.undo.history import Origin
from bot.continuity.undo.undone import FileBack, FileLeft, Undone
from bot.wording.undo_messages import branched, cells_in_words, left_out, undone
from kernels.cell.events import UnsavedValue
from kernels.state.journey import ChangedVariable


def test_an_undo_says_what_is_different_now() -> None:
    """Variables by what they are now, files by their versions."""
    told = Undone(
        "undo",
        12,
        (13,),
        changed=(
            ChangedVariable("df", "DataFrame 900 x 4", "DataFrame 1,000 x 4"),
            ChangedVariable("model", "Ridge", ""),
            ChangedVariable("n", "", "int 3"),
            ChangedVariable("x", "list 2 items", "list 2 items"),
        ),
        files=(FileBack("new.txt", gone=True), FileBack("plot.png", 8), FileBack("data.csv")),
    )
    assert undone(told) == (
        "Undone: cell 13. `df` is back to DataFrame 1,000 x 4; `model` is gone; `n` is there again (int 3);"
        " `x` has other contents again; `new.txt` is deleted; `plot.png` is the version of cell 8;"
        " `data.csv` is the version that was uploaded."
    )


def test_what_is_not_back_is_named() -> None:
    """Cells whose variables were not saved, values, files; and that it cannot be redone."""
    told = Undone(
        "undo",
        10,
        (13, 14),
        unkept=(11, 12),
        unsaved=(UnsavedValue("conn", 7, "a database connection"), UnsavedValue("g", 0, "a generator")),
        left=(FileLeft("a`b.bin", "nobody knows"),),
        for_good=True,
    )
    assert undone(told) == (
        "Undone: cells 13 and 14."
        " Your variables are as after cell 10: those of cells 11 and 12 were not saved."
        " Not back: `conn` (a database connection, from cell 7); `g` (a generator)."
        " Not put back: `a\N{RIGHT SINGLE QUOTATION MARK}b.bin` (nobody knows)."
        " What was there before was not saved, so this cannot be redone."
    )


def test_other_journeys_say_where_they_went() -> None:
    """A redo, and a checkpoint."""
    assert undone(Undone("redo", 13, again=(13,))) == "Redone: cell 13. No variable and no file is different."
    told = undone(Undone("restore", 8, (9, 10), (7,), name="good"))
    assert told.startswith(
        "Back at checkpoint `good`, which is as of cell 8. Undone: cells 9 and 10. Counting again: cell 7. "
    )
    assert undone(Undone("undo", 0, (1,))).startswith("Undone: cell 1. You have no variables now.")


def test_many_are_counted() -> None:
    """The first are named."""
    changed = tuple(ChangedVariable(f"v{number}", "int 1", "") for number in range(11))
    text = undone(Undone("undo", 1, (2,), changed=changed))
    assert text.endswith("`v7` is gone; and 3 more variables.")
    assert len(undone(Undone("undo", 1, (2,), changed=(ChangedVariable("v" * 999, "", "x" * 999),)))) < 250


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([3], "cell 3"),
        ([3, 4], "cells 3 and 4"),
        ([3, 4, 5], "cells 3 to 5"),
        ([3, 5, 9], "cells 3, 5 and 9"),
        (list(range(1, 3000, 2)), "1,500 cells from 1 to 2999"),
    ],
)
def test_numbers_of_cells_are_short(cells: list[int], words: str) -> None:
    """However many."""
    assert cells_in_words(cells) == words


def test_notebooks_say_what_they_leave_out_and_what_they_branched_from() -> None:
    """In a line each."""
    assert left_out(1) == "*1 cell that was undone: left out here.*"
    assert left_out(2) == "*2 cells that were undone: left out here.*"
    assert "`what if`" in branched(Origin("what if", "u1", "dm-1", 12))
    assert "at cell 12" in branched(Origin("what if", "u1", "dm-1", 12))
    assert "without variables" in branched(Origin("what if", "u1", "dm-1", 0))
