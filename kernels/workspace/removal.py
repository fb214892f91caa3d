"""Deletes folders in a thread of its own, one after the other, so that nobody waits for it.

    with Removal(root) as removal:
        await removal.throw_away(path)      # renamed at once, so that its name is free; deleted later

A folder of 60,000 files takes seconds to delete. Until then it has a hidden name in `root`, by which the next
program finds it too.
"""

import logging
import os
import secrets
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Self

from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread
from kernels.workspace.folder import Stopped, Workspace

__all__ = ["Removal"]

log = logging.getLogger(__name__)

PREFIX = ".removed-"  # no session's id begins with a dot
AGAIN = 60.0  # seconds until the next attempt for a folder that could not be deleted


class Removal:
    """The folders below `root` that were thrown away, and the thread that deletes them."""

    def __init__(self, root: Path, *, again: float = AGAIN) -> None:
        self._root = root
        self._again = again
        self._due: deque[Path] = deque()
        self._failed: dict[Path, float] = {}  # with the time of the next attempt
        self._some = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folders removed", daemon=True)

    def __enter__(self) -> Self:
        """Start with what an earlier program has left."""
        with suppress(FileNotFoundError):
            self._due += sorted(self._root.glob(f"{PREFIX}*"))
        self._some.set()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the file that is being deleted, and leave the rest to the next program."""
        self._stopped.set()
        self._some.set()
        self._thread.join()

    @property
    def idle(self) -> bool:
        """Whether everything that was thrown away has been deleted."""
        return not self._some.is_set() and not self._failed

    async def throw_away(self, folder: Path) -> None:
        """Throw away a folder of the root, if it is there: rename it now, and delete it later.

        Raises: OSError if it cannot be renamed.
        """
        await to_the_end(in_thread(self._set_aside, folder))  # it may have to wait for the disk

    def _set_aside(self, folder: Path) -> None:
        aside = self._root / f"{PREFIX}{secrets.token_hex(8)}"
        try:
            os.rename(folder, aside)
        except FileNotFoundError:
            return
        self._due.append(aside)
        self._some.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._some.wait(self._again if self._failed else None)
            self._due += [folder for folder, at in self._failed.items() if at <= monotonic()]
            while self._due and not self._stopped.is_set():
                self._delete(self._due.popleft())
            self._some.clear()
            if self._due:  # one was added between the last look and the line above
                self._some.set()

    def _delete(self, folder: Path) -> None:
        try:
            Workspace(folder).remove(self._stopped.is_set)
        except Stopped:
            return
        except Exception:  # whatever is wrong with one folder, those after it are deleted
            if folder not in self._failed:
                log.exception(
                    "%s cannot be deleted; there is another attempt every %.0f s", folder, self._again
                )
            self._failed[folder] = monotonic() + self._again
        else:
            self._failed.pop(folder, None)
