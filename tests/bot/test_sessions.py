"""Sessions side by side: whatever happens when one person's opens or ends, the others' go on."""

import asyncio
import errno
import threading
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import pytest

from bot.continuity.losses import KernelNote
from bot.errors import NotOpened
from bot.reply import NoFront, Reply, tell_nobody
from bot.request import Request
from bot.sessions import AT_ONCE, IDLE, Sessions
from bot.wording.error_messages import sentence
from filestore.errors import BytesStay, NotRecordedYet, StoreFull, StoreUnavailable
from filestore.records import MessageCell, SessionRecord
from kernels.cell.events import Restarted, Stream
from kernels.cell.result import Late
from kernels.descriptors import OutOfDescriptors
from kernels.errors import KernelClosed
from kernels.interface import Cell
from kernels.workspace.folder import scratch_id
from kernels.workspace.scan import Capture
from tests.bot.fake_kernels import FakeCell, FakeKernel
from tests.bot.worlds import Program, World
from tests.live.cells import until

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one."""
    return World(tmp_path)


async def hangs() -> None:
    """Never returns."""
    await asyncio.Event().wait()


async def test_the_threads_end_even_if_a_session_cannot_be_released(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing goes on when one part of it fails."""

    async def fails() -> None:
        raise RuntimeError("odd")

    with pytest.raises(RuntimeError, match="odd"):
        async with Program(world) as sessions:
            monkeypatch.setattr(sessions._resumed, "wait_all", fails)
    with pytest.raises(RuntimeError, match="shutdown"):
        await sessions.jobs.in_thread(print)


async def test_an_opening_that_hangs_keeps_nobody_else_waiting(world: World) -> None:
    """Neither new people nor open sessions wait; once it is given up, the person can try again."""
    async with Program(world) as sessions, asyncio.timeout(20):
        await sessions.session(3, "dm")
        hanging = [f"u{user_id}" for user_id in (1, *range(11, 10 + AT_ONCE))]
        hang = asyncio.Barrier(len(hanging) + 1)

        async def hangs_with_others() -> None:
            await hang.wait()
            await hangs()

        for name in hanging:  # everybody who may open at the same time
            world.kernels.of[name].opening = hangs_with_others
        opening = [asyncio.create_task(sessions.session(int(name[1:]), "dm")) for name in hanging]
        await hang.wait()
        assert (await sessions.execute_code("x", user_id=2)).success
        assert (await sessions.execute_code("x", user_id=3)).success
        for task in opening:
            task.cancel()
        await asyncio.wait(opening)
        assert sorted(world.kernels.released) == sorted(hanging)
        del world.kernels.of["u1"]
        assert (await sessions.execute_code("x", user_id=1)).success


async def test_of_a_crowd_a_few_open_at_a_time_and_who_is_there_waits_for_none(world: World) -> None:
    """130 people who came at once used to delay somebody else's cell by half a second."""
    opening: list[int] = []
    go_on = asyncio.Event()

    async def waits() -> None:
        opening.append(len(opening))
        await go_on.wait()

    crowd = range(10, 30)
    async with Program(world, turn=60.0) as sessions, asyncio.timeout(20):
        await sessions.session(3, "dm")
        for user_id in crowd:
            world.kernels.of[f"u{user_id}"].opening = waits
        coming = [asyncio.create_task(sessions.session(user_id, "dm")) for user_id in crowd]
        await until(lambda: len(opening) == AT_ONCE)
        assert (await sessions.execute_code("x", user_id=3)).success
        assert len(opening) == AT_ONCE
        go_on.set()
        await asyncio.gather(*coming)


