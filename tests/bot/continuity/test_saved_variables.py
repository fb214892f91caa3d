"""Variables that are saved count as lost only if the next kernel does not bring them back."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.continuity.losses import AWAY, KernelNote
from bot.reply import Reply
from filestore.errors import StoreUnavailable
from kernels.cell.events import Event, Queued, Restarted, Stream, UnsavedValue
from tests.bot.fake_kernels import FakeCell, FakeKernel
from tests.bot.worlds import Program, World

HOUR = timedelta(hours=1)
CONN = UnsavedValue("conn", 7, "a database connection")
BACK = Restarted(AWAY, ("files",), (), as_of=12, back=("df", "model"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one."""
    return World(tmp_path)


async def died_with(world: World, code: str, saved: int = 12) -> FakeKernel:
    """A person's kernel that has defined these variables and ended unseen; its state is saved."""
    async with Program(world) as sessions:
        await world.ran(sessions, code)
    kernel = world.kernels.of["u1"]
    kernel.dies()
    kernel.saved = saved
    return kernel


async def fails(reply: Reply) -> None:
    """A front that fails at the result."""
    if reply.result is not None:
        raise RuntimeError("the front failed")


async def test_what_comes_back_is_told_and_nothing_else(world: World) -> None:
    """Once, and no name is called lost."""
    kernel = await died_with(world, "df model")
    kernel.events = [Queued(1), BACK, Stream("stdout", "x")]
    async with Program(world) as sessions:
        assert await world.ran(sessions, "df model") == [BACK]
        kernel.events = []
        assert await world.ran(sessions, "df model") == []
    async with Program(world) as sessions:
        assert await world.ran(sessions, "df model") == []


async def test_what_was_made_since_the_save_is_lost(world: World) -> None:
    """Its name is in the note alone; what could not be saved is named by the kernel."""
    kernel = await died_with(world, "df conn new")
    kernel.events = [Restarted(AWAY, ("files",), (), as_of=12, back=("df",), unsaved=(CONN,))]
    async with Program(world) as sessions:
        (told,) = await world.ran(sessions, "df")
        assert (told.lost, told.as_of, told.back, told.unsaved) == (("new",), 12, ("df",), (CONN,))


@pytest.mark.parametrize("events", [[], [Stream("stdout", "x")]], ids=["silent", "shows"])
async def test_a_state_that_does_not_come_back_is_lost_as_ever(world: World, events: list[Event]) -> None:
    """By the first cell that shows that it runs."""
    kernel = await died_with(world, "df")
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        kernel.events = events
        told = await world.ran(sessions, "y")
        kernel.events = [Stream("stdout", "x")]
        told += await world.ran(sessions, "y")
        assert told == [Restarted(AWAY, ("files",), ("df",))]
        assert session.notes.take_untold(None) is None


async def test_a_kernel_that_could_not_bring_it_back_says_why(world: World) -> None:
    """The loss is told, once, with that reason."""
    kernel = await died_with(world, "df")
    kernel.events = [Restarted(f"{AWAY}; it could not be brought back", ("files",), ("df",))]
    async with Program(world) as sessions:
        (told,) = await world.ran(sessions, "y")
        assert told == kernel.events[0]


async def test_a_cell_that_gets_no_kernel_claims_no_loss(world: World) -> None:
    """It was stopped while it waited; the next one is told what came back."""
    kernel = await died_with(world, "df model")
    kernel.events = [Queued(3)]
    async with Program(world) as sessions:
        assert await world.ran(sessions, "") == []
    kernel.dies()
    async with Program(world) as sessions:
        assert await world.ran(sessions, "") == []
        kernel.events = [BACK]
        assert await world.ran(sessions, "df model") == [BACK]


async def test_a_telling_that_fails_is_told_again_as_what_came_back(world: World) -> None:
    """By this program or the next one, while the kernel lives on."""
    kernel = await died_with(world, "df model new")
    async with Program(world) as sessions:
        kernel.events = [BACK]
        with pytest.raises(RuntimeError):
            await sessions.execute_code("df model", 1, tell=fails)
    told = Restarted(AWAY, ("files",), ("new",), as_of=12, back=("df", "model"))
    async with Program(world) as sessions:
        kernel.events = []
        with pytest.raises(RuntimeError):
            await sessions.execute_code("df model", 1, tell=fails)
        assert await world.ran(sessions, "df model") == [told]
        assert await world.ran(sessions, "df model") == []


async def test_what_nobody_read_of_a_turn_that_failed_is_told_too(world: World) -> None:
    """The event had been requested early, before the front failed at the first step."""
    kernel = await died_with(world, "df model new")

    async def fails_early() -> None:
        async with session.notes.losses() as losses:
            losses.missed(BACK)
            raise RuntimeError("the front failed")

    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        with pytest.raises(RuntimeError):
            await fails_early()
    kernel.has("df", "model")
    async with Program(world) as sessions:
        (told,) = await world.ran(sessions, "df model")
        assert (told.as_of, told.lost) == (12, ("new",))


