"""Processes that the kernels of many tests are forked from, where each of their pools would start its own.

    with lent_zygotes(folder) as lend:
        monkeypatch.setattr("kernels.sandbox.confined.Forkserver", lend)

A pool's start takes half a second of the processor, two with libraries. Nearly all of it is for its zygote's
imports, and a zygote has nothing of a pool: it only forks.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kernels.sandbox.forkserver import Forkserver

__all__ = ["Lent", "lent_zygotes"]


class Lent:
    """A forkserver that goes on when its borrower's block is left."""

    def __init__(self, forkserver: Forkserver) -> None:
        self.fork = forkserver.fork
        self.child_ended = forkserver.child_ended
        self.end_orphans = forkserver.end_orphans

    def __enter__(self) -> "Lent":
        return self

    def __exit__(self, *_: object) -> None:
        """The next borrower has it."""


@contextmanager
def lent_zygotes(folder: Path) -> Iterator[Callable[..., Lent]]:
    """Lends, in place of a `Forkserver`, one for each way in which it is asked for."""
    with ExitStack() as stack:
        started: dict[object, Forkserver] = {}

        def lend(python: Path, its_folder: Path, **options: Any) -> Lent:
            own_to = {
                name: text.replace(str(its_folder), "{}") for name, text in options["environment"].items()
            }
            asked = (python, tuple(options["libraries"]), options["protected"], *sorted(own_to.items()))
            if asked not in started:
                own = folder / str(len(started))  # the borrower's goes with its pool
                told = {name: text.replace("{}", str(own)) for name, text in own_to.items()}
                started[asked] = stack.enter_context(
                    Forkserver(python, own, **{**options, "environment": told})
                )
            return Lent(started[asked])

        yield lend
