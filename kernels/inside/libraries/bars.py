"""Progress bars of `tqdm.notebook`, `tqdm.auto` and `tqdm.autonotebook` are text, as those of `tqdm` are.

They would be widgets, which need a page that runs scripts, and a library that is not there: an ImportError,
or a warning that advises to install it.
"""

from types import ModuleType
from typing import Any

from . import on_import

__all__ = ["follow"]

NOTEBOOK = "tqdm.notebook"


def follow() -> None:
    """Have tqdm do so when it is imported."""
    on_import.change(NOTEBOOK, _have_text)


def _have_text(notebook: ModuleType) -> None:
    from tqdm import std

    class tqdm(std.tqdm):  # type: ignore[misc]  # noqa: N801  it is known by this name
        """tqdm's bar of text, which takes what the one of a notebook does."""

        def __init__(self, *args: Any, display: bool = True, **kwargs: Any) -> None:  # noqa: ARG002
            super().__init__(*args, **kwargs)

        def reset(self, total: float | None = None) -> None:
            """Begin again, with another total if one is given."""
            super().reset(total)

    def trange(*args: int, **kwargs: Any) -> tqdm:
        """A bar over a range."""
        return tqdm(range(*args), **kwargs)

    vars(notebook).pop("WARN_NOIPYW", None)  # so `tqdm.autonotebook` fails to import it, and warns of nothing
    notebook.tqdm = notebook.tqdm_notebook = tqdm  # type: ignore[attr-defined]
    notebook.trange = notebook.tnrange = trange  # type: ignore[attr-defined]
