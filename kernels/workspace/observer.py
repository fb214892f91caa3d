"""Says when to look at a workspace: one watcher for all of them, and a regular round for what it has missed.

    async with Observer(root) as observer:
        observer.watch(session_id, hint)        # hint() is called on the loop; it should start a scan
        observer.unwatch(session_id)

What the watcher says only tells when to look, never what is there. Its limits were measured:

- At a name that is not UTF-8 it ends, for all workspaces. Its error says where the name is, so it is started
  again at once without that workspace, and all are hinted. That workspace is left to the round for a while,
  each time for longer.
- Unless we are root, it cannot watch a folder that code has closed with chmod. Such a workspace is left to
  the round, and the others are watched.
- If it is told to watch a tree, it follows links (a link to `/` put a watch on every folder of the host) and
  needs a watch for each folder. So it is only given the workspaces' own folders; the round finds what changes
  deeper down.
- Code can change 30,000 names a second. The library's `awatch` makes an object of each on the loop, for the
  names of 1.6 seconds at once, which kept everybody waiting for up to 3 seconds. So a thread receives the
  names, in small batches, and tells the loop only in which workspaces they are. A workspace with very many
  changes is then not listened to for a while.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from watchfiles import watch

from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.concurrency.threads import in_thread

STEP = 100  # ms without a change after which changes are reported; in a storm of changes, every second step

logger = logging.getLogger(__name__)
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it logs each of its steps


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often an observer looks; all in seconds but `many`."""

    many: int = 1000  # changes in one batch, after which a workspace is not listened to for a while
    rest: float = 2.0  # that while; then the workspace is hinted, whatever happened meanwhile
    tick: float = 1.0  # the longest that a new workspace waits for its watch
    round: float = 20.0  # between hints to all workspaces, whatever the watcher says
    longest_rest: float = 3600.0  # of a workspace with a bad name: first a round, then always twice as long
    first_delay: float = 0.1  # before the watcher is started again; doubles up to `last_delay`
    last_delay: float = 10.0