async def test_a_program_that_is_killed_leaves_what_came_back_in_the_record(world: World) -> None:
    """The next one finds a kernel that lives, and must not call lost what it holds."""
    kernel = await died_with(world, "df model new")
    noted = list[str | None]()

    async def tell(reply: Reply) -> None:
        if isinstance(reply.event, Restarted):
            record = await sessions.store.sessions.get("u1")
            noted.append(record and record.kernel)

    async with Program(world) as sessions:
        kernel.events = [BACK]
        await sessions.execute_code("df model", 1, tell=tell)
    (text,) = noted
    untold = KernelNote.from_text(text).untold
    assert untold == Restarted(AWAY, ("files",), ("new",), as_of=12, back=("df", "model"))


async def test_a_cell_whose_program_leaves_tells_the_next_one_what_came_back(world: World) -> None:
    """It goes on in its node with a result that has the kernel's part alone."""
    kernel = await died_with(world, "df model new")
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        run = FakeCell(kernel, "df model")
        run.goes_on = True
        kernel.events = run.events = [BACK]

        async def leave() -> None:
            async with session.notes.losses() as losses:
                async for _ in losses.before(run, run):
                    pass
                raise RuntimeError("the program leaves")

        with pytest.raises(RuntimeError):
            await leave()
    async with Program(world) as sessions:
        kernel.events = []
        (told,) = await world.ran(sessions, "df model")
        assert (told.as_of, told.lost) == (12, ("new",))


async def test_a_cell_behind_the_one_that_was_told_repeats_no_loss(world: World) -> None:
    """Its first event can be read before the other's, whose front is slow."""
    kernel = await died_with(world, "df model")
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        kernel.has("df", "model")  # by the first cell
        assert session.notes.take_untold(Stream("stdout", "x")) is None


@pytest.mark.parametrize(("saved", "unnamed"), [(0, True), (1, False)])
async def test_a_broken_off_cell_that_was_saved_has_lost_nothing(
    world: World, saved: int, unnamed: bool
) -> None:
    """Only its record was not finished."""
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")
        await sessions.store.transcripts.begin_cell("u1", "terminal", "Ann", "keep = 1", world.now)
    kernel = world.kernels.of["u1"]
    kernel.saved = saved
    kernel.events = [Restarted(AWAY, ("files",), (), as_of=saved, back=("keep",) if saved else ())]
    async with Program(world) as sessions:
        (told,) = await world.ran(sessions, "y")
        assert (told.as_of, told.unnamed) == (saved, unnamed)


async def test_an_outage_of_the_database_makes_nothing_lost_that_came_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are known only afterwards; what was made since the save is told then."""

    async def away(*_: object, **_more: object) -> None:
        raise StoreUnavailable("it is away")

    kernel = await died_with(world, "df model new")
    async with Program(world) as sessions:
        database = sessions.store.catch_up._store
        with monkeypatch.context() as patch:
            for part, names in (
                (database.sessions, ("get", "get_or_create", "set_kernel", "touch")),
                (database.transcripts, ("begin_cell", "finish_cell", "entries", "newest", "unfinished")),
            ):
                for name in names:
                    patch.setattr(type(part), name, away)
            patch.setattr(type(database.transcripts), "last_seq", away)
            kernel.events = [BACK]
            assert await world.ran(sessions, "df model") == [BACK]
        await sessions.store.catch_up.bring_in()
        kernel.events = []
        assert await world.ran(sessions, "df model") == []
        (told,) = await world.ran(sessions, "df model")
        assert (told.lost, told.as_of, told.unsaved) == (("new",), 12, ())
        assert await world.ran(sessions, "df model") == []


async def test_a_swept_session_keeps_its_variables_until_its_transcript_goes(world: World) -> None:
    """Its workspace goes first, and the cell that comes back is told both."""
    await died_with(world, "df")
    async with Program(world) as sessions:
        world.now += 49 * HOUR
        await sessions.sweep(world.now)
        assert (world.kernels.removed, world.kernels.forgotten) == (["u1", "u1.apart"], ["u1.apart"])
        kernel = world.kernels.of["u1"]
        assert kernel.saved == 12
        kernel.events = [Restarted(AWAY, ("files",), (), as_of=12, back=("df",))]
        (told,) = await world.ran(sessions, "df")
        assert told == Restarted("your session was not used for 48 hours", (), (), as_of=12, back=("df",))
        world.now += 31 * 24 * HOUR
        await sessions.sweep(world.now)
        assert "u1" in world.kernels.forgotten
        assert await sessions.store.sessions.get("u1") is None


async def test_whoever_gives_their_variables_up_loses_the_saved_ones(world: World) -> None:
    """By a reset they are forgotten with the kernel, and by a deletion with everything."""
    await died_with(world, "df")
    async with Program(world) as sessions:
        await (await sessions.session(1, "terminal")).reset()
        assert world.kernels.of["u1"].saved == 0
        assert await world.ran(sessions, "y") == [Restarted(AWAY, ("files",), ("df",))]
        await sessions.discard(1, "terminal")
        await sessions.execute_code("x", 1)
        await sessions.forget_person(1)
    assert world.kernels.forgotten == ["u1", "u1.apart"] * 2
