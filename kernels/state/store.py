"""The saved variables of everybody, on disk.

    store = StateStore(Path("data/states"), quota=GiB)
    state = store.session("u7-dm-9")      # its saves; nothing is made before the first one
    store.forget("u7-dm-9")
    store.tidy(timedelta(days=30))        # now and then

Everything here may wait for the disk, and may be called from any thread. Two programs may use one folder.
To us a state is opaque bytes: only its person's own sandbox makes values of them again.
"""

import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from kernels.state.errors import StateBusy
from kernels.state.index import counted
from kernels.state.quota import Held, Quotas
from kernels.state.session_state import ASIDE, SessionState
from kernels.workspace.folder import SESSION_ID, Workspace
from kernels.workspace.safe_open import folder as opened

__all__ = ["StateStore"]

log = logging.getLogger(__name__)

EVER = datetime.min.replace(tzinfo=UTC)  # no save is older
SHARE = 10  # of the disk's size, one part may be used unless it is told otherwise


class StateStore:
    """The saves of all sessions below a folder, which is made (0700) if it is not there."""

    def __init__(self, folder: Path, *, quota: int, disk: int | None = None, history: int = 20) -> None:
        """Nothing is read yet. Raises: OSError if the folder cannot be made.

        Args:
            folder: only this and other stores may write in it.
            quota: bytes that the saves of one person may take.
            disk: bytes that all saves may take; None: a tenth of the disk's size.
            history: saves that a session may have.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._history = max(1, history)
        limit = shutil.disk_usage(folder).total // SHARE if disk is None else disk
        self._quotas = Quotas(quota, limit, self._count)
        self._sessions: WeakValueDictionary[str, SessionState] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._tidied: dict[str, object] = {}  # a mark for each session

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return self._folder

    def session(self, session_id: str) -> SessionState:
        """The saves of a session, which may have none yet. Raises: BadSessionId."""
        path = Workspace.named(self._folder, session_id).path
        with self._lock:
            state = self._sessions.get(session_id)
            if state is None:
                state = SessionState(path, quotas=self._quotas, history=self._history, thin=self._thin)
                self._sessions[session_id] = state
            return state

    def forget(self, session_id: str) -> None:
        """Delete all saves of a session. Raises: BadSessionId, OSError (see `SessionState.forget`)."""
        self.session(session_id).forget()

    def tidy(self, keep: timedelta, *, spared: Callable[[str], bool] = lambda _: False) -> None:
        """Delete the sessions whose newest save is older than `keep`, and everything that was left over.

        Saves of sessions that are `spared` stay, however old they are. Sessions that are in use are left
        alone; what goes wrong with one is logged. Raises: OSError.
        """
        oldest = datetime.now(UTC) - keep
        for name in os.listdir(self._folder):
            try:
                if name.startswith(ASIDE):
                    Workspace(self._folder / name).remove()
                elif SESSION_ID.fullmatch(name):
                    self._tidied[name] = self.session(name).tidy(
                        EVER if spared(name) else oldest, self._tidied.get(name)
                    )
            except (StateBusy, FileNotFoundError):
                continue
            except OSError:
                log.exception("%s cannot be tidied", self._folder / name)
        self._tidied = {name: mark for name, mark in self._tidied.items() if mark is not None}

    def _count(self) -> dict[str, Held]:
        """What each session takes, found on the disk."""
        held = {}
        with os.scandir(self._folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        for name in filter(SESSION_ID.fullmatch, names):
            with suppress(FileNotFoundError), opened(self._folder / name) as here:
                held[name] = counted(here)
        return held

    def _thin(self, session_id: str) -> None:
        """Throw old saves away while the session's person, or everybody together, has too much."""
        spared: set[str] = set()
        used: list[SessionState] = []  # their indexes are needed again
        while (surplus := self._quotas.surplus(session_id, spared)) is not None:
            state = self.session(surplus.session_id)
            used.append(state)
            try:
                gone = state.throw_away(surplus.number)
            except OSError:
                log.exception("an old save of %s cannot be deleted", surplus.session_id)
                gone = False
            if not gone:
                spared.add(surplus.session_id)
