"""Makes the progress bars of `tqdm.notebook`, `tqdm.auto` and `tqdm.autonotebook` text, like those of `tqdm`.

Otherwise they would be widgets, which need a page that runs scripts and a library that is not installed: they
would raise an ImportError, or warn that it should be installed.
"""

from types import ModuleType
from typing import Any

from . import on_import

__all__ = ["follow"]

NOTEBOOK = "tqdm.notebook"


def follow() -> None:
    """Change tqdm so, now or when it is imported."""
    on_import.change(NOTEBOOK, _have_text)


def _have_text(notebook: ModuleType) -> None:
    from tqdm import std

    class tqdm(std.tqdm):  # type: ignore[misc]  # noqa: N801  it is known by this name
        """tqdm's text bar, with the arguments of its notebook bar."""

        def __init__(self, *args: Any, display: bool = True, **kwargs: Any) -> None:  # noqa: ARG002
            super().__init__(*args, **kwargs)

        def reset(self, total: float | None = None) -> None:
            """Start again, with another total if one is given."""
            super().reset(total)

    def trange(*args: int, **kwargs: Any) -> tqdm:
        """A bar over a range."""
        return tqdm(range(*args), **kwargs)

    vars(notebook).pop("WARN_NOIPYW", None)  # `tqdm.autonotebook` cannot import it then, and does not warn
    notebook.tqdm = notebook.tqdm_notebook = tqdm  # type: ignore[attr-defined]
    notebook.trange = notebook.tnrange = trange  # type: ignore[attr-defined]
