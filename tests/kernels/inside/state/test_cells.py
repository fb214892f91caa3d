"""The cell that made a name, or was the last to bind it, is remembered."""

from typing import Any

from kernels.inside.state.cells import Cells


def test_a_name_is_of_the_cell_that_made_or_bound_it_last() -> None:
    """A change within a value is no new binding, and neither is one of another name."""
    rows, namespace = [1], dict[str, Any]()
    cells = Cells()
    namespace |= {"rows": rows, "n": "one"}
    cells.note(namespace, namespace, 3)
    rows.append(2)
    namespace |= {"n": "two", "again": rows}
    cells.note(namespace, namespace, 5)
    assert cells.all() == {"rows": 3, "n": 5, "again": 5}
    assert cells.newest_first() == ["again", "n", "rows"]


def test_a_name_that_is_gone_is_forgotten() -> None:
    """If it is made again, it is of that cell."""
    namespace, cells = {"a": "value", "b": "other"}, Cells()
    cells.note(namespace, namespace, 1)
    kept = namespace.pop("a")
    cells.note(namespace, namespace, 2)
    assert cells.all() == {"b": 1}
    assert cells.of("a") == 0
    namespace["a"] = kept
    cells.note(namespace, namespace, 3)
    assert cells.of("a") == 3


def test_after_several_cells_only_the_last_ones_names_are_certain() -> None:
    """A wrong cell would be worse than none."""
    namespace, cells = {"old": "value", "kept": "value"}, Cells()
    cells.note(namespace, namespace, 1)
    namespace |= {"old": "bound by nobody knows which", "new": "value"}
    cells.note(namespace, namespace, 4, {"new"})
    assert cells.all() == {"old": 0, "kept": 1, "new": 4}


def test_cells_of_an_earlier_process_are_known_again() -> None:
    """Restored names are of the cells that made them, and not of the next one."""
    namespace, cells = {"a": "value", "b": "value"}, Cells()
    cells.restored(namespace, namespace, {"a": 7, "gone": 8})
    cells.note(namespace, namespace, 12)
    assert cells.all() == {"a": 7, "b": 0}
