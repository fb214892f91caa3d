"""What is noted of steps and checkpoints stays within the room that a record has for it."""

from msgspec import structs

from bot.continuity.undo.history import MOST, Origin, UndoHistory, UndoStep, numbers, ranges
from filestore.records import HISTORY

STEP = UndoStep("undo", save=3, cell=12, as_of=10, top=12, undone=((11, 12),))


def test_numbers_are_kept_as_ranges() -> None:
    """In order, each once."""
    assert ranges([7, 3, 4, 5, 4]) == ((3, 5), (7, 7))
    assert numbers(ranges([7, 3, 4, 5])) == (3, 4, 5, 7)


def test_a_history_is_read_as_it_was_written() -> None:
    """An empty one is no text; what cannot be read is an empty one."""
    history = UndoHistory((STEP,), STEP, {"good": ((1, 2),)}, Origin("x", "u1", "dm-7", 3, here=True))
    assert UndoHistory.from_text(history.to_text()) == history
    assert UndoHistory().to_text() is None
    for text in (None, "", "nonsense", '{"steps": 1}'):
        assert UndoHistory.from_text(text) == UndoHistory()


def test_steps_end_with_a_later_cell_and_are_few() -> None:
    """One that cannot be redone ends those before it, too."""
    history = UndoHistory().gone(STEP).gone(STEP)
    assert history.steps == (STEP, STEP)
    later = structs.replace(STEP, top=20)
    assert history.gone(later).steps == (later,)
    assert history.gone(structs.replace(STEP, save=0)).steps == ()
    assert history.gone(structs.replace(STEP, kind="redo")).steps == (STEP,)
    for _ in range(MOST + 5):
        history = history.gone(STEP)
    assert len(history.steps) == MOST


def test_what_does_not_fit_is_left_out() -> None:
    """The oldest steps first, then the largest checkpoint; where a branch is from always stays."""
    many = ranges(range(1, 20_000, 2))
    origin = Origin("x", "u1", "dm-7", 3)
    history = UndoHistory(
        (structs.replace(STEP, undone=many), STEP), None, {"a": ((1, 1),), "b": many}, origin
    )
    kept = UndoHistory.from_text(history.to_text())
    assert len((history.to_text() or "").encode()) <= HISTORY
    assert (kept.steps, kept.lines, kept.origin) == ((), {"a": ((1, 1),)}, origin)
    kept = UndoHistory.from_text(structs.replace(history, lines={}).to_text())
    assert kept.steps == (STEP,)
