"""How much the saves of everybody take, whether another one fits, and which ones have to go for it.

    with quotas.claimed("u7-dm-9", 5_000_000):      # StateFull if it does not fit
        ...                                         # write the save
        quotas.put("u7-dm-9", index.held())
    while (surplus := quotas.surplus("u7-dm-9", spared)) is not None: ...   # throw that save away

The newest save of each session stays. So a save fits if there is room for it beside the newest ones of all
other sessions, and while it is written more may be taken for a moment: the one before goes only afterwards.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from kernels.state.errors import StateFull
from kernels.text.clipping import human_size, over
from kernels.workspace.folder import owner

__all__ = ["Held", "Quotas", "Surplus"]


@dataclass(frozen=True, slots=True)
class Held:
    """What a session's saves take, in bytes on disk: all of them, and the newest alone."""

    used: int = 0
    newest: int = 0
    # The number of each and when it was written, in the order in which they go; the newest comes last.
    saves: tuple[tuple[int, float], ...] = ()
    pinned: frozenset[int] = frozenset()  # those of them that are kept by name


@dataclass(frozen=True, slots=True)
class Surplus:
    """A save that has to go."""

    session_id: str
    number: int


class Quotas:
    """The account of all sessions. It is opened when it is first asked, by counting what is there."""

    def __init__(self, quota: int, disk: int, count: Callable[[], Mapping[str, Held]]) -> None:
        self._quota = quota  # bytes that a person may use
        self._disk = disk  # bytes that all may use together
        self._count = count
        self._held: dict[str, dict[str, Held]] | None = None  # by person, then by session
        self._claims: dict[str, int] = {}  # bytes of the saves that are being written
        self._lock = threading.RLock()

    def room(self, session_id: str) -> int:
        """How large the session's next save may be, in bytes. Raises: OSError."""
        with self._lock:
            of_person, of_all = self._others(session_id)
            return max(0, min(self._quota - of_person, self._disk - of_all))

    def check(self, session_id: str, size: int) -> None:
        """Raises: StateFull if there is no room for a save of this size, OSError."""
        with self._lock:
            of_person, of_all = self._others(session_id)
        if of_person + size > self._quota:
            raise StateFull("quota", f"the saved variables would be {over(of_person + size, self._quota)}")
        if of_all + size > self._disk:
            raise StateFull("disk", f"of {human_size(self._disk)} for all, {human_size(of_all)} are in use")

    @contextmanager
    def claimed(self, session_id: str, size: int) -> Iterator[None]:
        """Hold room for a save of this size. Raises: StateFull if there is none, OSError."""
        with self._lock:
            self.check(session_id, size)
            self._claims[session_id] = size
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(session_id, None)

    def put(self, session_id: str, held: Held) -> None:
        """Set what a session's saves take. Raises: OSError."""
        with self._lock:
            self._counted().setdefault(owner(session_id), {})[session_id] = held

    def forget(self, session_id: str) -> None:
        """The session has no saves any more."""
        with self._lock:
            if self._held is not None:  # else it is not counted later
                sessions = self._held.get(owner(session_id), {})
                sessions.pop(session_id, None)
                if not sessions:
                    self._held.pop(owner(session_id), None)

    def surplus(self, session_id: str, spared: Collection[str]) -> Surplus | None:
        """The save that has to go next, if any has to: the oldest of the session's person, or of everybody.

        The saves of the sessions in `spared` stay. Raises: OSError.
        """
        with self._lock:
            everybody = self._counted()
            person = everybody.get(owner(session_id), {})
            oldest = None
            if _used([person]) > self._quota:
                oldest = _oldest([person], spared)
            if oldest is None and _used(everybody.values()) > self._disk:
                oldest = _oldest(everybody.values(), spared)
            return oldest

    def _others(self, session_id: str) -> tuple[int, int]:
        """The bytes of the newest saves of all other sessions: of the same person, and of everybody."""
        mine = owner(session_id)
        of_person = of_all = 0
        everybody = self._counted()
        for session in {*self._claims, *(each for sessions in everybody.values() for each in sessions)}:
            if session != session_id:
                held = everybody.get(owner(session), {}).get(session, Held())
                size = max(held.newest, self._claims.get(session, 0))
                of_all += size
                of_person += size if owner(session) == mine else 0
        return of_person, of_all

    def _counted(self) -> dict[str, dict[str, Held]]:
        if self._held is None:
            counted: dict[str, dict[str, Held]] = {}
            for session_id, held in self._count().items():
                counted.setdefault(owner(session_id), {})[session_id] = held
            self._held = counted
        return self._held


def _used(persons: Iterable[Mapping[str, Held]]) -> int:
    return sum(held.used for sessions in persons for held in sessions.values())


def _oldest(persons: Iterable[Mapping[str, Held]], spared: Collection[str]) -> Surplus | None:
    """The save that was written first, among those that are not the newest of their session.

    As long as there are others, none that is kept by name.
    """
    found = [
        (held.saves[0][0] in held.pinned, held.saves[0], session_id)
        for sessions in persons
        for session_id, held in sessions.items()
        if len(held.saves) > 1 and session_id not in spared
    ]
    if not found:
        return None
    _, (number, _), session_id = min(found, key=lambda each: (each[0], each[1][1]))
    return Surplus(session_id, number)
