"""What was saved while STATE was on, for a program in which it is off: it is deleted with its session.

left = LeftStates(settings.data / "states")
await left.forget(session_id)       # a session of which nothing was saved is no error
"""

from pathlib import Path

from kernels.concurrency.threads import in_thread
from kernels.state.store import StateStore

__all__ = ["LeftStates"]


class LeftStates:
    """The saves in this folder, which need not exist; None: there are none, or they are the kernels' own."""

    def __init__(self, folder: Path | None = None) -> None:
        self._store = StateStore(folder, quota=0) if folder is not None and folder.is_dir() else None

    async def forget(self, session_id: str) -> None:
        """Delete what was saved of a session. Raises: OSError."""
        if self._store is not None:
            await in_thread(self._store.forget, session_id)
