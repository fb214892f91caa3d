"""How many bytes of pictures may wait for the model: as many as one person's and everybody's room allows.

    room = PictureRoom()
    if room.take(user_id, picture): ...     # it counts until nobody holds the picture any more

A person's questions in one place are answered one after the other, so what came with them can wait for long.
"""

import weakref
from collections import Counter

from bot.request import Picture

__all__ = ["PictureRoom"]

MIB = 1 << 20


class PictureRoom:
    """See the module's text; sizes in bytes."""

    def __init__(self, *, person: int = 40 * MIB, everybody: int = 200 * MIB) -> None:
        self._person = person
        self._everybody = everybody
        self._held: Counter[int] = Counter()  # by person

    def take(self, user_id: int, picture: Picture) -> bool:
        """Count a picture, if there is room for it."""
        size = len(picture.data)
        if self._held[user_id] + size > self._person or self._held.total() + size > self._everybody:
            self._let_go(user_id, 0)
            return False
        self._held[user_id] += size
        weakref.finalize(picture, self._let_go, user_id, size).atexit = False
        return True

    def _let_go(self, user_id: int, size: int) -> None:
        self._held[user_id] -= size
        if not self._held[user_id]:
            del self._held[user_id]
