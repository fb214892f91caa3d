"""How many turns a person may begin in a minute."""

from collections import deque
from collections.abc import Callable

__all__ = ["RateLimit"]

MINUTE = 60.0  # seconds
PEOPLE = 10_000  # people whose turns are remembered; the others began theirs long ago


class RateLimit:
    """At most `turns` in 60 seconds for each person; 0 means no limit. `clock` returns seconds."""

    def __init__(self, turns: int, clock: Callable[[], float]) -> None:
        self._turns = turns
        self._clock = clock
        self._begun: dict[int, deque[float]] = {}

    def take_turn(self, user_id: int) -> float:
        """Count a turn if the person may begin one: 0.0, or the seconds until they may."""
        if not self._turns:
            return 0.0
        now = self._clock()
        begun = self._begun.pop(user_id, deque())
        while begun and now - begun[0] >= MINUTE:
            begun.popleft()
        self._begun[user_id] = begun  # last in order, so that the longest unseen person is forgotten first
        while len(self._begun) > PEOPLE:
            del self._begun[next(iter(self._begun))]
        if len(begun) >= self._turns:
            return MINUTE - (now - begun[0])
        begun.append(now)
        return 0.0
