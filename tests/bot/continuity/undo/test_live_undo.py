"""Variables and files of real kernels go back, and forward again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.compose import compose
from bot.errors import UndoRefused
from bot.sessions import Sessions
from config.settings import load

pytestmark = pytest.mark.timeout(120)

FIRST = "import pathlib; p = pathlib.Path('plot.txt'); n = [1]; k = p.write_text('one')"
SECOND = "n.append(2); m = 5; k = p.write_text('two'); pathlib.Path('new.txt').write_text('new')"
SHOW = "print(n, 'm' in globals(), p.read_text(), *sorted(p.parent.glob('*.txt')))"


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    """Sessions whose variables are saved."""
    settings = load(data=tmp_path / "data", node="none", preload="none", sandbox="none", state="on")
    async with compose(settings) as sessions:
        yield sessions


async def shown(sessions: Sessions, code: str = SHOW) -> str:
    """What a cell prints."""
    result = await sessions.execute_code(code, 1)
    assert result.success, result.output
    return result.output.strip()


async def test_variables_and_files_go_back_and_forward_again(sessions: Sessions) -> None:
    """And the next cell sees them; a checkpoint is where it was, too."""
    await shown(sessions, FIRST)
    session = await sessions.session(1, "terminal")
    await session.checkpoint("start")
    await shown(sessions, SECOND)
    told = await session.undo()
    assert (told.as_of, told.cells, told.left) == (1, (2,), ())
    assert {one.name: bool(one.now) for one in told.changed} == {"n": True, "m": False}
    assert {one.name: (one.cell, one.gone) for one in told.files} == {
        "plot.txt": (1, False),
        "new.txt": (0, True),
    }
    assert "n" in [one.name for one in session.kernel.variables]
    told = await session.redo()
    assert (told.as_of, told.again) == (2, (2,))
    assert await shown(sessions) == "[1, 2] True two new.txt plot.txt"
    told = await session.undo(2)
    assert (told.as_of, told.cells) == (1, (2, 3))
    assert await shown(sessions) == "[1] False one plot.txt"
    with pytest.raises(UndoRefused):
        await session.redo()
    await shown(sessions, SECOND)
    told = await session.restore("start")
    assert (told.as_of, told.cells, told.again) == (1, (4, 5), ())
    assert await shown(sessions) == "[1] False one plot.txt"
    told = await session.undo(9)
    assert [one.name for one in told.files] == ["plot.txt"]
    assert await shown(sessions, "print(*__import__('pathlib').Path().iterdir())") == ""
    told = await session.undo()
    assert told.as_of == 0
    assert session.kernel.variables == ()
    with pytest.raises(UndoRefused):
        await session.undo()
