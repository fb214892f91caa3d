"""What must hold on every connection to Discord, however often one begins again.

    outlast_ready(client._connection)       # commands stay when a new session begins
    pauses = Pauses(time.monotonic)
    await asyncio.sleep(pauses.next())      # before each connection
    pauses.begun()                          # once it is made

nextcord takes READY for the start of its life: it forgets all commands, and no longer answers them. It also
connects again at once and without end when a gateway hangs up at once.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from nextcord.state import ConnectionState

__all__ = ["Pauses", "outlast_ready"]

OUTLASTING = (
    "_application_commands",
    "_application_command_signatures",
    "_application_command_ids",
)  # of nextcord's state: what stays true when the session is a new one
FREE = 4  # connections that may follow each other without a pause ...
WITHIN = 600.0  # ... in so many seconds
LONGEST = 45.0  # seconds; nextcord gives a connection 60 to be made, this pause included


def outlast_ready(state: ConnectionState) -> None:
    """Keep commands when Discord begins a new session; Discord keeps their ids as well."""
    ready = state.parsers["READY"]

    def parse(data: Any) -> None:
        kept = {name: getattr(state, name) for name in OUTLASTING}
        try:
            ready(data)
        finally:
            for name, value in kept.items():
                setattr(state, name, value)

    state.parsers["READY"] = parse


class Pauses:
    """How long to wait before a connection: not at all, unless several have begun in a short time.

    From the fifth connection within ten minutes on it is 1 s, 2 s, 4 s and so on, up to 45 s. One that cannot
    be made does not count: for those nextcord has a back-off. `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def next(self) -> float:
        """Seconds before the connection that is to be made now."""
        while self._times and self._clock() - self._times[0] > WITHIN:
            self._times.popleft()
        too_many = len(self._times) - FREE
        return min(2.0**too_many, LONGEST) if too_many >= 0 else 0.0

    def begun(self) -> None:
        """A connection has begun."""
        self._times.append(self._clock())