class Observer:
    """Hints for the workspaces below `root`, while entered. Without inotify only the rounds remain."""

    def __init__(self, root: Path, pace: Pace | None = None) -> None:
        self._root = root.absolute()
        self._pace = pace or Pace()
        self._hints: dict[str, Callable[[], None]] = {}
        self._resting: dict[str, asyncio.TimerHandle] = {}  # workspaces that are not listened to for a while
        self._rests: dict[str, float] = {}  # seconds of the last rest of each workspace with a bad name
        self._changed = asyncio.Event()  # the set of workspaces that are listened to
        self._warned = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = lasting(self._observe, "observer")
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop(self._task)
        for rest in self._resting.values():
            rest.cancel()

    def watch(self, session_id: str, hint: Callable[[], None]) -> None:
        """Call `hint` on the loop, from a second on, whenever this workspace may have changed."""
        self._hints[session_id] = hint
        self._changed.set()

    def unwatch(self, session_id: str) -> None:
        """Stop hinting for `session_id`, if it is watched."""
        self._rests.pop(session_id, None)
        if (rest := self._resting.pop(session_id, None)) is not None:
            rest.cancel()
        if self._hints.pop(session_id, None):
            self._changed.set()

    async def _observe(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow())
            both.create_task(self._go_round())

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(self._pace.round)  # whatever changes unseen, nothing tells of it
            self._hint(self._hints)

    async def _follow(self) -> None:
        """Keep a watcher: a new one when the set of workspaces changes, and after a pause if it has died.

        If it has died of a name in one workspace, a new one starts at once, without that workspace.
        """
        clock = asyncio.get_running_loop().time
        delay = self._pace.first_delay
        died = False
        while True:
            self._changed.clear()
            names = self._hints.keys() - self._resting.keys()
            folders = [path for name in names if (path := self._root / name).is_dir()]
            if not folders:
                await self._changed.wait()
                continue
            started = clock()
            try:
                await self._listen(folders, after_a_death=died)
                died = False
            except Exception as error:  # noqa: BLE001  whatever it dies of, the rounds go on
                died = True
                if (session_id := _where(error)) in names:
                    self._leave_alone(session_id)
                    continue
                self._warn(error)
                lived = clock() - started > self._pace.last_delay
                delay = self._pace.first_delay if lived else min(delay * 2, self._pace.last_delay)
                await asyncio.sleep(delay)  # what it died of may be temporary
                self._hint(self._hints)

    def _leave_alone(self, session_id: str) -> None:
        """Leave a workspace to the round, so that nobody can end the watcher more than a few times an hour.

        The rest gets longer each time.
        """
        rest = min(2 * self._rests.get(session_id, self._pace.round / 2), self._pace.longest_rest)
        self._rests[session_id] = rest
        self._rest(session_id, rest)
        logger.info(
            "Workspace %s contains a file name that is not UTF-8: for %.0f s, a file that is written there"
            " after its cell may be announced up to %.0f s late",
            session_id,
            rest,
            self._pace.round,
        )

    async def _listen(self, folders: list[Path], *, after_a_death: bool) -> None:
        left, loop = threading.Event(), asyncio.get_running_loop()
        listening = asyncio.ensure_future(in_thread(self._listen_apart, folders, loop, left, after_a_death))
        try:
            await asyncio.shield(listening)
        finally:
            left.set()
            await asyncio.wait([listening])

    def _listen_apart(
        self, folders: list[Path], loop: asyncio.AbstractEventLoop, left: threading.Event, after_a_death: bool
    ) -> None:
        """In a thread: tell the loop, for each batch of changes, in which workspaces something has changed.

        After a death anything may have changed before the watches are in place, which they are by the first
        batch or time-out.
        """
        watcher = watch(
            *folders,
            watch_filter=None,
            debounce=0,  # in a storm of changes a batch takes no longer than two steps
            step=STEP,
            stop_event=left,
            rust_timeout=round(1000 * self._pace.tick),
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
        for changes in watcher:
            counts = Counter(path.removeprefix(f"{self._root}/").partition("/")[0] for _, path in changes)
            if after_a_death:
                after_a_death = False
                counts.update(dict.fromkeys([folder.name for folder in folders], 1))
            if counts:
                with suppress(RuntimeError):  # the loop was closed meanwhile
                    loop.call_soon_threadsafe(self._note_changes, counts)
            # Only here, between two waits: a watcher that is stopped drops the changes that it holds.
            if self._changed.is_set():
                return

    def _note_changes(self, counts: Mapping[str, int]) -> None:
        """Hint the workspaces that have changed, which are given with their numbers of changes."""
        self._hint(counts)
        for session_id, number in counts.items():
            if number > self._pace.many and session_id in self._hints and session_id not in self._resting:
                self._rest(session_id, self._pace.rest)

    def _rest(self, session_id: str, seconds: float) -> None:
        if (before := self._resting.get(session_id)) is not None:
            before.cancel()
        loop = asyncio.get_running_loop()
        self._resting[session_id] = loop.call_later(seconds, self._has_rested, session_id)
        self._changed.set()

    def _has_rested(self, session_id: str) -> None:
        del self._resting[session_id]
        self._changed.set()
        self._hint([session_id])

    def _hint(self, session_ids: Iterable[str]) -> None:
        for session_id in list(session_ids):
            hint = self._hints.get(session_id)
            try:
                if hint:
                    hint()
            except Exception:  # one session's fault must not cost the others their hint
                logger.exception("The hint for workspace %s failed", session_id)

    def _warn(self, error: Exception) -> None:
        level = logging.DEBUG if self._warned else logging.WARNING
        self._warned = True
        logger.log(
            level,
            "The watcher of the workspaces ended and is started again (this is logged once). A file that is"
            " written after its cell may be announced up to %.0f s late. %r",
            self._pace.round,
            error,
        )


def _where(error: Exception) -> str:
    """The workspace with the name that the watcher died of, "" if it died of something else.

    The error's text is: Unable to decode path ".../session/name" to string. A name contains no slash.
    """
    if isinstance(error, RuntimeError) and "decode path" in str(error):
        return str(error).rpartition("/")[0].rpartition("/")[2]
    return ""
