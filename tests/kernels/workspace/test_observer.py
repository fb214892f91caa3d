"""The observer hints when a workspace may have changed, whatever happens to its watcher."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from watchfiles import Change

from kernels.workspace import observer
from kernels.workspace.folder import Workspace
from kernels.workspace.observer import Observer, Pace

SOON = 0.4  # seconds between two attempts while a watcher may still be starting
REPOSITORY = Path(__file__).parents[3]
WARNING = "The watcher of the workspaces ended"


class Hints:
    """Counts its calls, and can be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._called = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._called.set()

    async def next(self, act: Callable[[], object] = lambda: None) -> None:
        """Wait for the next call, repeating `act` until it comes."""
        self._called.clear()
        async with asyncio.timeout(20):
            while not self._called.is_set():
                act()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._called.wait(), SOON)


def watched(root: Path, **pace: Any) -> Observer:
    """An observer that starts watching new workspaces sooner."""
    return Observer(root, Pace(**{"tick": 0.1} | pace))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of all workspaces."""
    return tmp_path / "workspaces"


def writer(workspace: Workspace) -> Callable[[], object]:
    """Each call writes another file."""
    numbers = count()

    def write() -> None:
        (workspace.path / f"{next(numbers)}.txt").touch()

    return write


def watches() -> int:
    """The inotify watches of this process."""
    found = 0
    for name in os.listdir("/proc/self/fdinfo"):
        try:
            with open(f"/proc/self/fdinfo/{name}") as info:
                found += info.read().count("inotify wd")
        except FileNotFoundError:
            continue
    return found


def wait_for_no_watch() -> None:
    """A thread of its own closes an abandoned watcher. The test's time-out bounds the wait."""
    while watches():
        time.sleep(0.01)  # that thread does not announce its end


