"""Says when to look at a workspace: one watcher for all of them, and a slow round for what it missed.

    async with Observer(root) as observer:
        observer.watch(session_id, hint)        # hint() is called on the loop; it should start a scan
        observer.unwatch(session_id)

What the watcher says is never taken for what is there. Its limits were measured: it ends for everyone at a
name that is not UTF-8. It says where that name is, so it is started again at once without that workspace,
which is left to the round for a while, each time for longer, and everyone is hinted. Told to watch a tree it
follows links (a link to `/` put a watch on every folder of the host) and takes a watch a folder, so it is
given the workspaces' own folders only; what changes deeper is found by the round.

Code can change 30,000 names a second. The watcher's `awatch` makes an object of each on the loop, of 1.6
seconds' names at once, which kept everybody waiting for up to 3 seconds. So a thread receives the names,
those of a short time at once, and tells the loop only in which workspaces they are. A workspace with very
many is then not listened to for a while.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from watchfiles import watch

from kernels.concurrency.lasting import lasting
from kernels.concurrency.threads import in_thread

STEP = 100  # ms without a change after which changes are told; under a storm of them every second step
MANY = 1000  # changes told at once, after which a workspace is not listened to for a while
REST = 2.0  # seconds of that; then it is hinted, whatever happened meanwhile
TICK = 1000  # ms, the longest that a new workspace waits for its watch
ROUND = 20.0  # seconds between hints to everyone, whatever the watcher says
LONGEST_REST = (
    3600.0  # seconds; a workspace with names that are no text rests for a round, then twice as long
)
FIRST_DELAY = 0.1  # seconds before the watcher is started again; doubles up to LAST_DELAY
LAST_DELAY = 10.0  # seconds

logger = logging.getLogger(__name__)
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it logs every look, and nothing of what it saw


class Observer:
    """Hints for the workspaces below `root`, while entered. Without inotify the rounds remain."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._hints: dict[str, Callable[[], None]] = {}
        self._resting: dict[str, asyncio.TimerHandle] = {}  # those that are not listened to for a while
        self._rests: dict[str, float] = {}  # seconds of the last rest of those with names that are no text
        self._changed = asyncio.Event()  # the set of workspaces, or there is nothing to do any more
        self._stop = asyncio.Event()
        self._warned = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = lasting(self._observe, "observer", over=self._stop.is_set)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        self._changed.set()
        if self._task:
            await self._task

    def watch(self, session_id: str, hint: Callable[[], None]) -> None:
        """Call `hint` on the loop, from a second on, whenever this workspace may have changed."""
        self._hints[session_id] = hint
        self._changed.set()

    def unwatch(self, session_id: str) -> None:
        """Hint no more for `session_id`; one that is not watched is fine."""
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
        while not await _is_set(self._stop, ROUND):
            self._hint(self._hints)

    async def _follow(self) -> None:
        """Keep a watcher: a new one when the set of workspaces changes, and after a pause when it dies.

        When it dies of a name in one workspace, there is a new one without that workspace at once.
        """
        clock = asyncio.get_running_loop().time
        delay = FIRST_DELAY
        died = False
        while not self._stop.is_set():
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
                delay = FIRST_DELAY if clock() - started > LAST_DELAY else min(delay * 2, LAST_DELAY)
                await _is_set(self._stop, delay)
                self._hint(self._hints)

    def _leave_alone(self, session_id: str) -> None:
        """Leave a workspace to the round: nobody can end the watcher more often than a few times an hour."""
        rest = min(2 * self._rests.get(session_id, ROUND / 2), LONGEST_REST)
        self._rests[session_id] = rest
        self._rest(session_id, rest)
        logger.info(
            "Workspace %s has a name that is not UTF-8: for %.0f s, a file that comes up there after its cell"
            " may be announced up to %.0f s late",
            session_id,
            rest,
            ROUND,
        )

    async def _listen(self, folders: list[Path], *, after_a_death: bool) -> None:
        left = threading.Event()
        try:
            loop = asyncio.get_running_loop()
            await in_thread(self._listen_apart, folders, loop, left, after_a_death)
        finally:
            left.set()

    def _listen_apart(
        self,
        folders: list[Path],
        loop: asyncio.AbstractEventLoop,
        left: threading.Event,
        after_a_death: bool,
    ) -> None:
        """In a thread: tell the loop in which workspaces something changed, once a batch of changes.

        After a death everything may have changed until the watches are there, which they are at the first
        batch or time-out.
        """
        watcher = watch(
            *folders,
            watch_filter=None,
            debounce=0,  # the batches of a storm are no longer than two steps
            step=STEP,
            stop_event=_Either(self._stop, left),
            rust_timeout=TICK,
            yield_on_timeout=True,
            recursive=False,
        )
        for changes in watcher:
            counts = Counter(path.removeprefix(f"{self._root}/").partition("/")[0] for _, path in changes)
            if after_a_death:
                after_a_death = False
                counts.update(dict.fromkeys([folder.name for folder in folders], 1))
            if counts:
                with suppress(RuntimeError):  # the loop was closed under us
                    loop.call_soon_threadsafe(self._hear, counts)
            # Only here, between two waits: stopping a watcher drops the changes that it holds.
            if self._changed.is_set():
                return

    def _hear(self, counts: Mapping[str, int]) -> None:
        """Hint the workspaces that changed, given with their numbers of changes."""
        self._hint(counts)
        for session_id, number in counts.items():
            if number > MANY and session_id in self._hints and session_id not in self._resting:
                self._rest(session_id, REST)

    def _rest(self, session_id: str, seconds: float) -> None:
        if (before := self._resting.get(session_id)) is not None:
            before.cancel()
        loop = asyncio.get_running_loop()
        self._resting[session_id] = loop.call_later(seconds, self._has_rested, session_id)
        self._changed.set()

    def _has_rested(self, session_id: str) -> None:
        del self._resting[session_id]
        self._changed.set()
        if not self._stop.is_set():
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
            "The watcher of the workspaces ended and is started again (said once). A file that comes up after"
            " its cell may be announced up to %.0f s late. %r",
            ROUND,
            error,
        )


def _where(error: Exception) -> str:
    """The workspace with the name that the watcher died of, "" when it died of something else.

    The error's text is: Unable to decode path ".../session/name" to string. A name has no slash.
    """
    if isinstance(error, RuntimeError) and "decode path" in str(error):
        return str(error).rpartition("/")[0].rpartition("/")[2]
    return ""


class _Either:
    """Set when one of the events is."""

    def __init__(self, *events: asyncio.Event | threading.Event) -> None:
        self._events = events

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set, waiting up to `seconds` for it."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
