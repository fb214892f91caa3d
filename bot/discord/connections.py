"""What must hold for every connection to Discord, however often a new one begins.

nextcord takes READY for its own start: it forgets all commands and no longer answers them. Also, if a gateway
hangs up immediately, it connects again immediately, without end.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from nextcord.state import ConnectionState

__all__ = ["Pauses", "outlast_ready"]

# Attributes of nextcord's state that stay valid in a new session.
OUTLASTING = ("_application_commands", "_application_command_signatures", "_application_command_ids")
FREE = 4  # connections that may be made without a pause ...
WITHIN = 600.0  # ... within this many seconds
LONGEST = 45.0  # seconds; nextcord waits 60 for a connection, this pause included


def outlast_ready(state: ConnectionState) -> None:
    """Keep the commands when Discord begins a new session; Discord keeps their ids, too."""
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
    """How long to wait before a connection: not at all, unless several began within a short time.

    From the fifth connection within ten minutes on it is 1 s, 2 s, 4 s and so on, up to 45 s. Connections
    that fail do not count: nextcord has its own back-off for those. `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def next(self) -> float:
        """Seconds to wait before the next connection."""
        while self._times and self._clock() - self._times[0] > WITHIN:
            self._times.popleft()
        too_many = len(self._times) - FREE
        return min(2.0**too_many, LONGEST) if too_many >= 0 else 0.0

    def begun(self) -> None:
        """A connection has begun."""
        self._times.append(self._clock())
