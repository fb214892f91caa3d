"""The model takes back cells of its own answer, and is told of cells that were undone before."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.client import Model
from bot.model.conversation import ChatMessage
from bot.model.history import History
from bot.reply import Reply
from bot.request import MODEL, Request
from bot.sessions import Sessions
from filestore.records import CellRecord, Said
from tests.bot.worlds import NOW, Program, World
from tests.model_server import Call, ModelServer, calls, run_python, says


@pytest.fixture
async def model(server: ModelServer) -> AsyncIterator[Model]:
    """A model behind the server."""
    model = Model("key", server.base_url, "gpt-5.4", "responses", rounds=9, history_tokens=9000)
    yield model
    await model.close()


async def asked(sessions: Sessions, words: str = "do it") -> tuple[str, list[int]]:
    """What a person was told by an answer, and the cells that are undone then."""
    told: list[Reply] = []

    async def tell(reply: Reply) -> None:
        told.append(reply)

    await sessions.ask(Request(1, "Ann", "terminal", words=words), tell)
    session = await sessions.session(1, "terminal")
    entries = await session.transcript.entries()
    undone = [entry.seq for entry in entries if isinstance(entry, CellRecord) and entry.undone]
    return "".join(reply.words for reply in told), undone


@pytest.mark.parametrize("given", ['"1"', "1"])
async def test_the_model_takes_back_its_own_cell(
    tmp_path: Path, server: ModelServer, model: Model, given: str
) -> None:
    """The person reads what has changed, and so does the model, with the variables that are left."""
    world = World(tmp_path)
    world.kernels.of["u1"].saving = True
    server.will(
        calls(run_python("a spoilt")), calls(Call("undo", f'{{"cells": {given}}}')), says("Sorry about that.")
    )
    async with Program(world, model=model) as sessions:
        await world.ran(sessions, "a")
        words, undone = await asked(sessions)
        assert undone == [3]
        assert "*Undone: cell 3. `spoilt` is gone.*" in words
        assert words.endswith("Sorry about that.")
        told = server.requests[2].text
        assert "`spoilt` is gone" in told
        assert "- a: int" in told.partition("`spoilt` is gone")[2]


async def test_it_takes_back_nothing_of_others(tmp_path: Path, server: ModelServer, model: Model) -> None:
    """It is told so, and may go on."""
    world = World(tmp_path)
    world.kernels.of["u1"].saving = True
    server.will(
        calls(Call("undo", '{"cells": "1"}')), calls(Call("undo", '{"cells": "none"}')), says("As you were.")
    )
    async with Program(world, model=model) as sessions:
        await world.ran(sessions, "a")
        assert await asked(sessions) == ("As you were.", [])
        assert "Only cells of this answer" in server.requests[1].text
        assert "a number from 1 on" in server.requests[2].text


async def test_where_nothing_is_saved_it_is_not_offered(
    tmp_path: Path, server: ModelServer, model: Model
) -> None:
    """The model need not try."""
    world = World(tmp_path)
    for saved in (True, False):
        server.will(says("Hello."))
        async with Program(world, model=model, saved=saved) as sessions:
            await asked(sessions)
        names = [tool["name"] for tool in server.requests[-1].body["tools"]]
        assert ("undo" in names) == saved


def test_undone_cells_are_one_note_in_the_history() -> None:
    """After what was said with them, and before the next cell."""

    def cell(seq: int, *, undone: bool = False) -> CellRecord:
        return CellRecord("u1", seq, "here", MODEL, f"x = {seq}", (), "ok", NOW, undone=undone)

    def said(seq: int, author: str, words: str) -> Said:
        return Said("u1", seq, "here", author, words, NOW)

    entries = [
        said(1, "Ann", "first"),
        cell(2),
        said(3, "Ann", "second"),
        cell(4, undone=True),
        cell(5, undone=True),
        said(6, MODEL, "done"),
        cell(7),
        said(8, "Ann", "third"),
        cell(9, undone=True),
    ]
    history = History(model="gpt-5.4", room=9000)
    assert history.add_page(entries[:4:-1])
    assert history.add_page(entries[4::-1])
    told = [item.text for item in history.entries() if isinstance(item, ChatMessage)]
    assert told == ["first", "second", "done", "Cells 4 and 5 were undone.", "third", "Cell 9 was undone."]
    assert "x = 4" not in str(history.entries())
