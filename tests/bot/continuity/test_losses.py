"""Losses that are told as one: what has come back by the later one is not lost."""

import pytest

from bot.continuity.losses import AWAY, BROKEN_OFF, COPY, LONGEST, MOST, UPDATED, KernelNote, merge_losses
from kernels.cell.events import Restarted, UnsavedValue

CONN = UnsavedValue("conn", 7, "a database connection")
IDLE = "it was not used for a long time"


def back(
    *names: str, reason: str = AWAY, unsaved: tuple[UnsavedValue, ...] = (), as_of: int = 12
) -> Restarted:
    """What a kernel tells that got these variables back."""
    return Restarted(reason, ("files",), (), as_of=as_of, back=names, unsaved=unsaved)


def test_what_is_back_is_not_lost() -> None:
    """Nor what could not be saved, which is named as that; what is neither was made since."""
    noted = Restarted(AWAY, ("files",), ("df", "conn", "new"))
    assert merge_losses(noted, back("df", unsaved=(CONN,))) == Restarted(
        AWAY, ("files",), ("new",), as_of=12, back=("df",), unsaved=(CONN,)
    )


@pytest.mark.parametrize("reason", [UPDATED, COPY, "your session was not used for 48 hours"])
def test_a_kernel_that_knows_no_reason_is_given_the_noted_one(reason: str) -> None:
    """If it knows its own, that is the better one."""
    noted = Restarted(reason, ("files",), ("df",))
    merged = merge_losses(noted, back("df"))
    assert merged is not None
    assert merged.reason == reason
    failed = merge_losses(noted, Restarted(f"{AWAY}; they are not back", ("files",), ("df",)))
    assert failed == Restarted(f"{reason}; they are not back", ("files",), ("df",))
    merged = merge_losses(noted, back("df", reason=IDLE))
    assert merged is not None
    assert merged.reason == IDLE


def test_a_reason_does_not_hide_that_files_may_be_wrong() -> None:
    """Of an undo that broke off with its node; that is said once."""
    broken_off = Restarted(BROKEN_OFF, ("files",), (), as_of=12)
    both = merge_losses(broken_off, back("df", reason=IDLE))
    assert both is not None
    assert both.reason == f"{IDLE}; {BROKEN_OFF}"
    assert merge_losses(both, both) == both
    assert merge_losses(broken_off, back("df")) == back("df", reason=BROKEN_OFF)


def test_variables_of_unknown_names_are_among_those_that_came_back() -> None:
    """What a cell in progress had defined is not: nothing of it was saved."""
    noted = Restarted(AWAY, ("files",), (), unnamed=True, earlier=True)
    merged = merge_losses(noted, back("df"))
    assert merged is not None
    assert (merged.unnamed, merged.earlier) == (True, False)


def test_the_later_of_two_restores_counts() -> None:
    """The earlier one was never told, and is past."""
    earlier = back("df", "x", unsaved=(CONN,), as_of=3)
    later = back("df", as_of=12)
    assert merge_losses(earlier, later) == later


def test_what_came_back_and_is_lost_again_is_lost() -> None:
    """With what had not come back even then, of which nobody was told."""
    died = Restarted("the kernel died", ("files",), ("df",))
    merged = merge_losses(back("df", unsaved=(CONN,)), died)
    assert merged == Restarted("the kernel died", ("files",), ("conn", "df"))


def test_a_note_keeps_what_came_back_until_it_is_told() -> None:
    """For the next program, within bounds; an end that nobody saw makes all of it unknown again."""
    note = KernelNote().with_untold(back("df", unsaved=(CONN,)))
    read = KernelNote.from_text(note.to_text())
    assert read == note
    assert read.untold == back("df", unsaved=(CONN,))
    ended = read.with_variables(["df", "y"]).ended(AWAY)
    assert ended.untold == Restarted(AWAY, ("files",), ("conn", "df", "y"))
    long = UnsavedValue("n" * 1000, 1, "w" * 1000)
    many = KernelNote().with_untold(back(*map(str, range(1000)), unsaved=(long,) * 1000))
    assert (len(many.back), len(many.unsaved)) == (MOST, MOST)
    assert (len(many.unsaved[0].name), len(many.unsaved[0].what)) == (LONGEST, LONGEST)
    assert note.with_untold(None) == KernelNote()
