"""Changes a module of a library as soon as somebody imports it, and not before: most kernels import few.

on_import.change("tqdm.notebook", with_text)        # with_text(module), now if it is there already
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["change"]


def change(name: str, how: Callable[[ModuleType], object]) -> None:
    """Call `how` with the module of this name once it has been imported."""
    if name in sys.modules:
        how(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, how))


class _Finder(MetaPathFinder):
    """Finds one module as Python does, has it changed once it is there, and is gone."""

    def __init__(self, name: str, how: Callable[[ModuleType], object]) -> None:
        self._name = name
        self._how = how

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._name:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                self._how(module)

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
