"""How long a bot waits for its node before it tries again, tells somebody, or gives up: all in seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat

__all__ = ["PATIENCE", "NodePatience"]


@dataclass(frozen=True, slots=True)
class NodePatience:
    """The times and what each is for."""

    connecting: float = 10.0  # to connect, and for the node to say what it is
    heartbeat: float = 30.0  # between pings, since a frozen node keeps its connections
    finding: tuple[float, ...] = (0.1, 0.5, 2.0)  # before another attempt to find and ask one of this machine
    between: tuple[float, ...] = (0.05, 0.2, 1.0, 2.0, 4.0, 8.0)  # a session's attempts; the last is repeated
    soon: float = 3.0  # in which a node may come back before anybody is told
    call: float = 20.0  # after which a call that needs an answer at once fails
    cell: float = 900.0  # that a cell waits for its node: as long as a person may let one run

    def pauses(self) -> Iterator[float]:
        """The pauses between a session's attempts, without an end."""
        return chain(self.between, repeat(self.between[-1]))


PATIENCE = NodePatience()