@contextmanager
def one_warning(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Expect the watcher's end to be logged exactly once within the block."""
    with caplog.at_level(logging.WARNING, logger="kernels"):
        yield
    assert [record.getMessage()[: len(WARNING)] for record in caplog.records] == [WARNING]


async def test_a_change_hints_its_session_only(root: Path) -> None:
    """Only the workspace with the new file is looked at."""
    mine, theirs = Hints(), Hints()
    workspace = Workspace.open(root, "1")
    Workspace.open(root, "2")
    async with watched(root) as watching:
        watching.watch("1", mine)
        watching.watch("2", theirs)
        await mine.next(writer(workspace))
    assert theirs.count == 0


async def test_sessions_come_and_go(root: Path) -> None:
    """A workspace that comes later is watched too, and a released one gives no more hints."""
    first, second = Hints(), Hints()
    one, two = Workspace.open(root, "1"), Workspace.open(root, "2")
    async with watched(root) as watching:
        watching.watch("1", first)
        await first.next(writer(one))
        watching.watch("2", second)
        await second.next(writer(two))
        watching.unwatch("1")
        watching.unwatch("1")
        before = first.count
        writer(one)()
        await second.next(writer(two))
        assert first.count == before


def bad_writer(workspace: Workspace) -> Callable[[], object]:
    """Each call writes another file, whose name is not UTF-8."""
    numbers = count()

    def write_badly() -> None:
        name = b'\xff" to \n%d' % next(numbers)
        os.close(os.open(os.fsencode(workspace.path) + b"/" + name, os.O_CREAT | os.O_WRONLY))

    return write_badly


async def test_a_name_that_is_not_text_ends_the_watcher_for_nobody_else(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Others' files are noticed while such names keep coming: only their own workspace is left alone."""
    # With these delays a pause for everybody would be noticed.
    bad, good = Hints(), Hints()
    hostile, workspace = Workspace.open(root, "1"), Workspace.open(root, "2")
    write, write_badly = writer(workspace), bad_writer(hostile)

    def write_both() -> None:
        write_badly()
        write()

    await asyncio.to_thread(wait_for_no_watch)  # the watch of the previous test
    with caplog.at_level(logging.INFO, logger="kernels"):
        async with watched(root, first_delay=60.0, last_delay=60.0) as watching:
            watching.watch("1", bad)
            watching.watch("2", good)
            async with asyncio.timeout(20):
                while not caplog.records:
                    write_badly()
                    await asyncio.sleep(0.05)
            for _ in range(3):
                await good.next(write_both)
            assert watches() == 1
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert (
        caplog.records[0]
        .getMessage()
        .startswith("Workspace 1 contains a file name that is not UTF-8: for 20 s")
    )


async def test_what_changed_while_there_was_no_watcher_is_hinted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After such a name everyone gets a hint once there are watches again, even if nothing more changes."""
    hints = Hints()
    for session_id in ("1", "2"):
        Workspace.open(root, session_id)
    given: list[list[str]] = []

    def dies_once(*folders: Path, stop_event: threading.Event, **_: object) -> Iterator[set[object]]:
        given.append(sorted(folder.name for folder in folders))
        if len(given) == 1:
            raise RuntimeError(f'Unable to decode path "{root}/1/\\xFF" to string')
        while not stop_event.is_set():
            time.sleep(0.01)  # the real watcher polls as well
            yield set()

    monkeypatch.setattr(observer, "watch", dies_once)
    async with watched(root) as watching:
        watching.watch("1", Hints())
        watching.watch("2", hints)
        await hints.next()
    assert given == [["1", "2"], ["2"]]


async def test_a_workspace_with_such_names_rests_for_longer_each_time(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So nobody ends the watcher often; after its rest the workspace gets a hint and is watched again."""
    hints = Hints()
    write = bad_writer(Workspace.open(root, "1"))
    with caplog.at_level(logging.INFO, logger="kernels"):
        async with watched(root, round=0.2, longest_rest=0.6) as watching, asyncio.timeout(20):
            watching.watch("1", hints)
            while len(caplog.records) < 4:
                write()
                await asyncio.sleep(0.02)
    rests = [record.args[1] for record in caplog.records[:4] if isinstance(record.args, tuple)]
    assert rests == [0.2, 0.4, 0.6, 0.6]


CLOSED = """
import asyncio, os, platform, tempfile
from pathlib import Path
from kernels.workspace.folder import Workspace
from kernels.workspace.observer import Observer, Pace
if os.geteuid() == 0:
    os.setuid(65534)  # permissions do not apply to root
async def main(root):
    closed, other = Workspace.open(root, "1"), Workspace.open(root, "2")
    closed.path.chmod(0)
    hinted = asyncio.Event()
    async with Observer(root, Pace(tick=0.1, round=1000, last_delay=1000)) as watching:
        watching.watch("1", lambda: None)
        watching.watch("2", hinted.set)
        while not hinted.is_set():
            (other.path / "late.txt").write_text("late")
            await asyncio.sleep(0.1)
        print("hinted", watching._warned)
    closed.path.chmod(0o700)
with tempfile.TemporaryDirectory() as root:
    asyncio.run(main(Path(root)))
"""


def test_a_workspace_that_code_has_closed_ends_the_watcher_for_nobody() -> None:
    """Otherwise one person could make everybody's late files wait for the round."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("hinted False\n", "")


async def test_a_storm_of_names_is_one_hint_for_the_loop(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names change at once, the loop looks at none of them and gets a single call."""
    told: list[int] = []
    looked_at = Counter[int]()

    class Name(str):
        __slots__ = ()

        def removeprefix(self, prefix: str, /) -> str:
            looked_at[threading.get_ident()] += 1
            return super().removeprefix(prefix)

    def storm(*_: object, stop_event: threading.Event, **__: object) -> Iterator[set[tuple[Change, str]]]:
        yield {(Change.added, Name(f"{root}/1/{number}")) for number in range(60_000)}
        while not stop_event.is_set():
            time.sleep(0.01)  # the real watcher polls as well

    hear = Observer._note_changes

    def counted(self: Observer, counts: Mapping[str, int]) -> None:
        told.append(len(counts))
        hear(self, counts)

    monkeypatch.setattr(observer, "watch", storm)
    monkeypatch.setattr(Observer, "_note_changes", counted)
    hints = Hints()
    Workspace.open(root, "1")
    async with watched(root) as watching:
        watching.watch("1", hints)
        await hints.next()
    assert (told, hints.count) == ([1], 1)
    assert sum(looked_at.values()) == 60_000
    assert threading.get_ident() not in looked_at


async def test_a_workspace_with_many_changes_is_left_alone_for_a_while(root: Path) -> None:
    """It has no watch meanwhile, while others keep theirs; then it gets a hint and is watched again."""
    wild, calm = Hints(), Hints()
    stormy, workspace = Workspace.open(root, "1"), Workspace.open(root, "2")
    write = writer(stormy)

    def write_much() -> None:
        for _ in range(100):
            write()

    await asyncio.to_thread(wait_for_no_watch)  # the watch of the previous test
    async with watched(root, many=10, rest=60.0) as watching:
        watching.watch("1", wild)
        watching.watch("2", calm)
        await calm.next(writer(workspace))
        assert watches() == 2
        await wild.next(write_much)
        async with asyncio.timeout(20):
            while watches() != 1:  # noqa: ASYNC110  nothing tells when a watcher is another one
                await asyncio.sleep(0.01)
        await calm.next(writer(workspace))
        watching._resting["1"].cancel()
        asyncio.get_running_loop().call_soon(watching._has_rested, "1")  # as after that minute
        await wild.next()
        await wild.next(write)


async def test_without_a_watcher_hints_still_come(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If inotify is unavailable every session gets a hint now and then, and the log says so once."""

    def none_left(*_: object, **__: object) -> Iterator[None]:
        raise OSError("too many inotify instances")
        yield

    monkeypatch.setattr(observer, "watch", none_left)
    hints = Hints()
    Workspace.open(root, "1")
    with one_warning(caplog):
        async with watched(root, last_delay=0.1) as watching:
            watching.watch("1", hints)
            await hints.next()
            await hints.next()


async def test_the_round_finds_what_the_watcher_does_not(root: Path) -> None:
    """The watcher does not see a file in a subfolder; the round gives a hint all the same."""
    hints = Hints()
    Workspace.open(root, "1")
    async with watched(root, round=0.2) as watching:
        watching.watch("1", hints)
        await hints.next()


async def test_links_and_folders_in_a_workspace_get_no_watch(root: Path, tmp_path: Path) -> None:
    """Neither a link to a large tree nor a thousand folders cost a watch: a workspace takes one."""
    workspace = Workspace.open(root, "1")
    hints = Hints()
    for number in range(50):
        (tmp_path / "elsewhere" / str(number)).mkdir(parents=True)
        (workspace.path / str(number)).mkdir()
    (workspace.path / "link").symlink_to(tmp_path / "elsewhere")
    await asyncio.to_thread(wait_for_no_watch)  # the watch of the previous test
    async with watched(root) as watching:
        watching.watch("1", hints)
        await hints.next(writer(workspace))
        assert watches() == 1


async def test_a_hint_that_fails_costs_no_other(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One session's failure is logged, and the next session gets its hint."""

    def fail() -> None:
        raise RuntimeError("fault")

    hints = Hints()
    async with watched(root, round=0.2) as watching:
        watching.watch("1", fail)
        watching.watch("2", hints)
        await hints.next()
    assert caplog.records[0].getMessage() == "The hint for workspace 1 failed"


async def test_a_workspace_that_is_missing_does_not_disturb_others(root: Path) -> None:
    """A folder that code deleted is left out until it is there again."""
    hints = Hints()
    workspace = Workspace.open(root, "2")
    async with watched(root) as watching:
        watching.watch("1", Hints())
        watching.watch("2", hints)
        await hints.next(writer(workspace))


def test_leaving_ends_the_watcher(root: Path) -> None:
    """No task, watch or thread remains, whether it watched, idled or was never used."""

    async def use(*session_ids: str) -> None:
        hints = Hints()
        async with watched(root) as watching:
            for session_id in session_ids:
                watching.watch(session_id, hints)
                await hints.next(writer(Workspace.open(root, session_id)))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    threads = set(threading.enumerate())
    asyncio.run(use())
    asyncio.run(use("1", "2"))
    wait_for_no_watch()
    for thread in set(threading.enumerate()) - threads:  # anyio keeps its worker until the loop is closed
        thread.join(timeout=5)
        assert not thread.is_alive()


async def test_a_workspace_that_is_watched_anew_has_no_rest_left(tmp_path: Path) -> None:
    """A rest may last an hour; it belongs to one watching, and the longest of two applies."""
    observer = Observer(tmp_path)
    observer.watch("a", lambda: None)
    observer._rest("a", 0.01)
    observer._rest("a", 3600)
    await asyncio.sleep(0.1)
    assert "a" in observer._resting
    observer.unwatch("a")
    observer.watch("a", lambda: None)
    assert "a" not in observer._resting
