"""A library's module is changed when it is imported, whatever happened before; no finder of ours stays."""

import importlib
import sys
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from kernels.inside.libraries import on_import

_numbers = count(1)


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported, and that nothing has asked for yet."""
    name = f"imported_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text("import os\nif os.environ.get('FAILS'): raise OSError('stopped')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(on_import, "_awaited", {})
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return name


def finders() -> int:
    """How many of our finders are installed."""
    return sum(type(finder).__module__ == on_import.__name__ for finder in sys.meta_path)


def test_one_finder_makes_all_changes_once_and_goes(name: str) -> None:
    """However many changes are asked for, even twice; the module's loader is the one Python made."""
    changed: list[str] = []

    def first(module: ModuleType) -> None:
        changed.append(f"first {module.__name__}")

    def second(module: ModuleType) -> None:
        changed.append(f"second {module.__name__}")

    for how in (first, second, first, second):
        on_import.change(name, how)
    on_import.change("nothing_of_this_name", first)
    assert finders() == 1
    module = importlib.import_module(name)
    assert changed == [f"first {name}", f"second {name}"]
    assert "exec_module" not in vars(module.__loader__)
    assert finders() == 1
    on_import._awaited.clear()
    on_import.change(name, first)
    assert changed[2:] == [f"first {name}"]


@pytest.mark.parametrize("before", ["looked up", "failed"])
def test_an_import_that_comes_to_nothing_takes_no_change_away(
    name: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries check whether another one is installed; an import can fail or be stopped."""
    changed: list[ModuleType] = []
    on_import.change(name, changed.append)
    if before == "looked up":
        assert find_spec(name) is not None
    else:
        monkeypatch.setenv("FAILS", "1")
        with pytest.raises(OSError, match="stopped"):
            importlib.import_module(name)
        monkeypatch.delenv("FAILS")
    assert changed == []
    module = importlib.import_module(name)
    assert changed == [module]
    assert finders() == 0
