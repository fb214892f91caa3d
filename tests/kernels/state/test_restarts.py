"""What a person is told of a kernel that was replaced: once, and nothing that is not so."""

from datetime import UTC, datetime

from bot.continuity import losses
from kernels.cell.events import Restarted, UnsavedValue
from kernels.state.manifest import LostValue, Manifest, Meta
from kernels.state.restarts import AWAY, NOT_BACK, BroughtBack, Restarts

DB = UnsavedValue("db", 2, "a database connection")
SAVED = Manifest(
    cell=12,
    saved_at=datetime(2026, 1, 1, tzinfo=UTC),
    buffers=(),
    meta=Meta(names=("df", "x"), lost=(LostValue("db", 2, "a database connection"),)),
    python="3.12",
)
BACK = BroughtBack(12, ("df", "x"), (DB,))
TOLD = Restarted("it died", ("files",), ("new",), as_of=12, back=("df", "x"), unsaved=(DB,))


def test_without_a_save_all_is_lost() -> None:
    """As it is without a store."""
    restarts = Restarts()
    restarts.ended("it died", ["x", "y"], in_cell=True, saved=None)
    restarts.started(None)
    assert restarts.take() == Restarted("it died", ("files",), ("x", "y"), unnamed=True)
    assert restarts.take() is None


def test_what_is_back_is_not_lost() -> None:
    """Nor is what could not be saved, which is named with its cell."""
    restarts = Restarts()
    restarts.ended("it died", ["df", "x", "db", "new"], in_cell=False, saved=SAVED)
    restarts.started(BACK)
    assert restarts.take() == TOLD


def test_what_was_told_before_the_restore_is_not_told_again() -> None:
    """A cell that ends with its kernel tells at once what was saved, and the next one finds it so."""
    restarts = Restarts()
    restarts.ended("it died", ["df", "x", "db", "new"], in_cell=False, saved=SAVED)
    assert restarts.take() == TOLD
    restarts.started(BACK)
    assert restarts.take() is None
    restarts.ended("it was idle", ["df"], in_cell=False, saved=None)
    assert restarts.take() == Restarted("it was idle", ("files",), ("df",))


def test_less_than_was_told_is_told_again() -> None:
    """A name that is not there, a value that could not be made, or a save that is older."""
    for restored in (
        BroughtBack(12, ("df",), (DB,)),
        BroughtBack(12, ("df", "x"), (DB, UnsavedValue("x", 3, "a class of a library that is gone"))),
        BroughtBack(11, ("df", "x"), (DB,)),
    ):
        restarts = Restarts()
        restarts.ended("it died", ["df", "x"], in_cell=False, saved=SAVED)
        restarts.take()
        restarts.started(restored)
        told = restarts.take()
        assert told is not None
        assert (told.reason, told.as_of, told.back) == ("it died", restored.cell, restored.back)
        assert told.unsaved == restored.unsaved
        assert told.lost == (("x",) if restored.back == ("df",) else ())


def test_what_nobody_was_told_is_told_with_the_next_restart() -> None:
    """As of one that ended idle, and whose next one ended idle before a cell ran in it."""
    restarts = Restarts()
    restarts.ended("it was idle", ["df", "x", "db", "new"], in_cell=True, saved=SAVED)
    restarts.started(BACK)
    restarts.ended("memory was short", ["df", "x"], in_cell=False, saved=SAVED)
    restarts.started(BACK)
    told = restarts.take()
    assert told is not None
    assert (told.reason, told.as_of, told.lost, told.unnamed) == ("memory was short", 12, ("new",), True)
    assert told.unsaved == (DB,)
    restarts = Restarts()
    restarts.ended("it was idle", ["y", "x"], in_cell=False, saved=None)
    restarts.ended("memory was short", ["x"], in_cell=False, saved=None)
    assert restarts.take() == Restarted("memory was short", ("files",), ("y", "x"))


def test_a_restore_that_failed_is_told_with_all_names() -> None:
    """Those that were known and those that were saved, whether something was promised or not."""
    failed = BroughtBack(0, gone=("df", "x"))
    for first in (False, True):
        restarts = Restarts()
        restarts.ended("it died", ["new", "x"], in_cell=False, saved=SAVED)
        if first:
            restarts.take()
        restarts.started(failed)
        told = restarts.take()
        assert told is not None
        assert told.reason == f"it died; {NOT_BACK}"
        assert (told.as_of, told.back, told.unsaved) == (0, (), ())
        assert set(told.lost) == {"new", "df", "x", "db"}


def test_a_promise_is_broken_aloud_if_nothing_is_there() -> None:
    """As when somebody has deleted the folder in between."""
    restarts = Restarts()
    restarts.ended("it died", ["x"], in_cell=False, saved=SAVED)
    restarts.take()
    restarts.started(None)
    told = restarts.take()
    assert told is not None
    assert NOT_BACK in told.reason
    assert told.as_of == 0


def test_a_state_of_an_earlier_program_is_told() -> None:
    """Nobody has seen that kernel end."""
    restarts = Restarts()
    restarts.started(BACK)
    assert restarts.take() == Restarted(AWAY, ("files",), (), as_of=12, back=("df", "x"), unsaved=(DB,))


def test_a_first_kernel_has_nothing_to_tell() -> None:
    """Nor one after the state was forgotten."""
    restarts = Restarts()
    restarts.started(None)
    assert restarts.take() is None
    restarts.ended("it died", ["x"], in_cell=False, saved=SAVED)
    restarts.forget()
    restarts.started(None)
    assert restarts.take() is None


def test_a_kernel_that_nobody_saw_end_has_the_words_of_the_bot() -> None:
    """Which notices the same end by its own notes, and must not tell it in two ways."""
    assert AWAY == losses.AWAY
