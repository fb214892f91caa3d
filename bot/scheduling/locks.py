"""Who may open or remove which session: a lock for each session, and one for all of a person's sessions.

async with locks.one(user_id, session_id): ...      # nobody else opens or removes this session
async with locks.all_of(user_id): ...               # or any session of this person

If something takes long for one session, only its person has to wait.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Locks"]


class _Person:
    def __init__(self) -> None:
        self.asking = 0  # how many hold one of the person's locks, or wait for one
        self.inside = 0  # how many hold the lock of a session
        self.sessions: dict[str, asyncio.Lock] = {}
        self.waiting: Counter[str] = Counter()
        self.gate = asyncio.Lock()  # held while all of the person's sessions are locked
        self.nobody = asyncio.Event()  # set while nobody holds the lock of a session
        self.nobody.set()


class Locks:
    """See the module's docstring. A lock exists only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    @asynccontextmanager
    async def one(self, user_id: int, session_id: str) -> AsyncIterator[None]:
        """While entered, we have this session to ourselves."""
        async with self._asking(user_id) as person:
            person.waiting[session_id] += 1
            lock = person.sessions.setdefault(session_id, asyncio.Lock())
            try:
                async with lock:
                    async with person.gate:
                        person.inside += 1
                        person.nobody.clear()
                    try:
                        yield
                    finally:
                        person.inside -= 1
                        if not person.inside:
                            person.nobody.set()
            finally:
                person.waiting[session_id] -= 1
                if not person.waiting[session_id]:
                    del person.waiting[session_id], person.sessions[session_id]

    @asynccontextmanager
    async def all_of(self, user_id: int) -> AsyncIterator[None]:
        """While entered, we have all of the person's sessions to ourselves; others wait for them."""
        async with self._asking(user_id) as person, person.gate:
            await person.nobody.wait()
            yield

    @asynccontextmanager
    async def _asking(self, user_id: int) -> AsyncIterator[_Person]:
        person = self._people.setdefault(user_id, _Person())
        person.asking += 1
        try:
            yield person
        finally:
            person.asking -= 1
            if not person.asking:
                del self._people[user_id]
