"""Tables are as wide as the terminal of the person who reads them."""

import os
import sys
from types import ModuleType

import pytest

from kernels.inside.libraries import on_import, width


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure no module is awaited, and restore the initial width afterwards."""
    monkeypatch.setattr(on_import, "_awaited", {})
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(width, "_before", width.FIRST)
    monkeypatch.setattr(width, "_columns", width.FIRST)


@pytest.mark.parametrize(("told", "columns"), [(120, "120"), (1, "40"), (10_000, "400")])
def test_programs_are_told_within_reason(told: int, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the variable that they read."""
    monkeypatch.setenv("COLUMNS", "80")
    width.follow(told)
    assert os.environ["COLUMNS"] == columns


def test_a_width_that_is_told_again_and_again_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal reports it with each change of size; the last one applies when pandas is imported."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    before = len(sys.meta_path)
    for columns in range(100, 150):
        width.follow(columns)
    assert len(sys.meta_path) == before + 1
    assert {name: len(changes) for name, changes in on_import._awaited.items()} == {"pandas": 1}
    options = {width.OPTION: 80}
    pandas = ModuleType("pandas")
    pandas.get_option = options.get  # type: ignore[attr-defined]
    pandas.set_option = options.__setitem__  # type: ignore[attr-defined]
    on_import._change("pandas", pandas)
    assert options == {width.OPTION: 149}
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    width.follow(90)
    assert options == {width.OPTION: 90}
    options[width.OPTION] = 200  # the person's own
    width.follow(100)
    assert options == {width.OPTION: 200}