async def test_an_opening_that_never_ends_is_given_up_in_words(world: World) -> None:
    """Only that person is told, and the next attempt starts from scratch."""
    async with Program(world, opening=0.1) as sessions:
        world.kernels.of["u1"].opening = hangs
        with pytest.raises(NotOpened) as caught:
            await sessions.session(1, "dm")
        assert "the kernels do not answer" in sentence(caught.value)
        del world.kernels.of["u1"]
        sessions._opening = 30.0
        await sessions.session(1, "dm")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (OSError(errno.EMFILE, "Too many open files"), "too many others are here"),
        (OutOfDescriptors(), "too many others are here"),
        (OSError(errno.ENFILE, "Too many open files in system"), "the machine has too many files open"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "short of memory"),
        (MemoryError(), "short of memory"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
async def test_whatever_an_opening_fails_of_is_told_to_its_person_alone(
    world: World, error: Exception, told: str
) -> None:
    """Before or after the kernel is asked; nothing stays half open, and the next attempt may succeed."""

    async def fails() -> None:
        raise error

    def fails_at_once(*_: object) -> FakeKernel:
        raise error

    async with Program(world) as sessions:
        world.kernels.of["u1"].opening = fails
        for method in (world.kernels.kernel, fails_at_once):
            world.kernels.kernel = method  # type: ignore[method-assign]
            with pytest.raises(NotOpened) as caught:
                await sessions.session(1, "dm")
            assert told in sentence(caught.value)
            assert sentence(caught.value).startswith("Your session could not be opened: ")
        del world.kernels.kernel
        assert world.kernels.released == ["u1", "u1"]
        assert (await sessions.execute_code("x", user_id=2)).success
        del world.kernels.of["u1"]
        assert (await sessions.execute_code("x", user_id=1)).success


@pytest.mark.parametrize("what", ["discard", "forget", "sweep"])
async def test_a_removal_that_hangs_keeps_only_its_person_waiting(
    world: World, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that does not end, or 60,000 files: others still run cells, and open and remove sessions."""
    go_on = asyncio.Event()

    hanging = asyncio.Event()

    async def removing(session_id: str) -> None:
        if session_id.startswith("u1"):
            hanging.set()
            await go_on.wait()

    async with Program(world, scope="place") as sessions, asyncio.timeout(20):
        for user_id in (1, 2):
            await sessions.execute_code("x", user_id)
        world.kernels.removing = removing
        works = {
            "discard": lambda: sessions.discard(1, "terminal"),
            "forget": lambda: sessions.forget_person(1),
            "sweep": lambda: sessions.sweep(world.now + 49 * HOUR),
        }
        work = asyncio.create_task(works[what]())
        await hanging.wait()
        own = asyncio.create_task(sessions.session(1, "terminal"))
        new = asyncio.create_task(sessions.session(1, "new place"))
        assert (await sessions.execute_code("x", 2)).success
        assert (await sessions.execute_code("x", 3)).success
        await sessions.discard(2, "terminal")
        assert not work.done()
        assert not own.done()
        assert new.done() == (what != "forget")
        go_on.set()
        await asyncio.gather(work, own, new)
        assert (await sessions.execute_code("x", 1)).success


async def test_a_sweep_goes_on_after_one_that_fails_and_asks_for_none_again(world: World) -> None:
    """One of three old sessions cannot be removed; the next sweep retries only that one."""
    broken = {"u1"}

    async def removing(session_id: str) -> None:
        if session_id in broken:
            raise OSError(errno.EIO, "Input/output error")

    world.kernels.removing = removing
    async with Program(world) as sessions:
        for user_id in (1, 3, 4):
            await sessions.execute_code("x", user_id)
        later = world.now + 49 * HOUR
        await sessions.sweep(later)
        assert world.kernels.removed == ["u3", "u3.apart", "u4", "u4.apart"]
        broken.clear()
        await sessions.sweep(later + HOUR)
        assert world.kernels.removed[4:] == ["u1", "u1.apart"]


async def test_a_session_is_used_until_the_end_of_its_cell(world: World) -> None:
    """A cell runs for two days: no sweep removes it, during the cell, after it, or in the next program."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        with session.turn():
            world.now += 49 * HOUR
            await sessions.sweep(world.now)
            world.now += HOUR
        world.now += 47 * HOUR
        await sessions.sweep(world.now)
        assert world.kernels.removed == []
        noted = await sessions.store.sessions.get("u1")
        assert noted is not None
        assert noted.last_used_at == session.last_used == world.now - 47 * HOUR
        with session.turn():
            world.now += HOUR
        await sessions.release_idle(monotonic() + IDLE + 1)
        noted = await sessions.store.sessions.get("u1")
        assert noted is not None
        assert noted.last_used_at == world.now
    async with Program(world) as sessions:
        await sessions.sweep(world.now + 48 * HOUR)
        assert world.kernels.removed == []
        await sessions.sweep(world.now + 49 * HOUR)
        assert world.kernels.removed == ["u1", "u1.apart"]


async def test_what_an_earlier_program_began_is_resumed_before_a_sweep_removes_it(world: World) -> None:
    """One of two old sessions has a cell in the node, which this program knows only once it is resumed."""
    async with Program(world) as sessions:
        for user_id in (1, 2):
            await sessions.session(user_id, "terminal")
    world.kernels.have_news = ["u1"]
    world.now += 49 * HOUR
    async with Program(world) as sessions:
        await sessions.sweep(world.now)
        assert world.kernels.removed == ["u2", "u2.apart"]
        await sessions.resume()
        assert sessions.opened("u1") is not None
        world.now += 49 * HOUR
        await sessions.sweep(world.now)
        assert world.kernels.removed[2:] == ["u1", "u1.apart"]


async def test_resuming_opens_what_was_running_and_one_failure_stops_no_other(world: World) -> None:
    """Three of four sessions have a cell under way, and one of those cannot be opened."""
    async with Program(world) as sessions:
        for user_id in (1, 2, 3, 4):
            await sessions.session(user_id, "dm")
        for user_id in (1, 2, 3):
            await sessions.store.transcripts.begin_cell(f"u{user_id}", "dm", "Ann", "1", world.now)

    async def fails() -> None:
        raise KernelClosed

    async with Program(world) as sessions:
        world.kernels.of["u2"].opening = fails
        with pytest.raises(KernelClosed):
            await sessions.resume()
        assert [sessions.opened(f"u{user_id}") is not None for user_id in (1, 2, 3, 4)] == [
            True,
            False,
            True,
            False,
        ]


async def test_idle_sessions_let_their_connections_go_and_what_they_tell_later_is_told(
    world: World,
) -> None:
    """After some minutes; one at work keeps its connection; the next use silently opens it again."""
    async with Program(world) as sessions:
        await world.ran(sessions, "x", 1)
        busy = await sessions.session(2, "terminal")
        world.kernels.of["u3"].goes_on = True  # a cell that was given up
        await sessions.session(3, "terminal")
        with busy.turn():
            await sessions.release_idle(monotonic() + IDLE - 1)
            assert world.kernels.released == []
            await sessions.release_idle(monotonic() + IDLE + 1)
        assert world.kernels.released == ["u1"]
        assert sessions.opened("u1") is None
        world.kernels.of["u3"].goes_on = False
        assert await world.ran(sessions, "x y", 1) == []
        await sessions.release_idle(monotonic() + IDLE + 1)
        assert sorted(world.kernels.released) == ["u1", "u1", "u2", "u3"]
        assert sessions._open == {}
        world.kernels.have_news = ["u1", "somebody else's"]
        world.kernels.of["u1"].told.put_nowait(Late(1, Stream("stdout", "at last\n")))
        await sessions.release_idle(monotonic())
        assert list(sessions._open) == ["u1"]
        await until(lambda: bool(world.told))
        assert world.told[0].event == Stream("stdout", "at last\n")


async def test_an_idle_session_that_is_deleted_is_not_opened_for_its_news(world: World) -> None:
    """Nor can anything be noted by what tells the news of one that was opened before the deletion."""
    noted: list[bool] = []

    class Front(NoFront):
        def tell_late(self, record: SessionRecord, reply: Reply) -> None:
            asyncio.create_task(sessions.forget_person(1)).add_done_callback(
                lambda _: noted.append(sessions.deletions.since(record.user_id))
            )

    async with Program(world, front=lambda _: Front()) as sessions:
        await world.ran(sessions, "x", 1)
        await sessions.release_idle(monotonic() + IDLE + 1)
        world.kernels.have_news = ["u1"]
        async with sessions._locks.one(1, "u1"):
            deleting = asyncio.create_task(sessions.forget_person(1))
            await until(sessions._locks._people[1].gate.locked)
            looking = asyncio.create_task(sessions.release_idle(monotonic()))
            await until(lambda: sessions._locks._people[1].waiting["u1"] == 2)
        await deleting
        await looking
        assert sessions._open == {}
        assert await sessions.store.sessions.of_user(1) == []
        await world.ran(sessions, "x", 1)
        await sessions.release_idle(monotonic() + IDLE + 1)
        world.kernels.of["u1"].told.put_nowait(Late(1, Stream("stdout", "at last\n")))
        await sessions.release_idle(monotonic())
        await until(lambda: bool(noted))
        assert noted == [True]


async def test_an_idle_session_that_cannot_be_opened_keeps_no_other_from_telling(world: World) -> None:
    """Of three with news, one fails and one hangs; the third one's news is delivered at once."""
    async with Program(world) as sessions:
        for user_id in (1, 2, 3):
            await sessions.session(user_id, "terminal")
        await sessions.release_idle(monotonic() + IDLE + 1)
        world.kernels.have_news = ["u1", "u2", "u3"]
        hangs = asyncio.Event()

        async def fails() -> None:
            raise KernelClosed

        async def hang() -> None:
            await hangs.wait()

        world.kernels.of["u1"].opening = fails
        world.kernels.of["u2"].opening = hang
        world.kernels.of["u3"].told.put_nowait(Late(1, Stream("stdout", "at last\n")))
        looking = asyncio.create_task(sessions.release_idle(monotonic()))
        await until(lambda: bool(world.told))
        assert [*sessions._open] == ["u3"]
        hangs.set()
        await looking
        assert [*sessions._open] == ["u3", "u2"]


async def test_a_session_with_files_that_are_to_be_tried_again_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The person was promised a retry with the next cell, and only this session knows of those files."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "a.txt").write_text("abc")
    capture = Capture(workspace)
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")

        async def full(*_: object, **__: object) -> None:
            raise StoreFull("no room")

        with monkeypatch.context() as patched:
            patched.setattr(session.files._store, "put", full)
            kept = await session.files.keep(capture.scan().captured, (), 1)
        assert not kept.files
        await sessions.release_idle(monotonic() + IDLE + 1)
        assert sessions.opened("u1") is session
        kept = await session.files.keep((), (), 2)
        assert [file.filename for file in kept.files] == ["a.txt"]
        await sessions.release_idle(monotonic() + IDLE + 1)
        assert sessions.opened("u1") is None


AWAY = "it ended while I was away"


def away(patch: pytest.MonkeyPatch, sessions: Sessions) -> None:
    """The database neither accepts nor returns anything about sessions and transcripts."""

    async def fails(*_: object, **_more: object) -> None:
        raise StoreUnavailable("it is away")

    database = sessions.store.catch_up._store
    for part, names in (
        (database.sessions, ("get", "get_or_create", "set_kernel", "touch")),
        (database.transcripts, ("begin_cell", "finish_cell", "entries", "newest", "unfinished", "last_seq")),
    ):
        for name in names:
            patch.setattr(type(part), name, fails)


async def test_variables_that_went_while_nobody_looked_are_told_with_the_next_cell(world: World) -> None:
    """Once, with their names, in the cell's result too; a living kernel has lost nothing."""
    async with Program(world) as sessions:
        assert await world.ran(sessions, "df model") == []
    async with Program(world) as sessions:
        assert await world.ran(sessions, "df model") == []
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        assert await world.ran(sessions, "y") == [Restarted(AWAY, ("files",), ("df", "model"))]
        assert await world.ran(sessions, "y") == []
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        assert await world.ran(sessions, "z") == [Restarted(AWAY, ("files",), ("y",))]


async def test_what_was_lost_is_kept_until_it_is_told(world: World) -> None:
    """Programs that come and go without running the person's cell, or fail at it, forget none of it."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    world.kernels.of["u1"].dies()
    for _ in range(2):
        async with Program(world) as sessions:
            await (await sessions.session(1, "terminal")).kernel.state()

            async def fails(_reply: Reply) -> None:
                raise RuntimeError("the front failed")

            with pytest.raises(RuntimeError):
                await sessions.execute_code("", 1, tell=fails)
    async with Program(world) as sessions:
        (told,) = await world.ran(sessions, "y")
        assert told == Restarted(AWAY, ("files",), ("df",))


@pytest.mark.parametrize("at", ["the loss", "the result"])
async def test_a_loss_whose_telling_fails_is_told_with_the_next_cell(world: World, at: str) -> None:
    """By the same program or the next one; this includes losses that the kernel itself reported."""

    async def fails(reply: Reply) -> None:
        if reply.result is not None or (at == "the loss" and isinstance(reply.event, Restarted)):
            raise RuntimeError("the front failed")

    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    world.kernels.of["u1"].dies()
    for _ in range(2):
        async with Program(world) as sessions:
            with pytest.raises(RuntimeError):
                await sessions.execute_code("x", 1, tell=fails)
    async with Program(world) as sessions:
        with pytest.raises(RuntimeError):
            await sessions.execute_code("x", 1, tell=fails)
        kernel = world.kernels.of["u1"]
        kernel.events = [Restarted("it was not used for a long time", ("files",), ("x",))]
        with pytest.raises(RuntimeError):
            await sessions.execute_code("y", 1, tell=fails)
        kernel.events = []
        (told,) = await world.ran(sessions, "y")
        assert told == Restarted("it was not used for a long time", ("files",), ("df", "x"))
        assert await world.ran(sessions, "y") == []
    async with Program(world) as sessions:
        assert await world.ran(sessions, "y") == []


async def test_what_a_kernel_holds_is_noted_before_its_cell_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program killed between the two leaves an unfinished cell, and all the names."""
    async with Program(world) as sessions:
        noted: list[str | None] = []
        finish = type(sessions.store.transcripts).finish_cell

        async def finished(*values: object, **more: object) -> object:
            record = await sessions.store.sessions.get("u1")
            noted.append(record and record.kernel)
            return await finish(*values, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(type(sessions.store.transcripts), "finish_cell", finished)
        await world.ran(sessions, "df")
        assert noted == ['{"variables": ["df"]}']


async def test_a_session_that_is_opened_while_the_database_is_away_forgets_no_loss(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record cannot be read then: the loss is reported once it can, and is never overwritten."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")  # the loss of df is recorded, but not reported
    async with Program(world) as sessions:
        with monkeypatch.context() as patched:
            away(patched, sessions)
            assert await world.ran(sessions, "x") == []
        await sessions.store.catch_up.bring_in()
        assert await world.ran(sessions, "x y") == []
        (told,) = await world.ran(sessions, "x y")
        assert (told.reason, told.lost) == (AWAY, ("df",))
        assert await world.ran(sessions, "x y") == []
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        assert [told.lost for told in await world.ran(sessions, "z")] == [("x", "y")]


async def test_what_waits_to_be_noted_is_known_to_whoever_opens_the_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is not back yet, but the names are in the spool."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        with monkeypatch.context() as patched:
            away(patched, sessions)
            await world.ran(sessions, "a b")
            await sessions.release_all()
            world.kernels.of["u1"].dies()
            assert [told.lost for told in await world.ran(sessions, "z")] == [("a", "b")]


async def test_a_reset_takes_nothing_back_that_is_untold(world: World) -> None:
    """The variables that the person gave up by the reset are not reported as lost."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        await (await sessions.session(1, "terminal")).reset()
        assert await world.ran(sessions, "y") == [Restarted(AWAY, ("files",), ("df",))]
        await (await sessions.session(1, "terminal")).reset()
    async with Program(world) as sessions:
        assert await world.ran(sessions, "z") == []


async def test_a_kernel_that_tells_its_own_end_is_told_once(world: World) -> None:
    """Its own reason is the better one; the names from both sources are reported."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    kernel = world.kernels.of["u1"]
    kernel.dies()
    kernel.events = [Restarted("it was not used for a long time", ("files",), ("model",))]
    async with Program(world) as sessions:
        assert await world.ran(sessions, "y") == [
            Restarted("it was not used for a long time", ("files",), ("df", "model"))
        ]


async def test_a_cell_that_was_broken_off_leaves_more_lost_than_has_a_name(world: World) -> None:
    """What it had defined is lost too, and is not reported as nothing."""
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")
        await sessions.store.transcripts.begin_cell("u1", "terminal", "Ann", "keep = 1", world.now)
    async with Program(world) as sessions:
        assert await world.ran(sessions, "y") == [Restarted(AWAY, ("files",), (), unnamed=True)]


async def test_a_session_that_was_swept_tells_that_its_files_are_gone_too(world: World) -> None:
    """Once, though it was swept long ago and by another program."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
        await sessions.sweep(world.now + 49 * HOUR)
    async with Program(world) as sessions:
        world.now += 60 * HOUR
        lost = Restarted("your session was not used for 48 hours", (), ("df",))
        assert await world.ran(sessions, "y") == [lost]
        assert await world.ran(sessions, "y") == []
        world.now += 49 * HOUR
        await sessions.sweep(world.now)
        assert world.kernels.removed == ["u1", "u1.apart"] * 2


async def test_a_sweep_of_many_lets_others_have_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if those sessions have nothing to remove."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
        await sessions.sweep(world.now + 49 * HOUR)
        record = await sessions.store.sessions.get("u1")
        assert record is not None

        async def many(_before: datetime) -> list[SessionRecord]:
            return [record] * 1000

        monkeypatch.setattr(sessions.store.sessions, "idle_since", many)
        sweeping = asyncio.create_task(sessions.sweep(world.now + 50 * HOUR))
        turns = 0
        while not sweeping.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 1000
        assert world.kernels.removed == ["u1", "u1.apart"]


async def test_data_of_a_copy_is_called_that(world: World) -> None:
    """The files are the copy's as well; a session opened since then is no older than it seems."""
    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    world.kernels.of["u1"].dies()
    async with Program(world, restored=True) as sessions:
        (told,) = await world.ran(sessions, "y")
        assert (told.kept, told.lost) == (("copy",), ("df",))
        assert "restored from a copy" in told.reason
        await sessions.release_idle(monotonic() + IDLE + 1)
        world.kernels.of["u1"].dies()
        assert await world.ran(sessions, "z") == [Restarted(AWAY, ("files",), ("y",))]


async def test_what_a_kernel_holds_is_noted_when_the_database_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell does not fail because of it; the record waits with the other writes."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        records = type(sessions.store.sessions._sessions)

        async def away(*_: object) -> None:
            raise StoreUnavailable("it is away")

        with monkeypatch.context() as patched:
            patched.setattr(records, "set_kernel", away)
            await world.ran(sessions, "a b")
        await sessions.store.catch_up.bring_in()
        record = await sessions.store.sessions.get("u1")
        assert record is not None
        assert KernelNote.from_text(record.kernel).variables == ("a", "b")


async def test_a_file_that_waits_is_deleted_with_its_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row would be written when the database is back, which must not happen after the deletion."""
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")
        files = type(sessions.store.catch_up._store.files)

        async def away(*_: object, **_more: object) -> None:
            raise StoreUnavailable("it is away")

        with monkeypatch.context() as patched:
            patched.setattr(files, "add", away)
            with pytest.raises(NotRecordedYet):
                await sessions.files.put(1, "u1", "a.csv", b"1", source="generated")
            with pytest.raises(StoreUnavailable):  # and is not reported as deleted while it cannot be
                await sessions.discard(1, "terminal")
        await sessions.discard(1, "terminal")
        await sessions.store.catch_up.bring_in()
        assert not (await sessions.list_user_files(1)).files
        assert not list((world.folder / "files").rglob("a*"))
    assert not [path for path in (world.folder / "files").rglob("*") if path.is_file()]


async def test_what_could_not_be_noted_is_told_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be recorded when the loss is discovered, and the first cell fails to report it."""

    async def fails(_reply: Reply) -> None:
        raise RuntimeError("the front failed")

    async def refused(*_: object) -> None:
        raise StoreUnavailable("no room")

    async with Program(world) as sessions:
        await world.ran(sessions, "df")
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        with monkeypatch.context() as patched:
            patched.setattr(type(sessions.store.sessions), "set_kernel", refused)
            await sessions.session(1, "terminal")
        with pytest.raises(RuntimeError):
            await sessions.execute_code("", 1, tell=fails)
    async with Program(world) as sessions:
        assert await world.ran(sessions, "y") == [Restarted(AWAY, ("files",), ("df",))]


async def test_a_cell_that_runs_and_is_not_recorded_is_recorded_and_told(world: World) -> None:
    """Its database was restored from an older copy; cells that were recorded are settled."""
    async with Program(world) as sessions:
        await world.ran(sessions, "x")
    recorded, unknown = FakeCell(None, "x", tag=1), FakeCell(None, "print('on')", tag=7)
    unknown.events = [Stream("stdout", "on\n")]
    left: dict[int, Cell] = {1: recorded, 7: unknown}
    world.kernels.of["u1"].left = left
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        await asyncio.gather(*session.resumed)
        (cell,) = [entry for entry in await session.transcript.entries() if entry.seq == 7]
        assert (cell.code, cell.status) == ("print('on')", "ok")  # type: ignore[union-attr]
    assert [reply.event for reply in world.told if reply.event] == [Stream("stdout", "on\n")]
    assert recorded.settled
    assert unknown.settled


def test_held_is_read_whatever_stands_there() -> None:
    """What cannot be read counts as nothing, and does not stop the session from opening."""
    held = KernelNote(("a",), ("b",), "it died", "", unnamed=True, earlier=True, swept=True)
    assert KernelNote.from_text(held.to_text()) == held
    assert KernelNote.from_text(None) == KernelNote(unknown=True)
    for text in ("", "kernel-1", "[]", '{"lost": 5}', '{"variables": null}'):
        assert KernelNote.from_text(text) == KernelNote()
    many = KernelNote(tuple(map(str, range(10_000)))).ended("it died")
    assert len(many.lost) == 200


async def test_ones_files_are_looked_into_in_one_place_at_a_time(world: World) -> None:
    """A person in many places has one helper kernel; another person's starts beside it."""
    async with Program(world, scope="place") as sessions:
        first, second = [await sessions.session(1, place) for place in ("a", "b")]
        other = await sessions.session(2, "a")
        async with first.scratch._turn():
            assert await second.scratch.work("cards", {"1": {}}, {}, seconds=0.05) == {}
            assert world.kernels.removed == []  # which would be the first step
            await other.scratch.work("cards", {"1": {}}, {}, seconds=20)
            assert set(world.kernels.removed) == {scratch_id(other.record.session_id)}


@pytest.mark.parametrize("what", ["discard", "forget"])
async def test_after_a_deletion_no_file_has_the_words(world: World, what: str) -> None:
    """Code, names and file contents: no file in the data folder has them, while the program is running."""
    secret = "ZQ-SECRET"

    def files_with_it() -> list[Path]:
        found = [path for path in world.folder.rglob("*") if path.is_file()]
        return [path for path in found if secret.encode() in path.read_bytes() or secret in path.name]

    async with Program(world) as sessions:
        for _ in range(3):
            await sessions.execute_code(f"# {secret}", 1)
        await sessions.upload(f"{secret}.txt", secret.encode(), 1)
        await sessions.execute_code("x", 2)
        assert len(files_with_it()) > 1
        await (sessions.discard(1, "terminal") if what == "discard" else sessions.forget_person(1))
        assert files_with_it() == []
        assert (await sessions.execute_code("x", 2)).success


async def test_what_is_noted_of_a_session_that_never_opened_goes_with_its_person(world: World) -> None:
    """Somebody who only asked a bot without a model, or whose notebook could not be read, for instance."""
    async with Program(world) as sessions:
        cells = sessions.store.message_cells
        await sessions.add_record(1, "dm")
        await cells.set(MessageCell(100, sessions.id_of(1, "dm"), 0, 10))
        await sessions.forget_person(1)
        assert await cells.get(100) is None
        assert await sessions.store.sessions.of_user(1) == []


async def test_answers_end_while_it_is_known_where_they_are(world: World) -> None:
    """A bot that is killed in the middle of a deletion leaves none that nobody knows of."""
    found: list[tuple[list[str], bool, int]] = []

    class Front(NoFront):
        async def end_answers(self, session_ids: Collection[str]) -> None:
            busy = any(session.busy for session in sessions._open.values())
            records = [await sessions.store.sessions.get(one) for one in session_ids]
            found.append((list(session_ids), busy, sum(record is not None for record in records)))

    async with Program(world, front=lambda _: Front()) as sessions:
        await sessions.execute_code("x", 1)
        await sessions.execute_code("x", 2)
        await sessions.discard(1, "terminal")
        await sessions.execute_code("x", 1)
        await sessions.forget_person(1)
    assert found == [(["u1"], False, 1)] * 2


async def test_what_the_disk_keeps_keeps_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even then, usage is deleted and deleted rows are erased from the database before the person is told."""
    done = []
    async with Program(world) as sessions:

        async def refuses(_user_id: int) -> int:
            done.append("files")
            return 1

        async def forgets(_user_id: int) -> None:
            done.append("usage")

        async def erases() -> None:
            done.append("erased")

        monkeypatch.setattr(sessions.files, "forget_person", refuses)
        monkeypatch.setattr(sessions.ledger, "forget_person", forgets)
        monkeypatch.setattr(sessions.store.sessions, "erase_deleted", erases)
        with pytest.raises(BytesStay):
            await sessions.forget_person(1)
    assert done == ["files", "usage", "erased"]


async def test_what_the_disk_keeps_of_a_session_keeps_none_of_its_files(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are deleted, and deleted rows are erased from the database, before the person is told."""
    erased = []
    async with Program(world) as sessions:
        await sessions.upload("a.txt", b"a", 1)

        async def refuses(_session_id: str) -> None:
            raise BytesStay("no")

        async def erases() -> None:
            erased.append((await sessions.list_user_files(1)).files)

        monkeypatch.setattr(sessions.store.sessions, "delete", refuses)
        monkeypatch.setattr(sessions.store.sessions, "erase_deleted", erases)
        with pytest.raises(BytesStay):
            await sessions.discard(1, "terminal")
    assert erased == [()]


async def test_who_deletes_everything_can_begin_anew_while_it_is_erased(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overwriting deleted data can take seconds, so it holds none of the person's locks."""
    erasing = 0
    async with Program(world) as sessions, asyncio.timeout(20):

        async def hangs() -> None:
            nonlocal erasing
            erasing += 1
            await asyncio.Event().wait()

        monkeypatch.setattr(sessions.store.sessions, "erase_deleted", hangs)
        for deletion in (sessions.discard(1, "dm"), sessions.forget_person(1)):
            before, deleting = erasing, asyncio.create_task(deletion)
            await until(lambda before=before: erasing > before)  # type: ignore[misc]
            assert (await sessions.execute_code("x", 1)).success
            deleting.cancel()
            await asyncio.wait([deleting])


async def test_a_question_that_outlives_the_wait_of_a_deletion_is_not_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it waits for, such as the first look at what is installed, may take longer than that."""
    prepares, goes_on = threading.Event(), threading.Event()

    def prompt(*_given: object, **_more: object) -> str:
        prepares.set()
        goes_on.wait()
        return ""

    monkeypatch.setattr("bot.model.turn.system_prompt", prompt)
    monkeypatch.setattr("bot.session.ENDING", 0.05)
    model = SimpleNamespace(name="m", rounds=1, history_tokens=1000)
    async with Program(world, model=model) as sessions:
        asking = asyncio.create_task(sessions.ask(Request(1, "ada", "dm", words="mine"), tell_nobody))
        try:
            await asyncio.to_thread(prepares.wait)
            await sessions.forget_person(1)
        finally:
            goes_on.set()
        with pytest.raises(KernelClosed):
            await asking
        assert await sessions.store.transcripts.entries("u1") == []
