"""How many turns a person may begin in a minute.

wait = rate.take(user_id)       # 0.0: go ahead; else the seconds until one more may be begun
if rate.tells(user_id): ...     # say so, where others would wait for many such messages
"""

import math
from collections import deque
from collections.abc import Callable

__all__ = ["RateLimit"]

MINUTE = 60.0  # seconds
PEOPLE = 10_000  # whose turns are remembered; the rest have begun theirs long ago


class RateLimit:
    """`turns` in each 60 seconds a person; 0 is without limit. `clock` gives seconds."""

    def __init__(self, turns: int, clock: Callable[[], float]) -> None:
        self._turns = turns
        self._clock = clock
        self._begun: dict[int, deque[float]] = {}
        self._told: dict[int, float] = {}

    def take(self, user_id: int) -> float:
        """Begin a turn if the person may: 0.0, else the seconds until they may."""
        if not self._turns:
            return 0.0
        now = self._clock()
        begun = self._begun.pop(user_id, deque())
        while begun and now - begun[0] >= MINUTE:
            begun.popleft()
        self._begun[user_id] = begun  # last in order: who was seen longest ago is forgotten first
        while len(self._begun) > PEOPLE:
            del self._begun[next(iter(self._begun))]
        if len(begun) >= self._turns:
            return MINUTE - (now - begun[0])
        begun.append(now)
        return 0.0

    def tells(self, user_id: int) -> bool:
        """Whether a person has not been refused in the last 60 seconds; from now on they have."""
        now = self._clock()
        if now - self._told.get(user_id, -math.inf) < MINUTE:
            return False
        self._told.pop(user_id, None)
        self._told[user_id] = now
        while len(self._told) > PEOPLE:
            del self._told[next(iter(self._told))]
        return True
