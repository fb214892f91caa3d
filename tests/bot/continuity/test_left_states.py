"""What was saved before saving was switched off does not outlive its session."""

from datetime import timedelta
from pathlib import Path

from bot.continuity.left_states import LeftStates
from kernels.state.manifest import Meta
from kernels.state.store import StateStore
from tests.bot.worlds import Program, World


def saved(folder: Path, *session_ids: str) -> StateStore:
    """A store with a save of each session."""
    store = StateStore(folder, quota=1 << 20)
    for session_id in session_ids:
        with store.session(session_id).writing() as writing:
            writing.commit(1, [], Meta.from_json({}))
    return store


async def test_saves_go_with_their_session(tmp_path: Path) -> None:
    """By a deletion or when the transcript goes, and not before; other people's stay."""
    world, folder = World(tmp_path), tmp_path / "states"
    store = saved(folder, "u1", "u2", "u3")
    async with Program(world, left_states=LeftStates(folder)) as sessions:
        await sessions.execute_code("x", 1)
        await sessions.execute_code("x", 2)
        await sessions.forget_person(1)
        assert [store.session(one).newest() is None for one in ("u1", "u2", "u3")] == [True, False, False]
        world.now += timedelta(days=3)
        await sessions.sweep(world.now)
        assert store.session("u2").newest() is not None
        world.now += timedelta(days=30)
        await sessions.sweep(world.now)
        assert [store.session(one).newest() is None for one in ("u2", "u3")] == [True, False]


async def test_saves_go_when_their_session_starts_anew(tmp_path: Path) -> None:
    """Or they would come back once saving is switched on again, although they were given up."""
    store = saved(tmp_path / "states", "u1", "u2")
    async with Program(World(tmp_path), left_states=LeftStates(tmp_path / "states")) as sessions:
        session = await sessions.session(1, "here")
        await session.reset()
        assert [store.session(one).newest() is None for one in ("u1", "u2")] == [True, False]


async def test_where_nothing_was_saved_nothing_is_made(tmp_path: Path) -> None:
    """Saving may never have been switched on."""
    await LeftStates(tmp_path / "states").forget("u1")
    await LeftStates().forget("u1")
    assert not (tmp_path / "states").exists()
