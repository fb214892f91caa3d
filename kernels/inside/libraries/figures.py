"""Shows matplotlib's figures as pictures, whichever backend the code chooses, and saves them as shown.

    figures.follow()        # once, before the person's code
    figures.end_cell()      # after each cell
    figures.last()          # the figure that was shown last, for `bring_back` in another kernel

Scripts begin with `matplotlib.use("Agg")`, which shows nothing, and notebooks with `%matplotlib notebook`,
which needs a page that runs scripts. So every choice of a backend leads to the inline one, which shows
figures at `plt.show()` and at the end of a cell; it draws and writes the same.

The inline backend closes a figure when it has shown it. A later `plt.savefig` would write an empty figure:
here it writes the one that was shown last. If a figure was saved as it is shown, its metadata name the files.
"""

import functools
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.getipython import get_ipython

from . import on_import

__all__ = ["bring_back", "end_cell", "follow", "last"]

PYPLOT = "matplotlib.pyplot"
INLINE = "module://matplotlib_inline.backend_inline"
# Backends whose names a program may find in its settings afterwards; other names would make IPython do more.
QUIET = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
PARTS = ("axes", "lines", "texts", "images", "patches", "artists", "legends", "subfigs")  # of a figure
EMPTY = (
    "the figure that is saved is empty. A figure that was shown is closed: save it before plt.show(), or keep"
    " it under a name (fig = plt.gcf()) and call its savefig()"
)

_saved: "WeakKeyDictionary[Any, list[str]]" = WeakKeyDictionary()  # files by figure
_shown: Any = None  # the figure that was shown last
_age = 0  # how many cells ago that was: a figure may be large, so it is not kept for long


def follow() -> None:
    """Change pyplot so, now or when it is imported."""
    on_import.change(PYPLOT, _change)


def end_cell() -> None:
    """Keep the figure that was shown last for one more cell, but not longer."""
    global _shown, _age  # noqa: PLW0603  one process, one pyplot
    _age += 1
    if _age > 1:
        _shown = None


def last() -> tuple[Any, int] | None:
    """The figure that was shown last, and how many cells ago; None once it is not kept any more."""
    return (_shown, _age) if _shown is not None else None


def bring_back(figure: Any, age: int) -> None:
    """Take this figure for the one that was shown last, so many cells ago."""
    global _shown, _age
    _shown, _age = figure, age


def _change(pyplot: Any) -> None:
    pyplot.switch_backend = _shows_figures(pyplot.switch_backend)
    pyplot.savefig = _saves_what_was_shown(pyplot, pyplot.savefig)
    pyplot.Figure.savefig = _notes_files(pyplot.Figure.savefig)


def _shows_figures(switch: Callable[[str], None]) -> Callable[[str], None]:
    """pyplot's `switch_backend`, which always switches to the inline backend."""
    inside = followed = False  # while it is being imported, that backend switches to itself

    @functools.wraps(switch)
    def switch_backend(newbackend: str) -> None:
        nonlocal inside, followed
        if inside:
            switch(INLINE)
            return
        inside = True
        try:
            switch(INLINE)
            if not followed:
                _activate()
                followed = True
        finally:
            inside = False
        if isinstance(newbackend, str) and newbackend.lower() in QUIET:
            sys.modules["matplotlib"].rcParams["backend"] = newbackend

    return switch_backend


def _activate() -> None:
    """Make the backend show its figures at the end of a cell."""
    from IPython.core.pylabtools import activate_matplotlib
    from matplotlib_inline import backend_inline

    activate_matplotlib(INLINE)
    if (shell := get_ipython()) is not None:
        backend_inline.configure_inline_support(shell, INLINE)
    backend_inline._fetch_figure_metadata = _says_files(backend_inline._fetch_figure_metadata)


def _says_files(fetch: Callable[[Any], dict[str, Any] | None]) -> Callable[[Any], dict[str, Any] | None]:
    """The backend's function for the metadata of each figure that it shows, which adds the files."""

    def metadata(figure: Any) -> dict[str, Any] | None:
        global _shown, _age
        _shown, _age = figure, 0
        told = fetch(figure)
        files = _saved.get(figure)
        return {**(told or {}), "files": files} if files and not figure.stale else told

    return metadata


def _saves_what_was_shown(pyplot: Any, save: Callable[..., Any]) -> Callable[..., Any]:
    """pyplot's `savefig`, which saves the figure that was shown last when no figure is open."""

    @functools.wraps(save)
    def savefig(*args: Any, **kwargs: Any) -> Any:
        if _shown is not None and not pyplot.get_fignums():
            return _shown.savefig(*args, **kwargs)
        return save(*args, **kwargs)

    return savefig


def _notes_files(save: Callable[..., Any]) -> Callable[..., Any]:
    """A figure's `savefig`, which notes the file; `stale` then tells whether the figure has changed since."""

    @functools.wraps(save)
    def savefig(self: Any, fname: Any, *args: Any, **kwargs: Any) -> Any:
        if not any(getattr(self, part, None) for part in PARTS):
            files = sys.modules[PYPLOT].__file__ or "", __file__
            warnings.warn(EMPTY, skip_file_prefixes=tuple(map(os.path.dirname, files)))
        changed = self.stale  # asked for now, since saving itself changes the figure
        written = save(self, fname, *args, **kwargs)
        with suppress(TypeError, ValueError):  # it was saved to a stream, or the name is not valid
            name = os.path.relpath(os.fspath(fname))
            if name.lower().endswith(PICTURES) and not name.startswith(os.pardir):
                if changed or self not in _saved:
                    _saved[self] = []
                _saved[self].append(name)
                self.stale = False
        return written

    return savefig
