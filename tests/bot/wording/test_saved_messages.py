"""What is said of saved variables and of branches is true, short, and has no Markdown of other people's."""

from dataclasses import replace

from bot.continuity.undo.branches import Branch
from bot.continuity.undo.undone import NewCheckpoint
from bot.wording.branch_messages import begun, kept, list_of_branches, list_of_checkpoints
from bot.wording.saved_messages import what_is_saved
from kernels.cell.events import UnsavedValue
from kernels.interface import State
from kernels.state.journey import SavedCell

CONN = UnsavedValue("conn", 7, "a database connection")
BRANCH = Branch("u1-branch-1", "channel-5", "what if", "u1", "channel-4", 12, here=True)


def test_what_is_saved_says_what_is_not() -> None:
    """What cannot be saved is told apart from what is only newer than the save; of many, some are named."""
    new = tuple(UnsavedValue(f"x{number}", 0, "") for number in range(8))
    told = what_is_saved(State(alive=True, saved=12, saved_size=3_200_000, unsaved=(CONN, *new)))
    assert told.startswith("Saved as of cell 12 (")
    assert "Not saved: `conn` (a database connection, from cell 7)." in told
    assert "Not saved yet: `x0`" in told
    assert told.endswith("and 2 more.")
    assert what_is_saved(State(alive=True)) == ""


def test_a_branch_says_what_it_has_and_how_to_leave_it() -> None:
    """A thread is left by leaving it; a branch that takes its place over is left by name."""
    there = begun(replace(BRANCH, unsaved=(CONN,)))
    assert "`what if` begins with your variables and files as after cell 12." in there
    assert "Not in it: `conn`" in there
    assert "`main`" not in there
    assert "`main` leads back" in begun(replace(BRANCH, place="channel-4"))
    assert "without variables" in begun(replace(BRANCH, cell=0))


def test_a_checkpoint_says_what_it_does_not_have() -> None:
    """Going back to it does not bring that back."""
    saved = SavedCell(3, 12, 0.0)
    assert kept("clean", NewCheckpoint(saved)).endswith(
        "`clean`: your variables and files as after cell 12 are kept."
    )
    assert "Not in it: `conn`" in kept("clean", NewCheckpoint(saved, (CONN,)))


def test_names_cannot_leave_their_backticks() -> None:
    """A name may have any visible character."""
    assert "`a'b`" in list_of_branches([replace(BRANCH, name="a`b")])
    assert "`a'b`" in list_of_checkpoints({"a`b": SavedCell(3, 0, 0.0)})
    many = {f"c{number}": SavedCell(number, number, 0.0) for number in range(1, 26)}
    assert list_of_checkpoints(many).startswith("25 checkpoints, of which these are the newest:\n- `c6`")
