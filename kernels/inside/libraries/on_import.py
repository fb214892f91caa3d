"""Changes a library's module as soon as it is imported, and not before: most kernels import few libraries.

on_import.change("tqdm.notebook", with_text)        # with_text(module), now if it is there already
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["change"]

Change = Callable[[ModuleType], object]

_awaited: dict[str, list[Change]] = {}  # by the module's name


def change(name: str, how: Change) -> None:
    """Call `how` with the module of this name once it is imported; the same `how` is called only once."""
    if name in sys.modules:
        how(sys.modules[name])
        return
    changes = _awaited.setdefault(name, [])
    if how not in changes:
        changes.append(how)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _Finder(MetaPathFinder):
    """Finds the awaited modules as Python does, and changes each once it has been imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _awaited:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader, execute = spec.loader, spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                vars(loader).pop("exec_module", None)  # now the loader is as Python made it
                execute(module)
                _change(name, module)

            loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def _change(name: str, module: ModuleType) -> None:
    """Make the changes: only after an import that succeeded, and not when a spec is looked up."""
    for how in _awaited.pop(name, ()):
        how(module)
    if not _awaited and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


_finder = _Finder()
