"""Deletions of everything of a person, so that nothing begins afterwards that was asked before.

    deletions.asked()               # in a context of its own: what it begins was asked now
    deletions.note(user_id)         # a deletion begins
    deletions.check(user_id)        # in what was begun there. Raises: DeletedSince

What somebody asks may wait for long until it begins, such as for Discord's limits. Tasks inherit the context
of whoever starts them, so all that follows from one event knows when it was asked. A context without that,
such as of what goes on by itself, may begin anything. Who was deleted is known in memory alone, and only as
long as a task lives that was begun before.
"""

from contextvars import ContextVar
from weakref import WeakSet

from bot.errors import DeletedSince

__all__ = ["Deletions"]


class _Moment:
    """When something was asked: the people about whom everything was deleted since."""

    __slots__ = ("__weakref__", "deleted")

    def __init__(self) -> None:
        self.deleted: set[int] = set()


_asked: ContextVar[_Moment | None] = ContextVar("asked", default=None)


class Deletions:
    """See the module's text."""

    def __init__(self) -> None:
        self._moments: WeakSet[_Moment] = WeakSet()  # each lives as long as the contexts that have it

    def asked(self) -> None:
        """What the current context begins from here on was asked now."""
        moment = _Moment()
        self._moments.add(moment)
        _asked.set(moment)

    def note(self, user_id: int) -> None:
        """Everything of this person is being deleted: what was asked before must not begin any more."""
        for moment in list(self._moments):
            moment.deleted.add(user_id)

    def since(self, user_id: int) -> bool:
        """Whether a deletion has begun since the current context was asked for what it does."""
        moment = _asked.get()
        return moment is not None and user_id in moment.deleted

    def check(self, user_id: int) -> None:
        """Raises: DeletedSince if so."""
        if self.since(user_id):
            raise DeletedSince
