"""Processor time is counted for a whole tree, and nothing twice; the tests use files like those of /proc."""

import shutil
from pathlib import Path

import pytest

from kernels.sandbox.limits import processor_time
from kernels.sandbox.limits.processor_time import TICK, Spent


class Tree:
    """Processes as files, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 100.0
        self.spent = Spent(folder)

    def set(self, pid: int, own: float, *, waited: float = 0, began: int = 7, state: str = "S") -> None:
        """Set the seconds that a process has used itself, and those of the children it waited for."""
        (self.folder / str(pid)).mkdir(exist_ok=True)
        times = [f"{int(seconds * TICK)}" for seconds in (own / 2, own / 2, waited / 2, waited / 2)]
        fields = [state, *["0"] * 10, *times, "0", "0", "1", "0", str(began)]
        (self.folder / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)} 0")

    def end(self, pid: int) -> None:
        """Remove a process."""
        shutil.rmtree(self.folder / str(pid))

    def look(self, after: float = 1.0) -> float:
        """The time spent in total, some seconds later."""
        self.now += after
        return self.spent.look(int(each.name) for each in sorted(self.folder.iterdir()))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """An init with a kernel that has worked for a minute."""
    made = Tree(tmp_path)
    monkeypatch.setattr(processor_time, "monotonic", lambda: made.now)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    made.set(1, 1)
    made.set(2, 60)
    assert made.look() == 0
    return made


def test_only_what_comes_after_the_first_look_counts(tree: Tree) -> None:
    """For all processes together."""
    tree.set(2, 61)
    assert tree.look() == 1
    tree.set(1, 3)
    tree.set(2, 62)
    assert tree.look() == 4
    assert tree.look() == 4


def test_a_new_process_counts_from_its_start(tree: Tree) -> None:
    """All of its time came after the first look."""
    tree.set(3, 2)
    assert tree.look(after=5) == 2


def test_who_was_waited_for_counts_once(tree: Tree) -> None:
    """It was seen, then its parent reports it; that shows what it used in between."""
    tree.set(3, 2)
    assert tree.look() == 2
    tree.end(3)
    tree.set(2, 60, waited=5)
    assert tree.look() == 5


def test_who_came_and_went_between_two_looks_counts_by_its_parent(tree: Tree) -> None:
    """The process itself was never seen."""
    tree.set(2, 60, waited=4)
    assert tree.look() == 4


def test_who_goes_without_a_word_takes_nothing_back(tree: Tree) -> None:
    """If nobody waits for it no parent reports its time; the total does not fall, and others still count."""
    tree.set(3, 50)
    assert tree.look() == 50
    tree.end(3)
    tree.set(2, 61)
    assert tree.look() == 51


def test_who_is_not_seen_once_is_not_new(tree: Tree) -> None:
    """A look can miss a process that is just given another parent."""
    told = (tree.folder / "2" / "stat").read_text()
    tree.end(2)
    tree.look()
    (tree.folder / "2").mkdir()
    (tree.folder / "2" / "stat").write_text(told)
    assert tree.look() == 0


def test_a_number_that_another_process_has_got_is_another_process(tree: Tree) -> None:
    """The start time tells them apart."""
    tree.set(2, 3, began=8)
    assert tree.look(after=5) == 3


def test_short_lived_processes_are_estimated_by_who_runs(tree: Tree) -> None:
    """Each look finds new ones that no parent reports: as many as run now are taken to have run all along."""
    for number in range(3, 13):
        tree.set(number, 0.01, state="R")
        tree.look(after=3)
        tree.end(number)
    assert tree.spent.seconds == pytest.approx(30)


def test_no_more_is_estimated_than_there_are_processors(tree: Tree) -> None:
    """Many processes wait for one processor."""
    for number in range(3, 23):
        tree.set(number, 0, state="R")
    assert tree.look(after=3) == 6
    assert tree.look(after=3) == 6  # they are known now, and have done nothing since
