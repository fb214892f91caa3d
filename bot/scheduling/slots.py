"""A few slots for long work, shared fairly among people.

    slots = Slots(2, each=1)
    async with slots.one(user_id): ...     # waits for a slot

Whoever has used the least of late comes first. Heavy users never hold all slots: one is left to the others,
and if all are held for long, there is one more for the others.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

__all__ = ["MUCH", "Slots"]

MUCH = 15.0  # seconds in a slot that make a person a heavy user
HALF = 300.0  # seconds after which only half of a person's use still counts
PEOPLE = 1000  # whose use is remembered; that of the others was long ago


@dataclass(eq=False)
class _One:
    user_id: int
    began: float = 0.0
    given: asyncio.Event = field(default_factory=asyncio.Event)


class Slots:
    """`number` slots, and one more; a person holds at most `each` of them. `clock` gives seconds."""

    def __init__(
        self,
        number: int,
        clock: Callable[[], float] = monotonic,
        much: float = MUCH,
        each: int | None = None,
    ) -> None:
        self._number = number
        self._clock = clock
        self._much = much
        self._each = each
        self._held: list[_One] = []
        self._waiting: list[_One] = []  # in the order in which they came
        self._used: OrderedDict[int, tuple[float, float]] = OrderedDict()  # seconds, and when that was so

    @asynccontextmanager
    async def one(self, user_id: int) -> AsyncIterator[None]:
        """While entered, the person holds a slot."""
        mine = _One(user_id)
        self._waiting.append(mine)
        self._give()
        try:
            await mine.given.wait()
            yield
        finally:
            if mine in self._held:
                self._held.remove(mine)
                self._note(user_id, self._clock() - mine.began)
            else:
                self._waiting.remove(mine)
            self._give()

    def _give(self) -> None:
        """Give free slots to those who wait; whoever has used the least comes first."""
        for one in sorted(self._waiting, key=lambda one: self._of_late(one.user_id)):
            if self._may(one.user_id):
                self._waiting.remove(one)
                self._held.append(one)
                one.began = self._clock()
                one.given.set()
                # Once this one is a heavy user, the additional slot may be given.
                asyncio.get_running_loop().call_later(self._much * 1.1, self._give)

    def _may(self, user_id: int) -> bool:
        if self._each is not None and sum(one.user_id == user_id for one in self._held) >= self._each:
            return False
        heavy = sum(self._of_late(one.user_id) >= self._much for one in self._held)
        if self._of_late(user_id) >= self._much:
            return len(self._held) < self._number and heavy < max(self._number - 1, 1)
        return len(self._held) < self._number + (heavy >= self._number)

    def _of_late(self, user_id: int) -> float:
        """Seconds that a person has used, including the slot they hold now; older use counts less."""
        now = self._clock()
        seconds, at = self._used.get(user_id, (0.0, now))
        forgotten: float = 0.5 ** ((now - at) / HALF)
        return seconds * forgotten + sum(now - one.began for one in self._held if one.user_id == user_id)

    def _note(self, user_id: int, seconds: float) -> None:
        self._used[user_id] = (self._of_late(user_id) + seconds, self._clock())
        self._used.move_to_end(user_id)
        while len(self._used) > PEOPLE:
            self._used.popitem(last=False)
