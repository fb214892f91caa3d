"""Zygotes that the pools of many tests share, where each pool would otherwise start its own.

    with lent_zygotes(folder) as lend:
        monkeypatch.setattr("kernels.sandbox.confined.Forkserver", lend)

Starting a pool takes half a second of processor time, or two with libraries. Nearly all of it goes into the
zygote's imports, and a zygote depends on no pool: it only forks.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kernels.sandbox.forkserver import Forkserver

__all__ = ["Lent", "lent_zygotes"]


class Lent:
    """A forkserver that keeps running when its borrower leaves the `with` block."""

    def __init__(self, forkserver: Forkserver) -> None:
        self.fork = forkserver.fork
        self.child_ended = forkserver.child_ended
        self.end_orphans = forkserver.end_orphans

    def __enter__(self) -> "Lent":
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running for the next borrower."""


@contextmanager
def lent_zygotes(folder: Path) -> Iterator[Callable[..., Lent]]:
    """Lend forkservers in place of `Forkserver`, one for each set of arguments."""
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
