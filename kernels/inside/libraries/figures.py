"""Figures of matplotlib come as pictures, whatever the code has chosen to draw with, and are saved as shown.

    figures.follow()        # once, before the person's code
    figures.forget()        # after each cell

Scripts begin with `matplotlib.use("Agg")` and notebooks with `%matplotlib notebook`: the first shows nothing
from then on, the second needs a page that runs scripts. So every choice of a backend leads to the one that
shows figures at `plt.show()` and at the end of a cell; what it draws and writes is the same.

That one closes a figure when it has shown it. `plt.savefig` after that would write an empty one: here it
writes the figure that was shown last. A figure that was saved as it is shown says so in its metadata.
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

__all__ = ["follow", "forget"]

PYPLOT = "matplotlib.pyplot"
INLINE = "module://matplotlib_inline.backend_inline"
# What a program may ask for by name afterwards; by the others' names IPython would do more.
QUIET = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
PARTS = ("axes", "lines", "texts", "images", "patches", "artists", "legends", "subfigs")  # of a figure
EMPTY = (
    "the figure that is saved is empty. A figure that was shown is closed: save it before plt.show(), or keep"
    " it under a name (fig = plt.gcf()) and call its savefig()"
)

_saved: "WeakKeyDictionary[Any, list[str]]" = WeakKeyDictionary()  # files by figure
_shown: Any = None  # the figure that was shown last,
_age = 0  # and how many cells ago: it may be large


def follow() -> None:
    """Have pyplot do so, now or when it is imported."""
    on_import.change(PYPLOT, _change)


def forget() -> None:
    """Keep the figure that was shown last for one more cell, and not longer."""
    global _shown, _age  # noqa: PLW0603  one process, one pyplot
    _age += 1
    if _age > 1:
        _shown = None


def _change(pyplot: Any) -> None:
    pyplot.switch_backend = _shows_figures(pyplot.switch_backend)
    pyplot.savefig = _saves_what_was_shown(pyplot, pyplot.savefig)
    pyplot.Figure.savefig = _notes_files(pyplot.Figure.savefig)


def _shows_figures(switch: Callable[[str], None]) -> Callable[[str], None]:
    """pyplot's `switch_backend`, which switches to the one that shows figures."""
    inside = followed = False  # that backend switches to itself, before it is imported as a whole

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
    """Have what the backend shows come at the end of a cell."""
    from IPython.core.pylabtools import activate_matplotlib
    from matplotlib_inline import backend_inline

    activate_matplotlib(INLINE)
    if (shell := get_ipython()) is not None:
        backend_inline.configure_inline_support(shell, INLINE)
    backend_inline._fetch_figure_metadata = _says_files(backend_inline._fetch_figure_metadata)


def _says_files(fetch: Callable[[Any], dict[str, Any] | None]) -> Callable[[Any], dict[str, Any] | None]:
    """What the backend asks of each figure that it shows."""

    def metadata(figure: Any) -> dict[str, Any] | None:
        global _shown, _age
        _shown, _age = figure, 0
        told = fetch(figure)
        files = _saved.get(figure)
        return {**(told or {}), "files": files} if files and not figure.stale else told

    return metadata


def _saves_what_was_shown(pyplot: Any, save: Callable[..., Any]) -> Callable[..., Any]:
    """pyplot's `savefig`."""

    @functools.wraps(save)
    def savefig(*args: Any, **kwargs: Any) -> Any:
        if _shown is not None and not pyplot.get_fignums():
            return _shown.savefig(*args, **kwargs)
        return save(*args, **kwargs)

    return savefig


def _notes_files(save: Callable[..., Any]) -> Callable[..., Any]:
    """A figure's `savefig`. From then on `stale` says whether the figure has changed since."""

    @functools.wraps(save)
    def savefig(self: Any, fname: Any, *args: Any, **kwargs: Any) -> Any:
        if not any(getattr(self, part, None) for part in PARTS):
            places = sys.modules[PYPLOT].__file__ or "", __file__
            warnings.warn(EMPTY, skip_file_prefixes=tuple(map(os.path.dirname, places)))
        changed = self.stale  # saving itself changes it, and back
        written = save(self, fname, *args, **kwargs)
        with suppress(TypeError, ValueError):  # a stream, or a name that is none
            name = os.path.relpath(os.fspath(fname))
            if name.lower().endswith(PICTURES) and not name.startswith(os.pardir):
                if changed or self not in _saved:
                    _saved[self] = []
                _saved[self].append(name)
                self.stale = False
        return written

    return savefig
