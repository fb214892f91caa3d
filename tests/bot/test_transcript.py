"""A long transcript is read only as far as needed, and its outputs one at a time."""

import json
import tempfile
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.compose import compose
from bot.continuity.earlier_answer import entries_before
from bot.model.view import of_record
from bot.notebooks.bundle import notebook as write_notebook
from bot.notebooks.personal_data import _Packing
from bot.notebooks.zipping import Zip
from bot.request import MODEL, Request
from bot.scheduling.jobs import Jobs
from bot.transcript import PAGE, Transcript
from config.settings import load
from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.errors import QuotaExceeded
from filestore.outputs.large import with_large_outputs
from filestore.records import CellRecord
from filestore.spool import SpooledStore, spooled
from kernels.cell.display_updates import UPDATE, Updates
from kernels.notebooks import conversion, notebook
from kernels.notebooks.cells import Code, StreamedCell

MIB = 1 << 20
SHOWN, EACH = 12, 4 * MIB  # outputs of one cell, and their characters


def now() -> datetime:
    """The present."""
    return datetime.now(UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SpooledStore]:
    """Everything that the bot puts in front of a database."""
    async with open_store(tmp_path) as raw:
        large = with_large_outputs(raw, Blobs(tmp_path / "files"), quota=1 << 30, clock=now)
        async with spooled(large, tmp_path / "spool", clock=now) as kept:
            await kept.sessions.get_or_create("u1", 1, "here", now())
            yield kept


@pytest.fixture
def transcript(store: SpooledStore) -> Transcript:
    """The transcript of the one session."""
    return Transcript(store.transcripts, "u1", now)


async def run(store: SpooledStore, *outputs: dict[str, Any], author: str = "Ada") -> CellRecord:
    """A cell that has shown this."""
    cell = await store.transcripts.begin_cell("u1", "here", author, "show()", now())
    await store.transcripts.finish_cell("u1", cell.seq, status="ok", outputs=outputs)
    return cell


def picture(number: int) -> dict[str, Any]:
    """A picture of EACH characters."""
    data = {"image/png": f"{number:02}" + "A" * (EACH - 2), "text/plain": "<Figure>"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


async def test_a_notebook_and_an_export_hold_one_output_at_a_time(
    store: SpooledStore, transcript: Transcript, tmp_path: Path
) -> None:
    """Whatever cells show, they need a few times the memory of the largest output; nothing is missing."""
    await run(store, *map(picture, range(SHOWN)))
    tracemalloc.start()
    try:
        with tempfile.TemporaryFile() as file:
            await conversion.write(transcript.notebook_cells(), file)
            of_notebook = tracemalloc.get_traced_memory()[1]
            file.seek(0)
            tracemalloc.stop()
            written = notebook.read(file.read(), limit=SHOWN * EACH * 2)
        tracemalloc.start()
        jobs = Jobs()
        with (
            (tmp_path / "out.zip").open("w+b") as output,
            Zip(output, jobs) as archive,
            tempfile.TemporaryFile() as file,
        ):
            await _Packing(archive, jobs, None).write_transcript(transcript, file)
            of_export = tracemalloc.get_traced_memory()[1]
            file.seek(0)
            (exported,) = json.load(file)
        jobs.close()
    finally:
        tracemalloc.stop()
    (cell,) = written.cells
    assert isinstance(cell, notebook.Code)
    assert [output["data"]["image/png"][:2] for output in cell.outputs] == [f"{n:02}" for n in range(SHOWN)]
    assert len(exported["outputs"]) == SHOWN
    assert "outside" not in exported
    assert of_notebook < SHOWN * EACH / 2
    assert of_export < SHOWN * EACH / 2


async def test_the_newest_pages_are_read_until_nobody_wants_more(
    store: SpooledStore, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one of four pages is read, and an earlier answer is read only as far back as its question."""
    read: list[int | None] = []
    newest = store.transcripts.newest

    async def counted(*args: Any, before: int | None = None, **more: Any) -> Any:
        read.append(before)
        return await newest(*args, before=before, **more)

    for number in range(4 * PAGE):
        await transcript.say("here", "Ada", f"words {number}")
    asked = await transcript.say("here", "Ada", "show it")
    first = await run(store, picture(1), author=MODEL)
    last = await run(store, author=MODEL)
    monkeypatch.setattr(store.transcripts, "newest", counted)
    async for page in transcript.newest("here"):
        assert len(page) == PAGE
        break
    assert read == [None]
    told = await entries_before(transcript, last, first.seq)
    assert read == [None, last.seq]
    assert [entry.seq for entry in told] == [first.seq] != [asked.seq]
    assert isinstance(told[0], CellRecord)
    assert told[0].outputs == (picture(1),)


async def test_outputs_count_in_the_quota_and_what_has_no_room_is_told(tmp_path: Path) -> None:
    """Six cells do not exceed it; once files fill it, an answer says that only a summary is recorded."""
    quota = MIB
    settings = load(data=tmp_path / "data", node="none", preload="none", quota=quota)
    async with compose(settings) as sessions:
        for _ in range(6):
            result = await sessions.execute_code("print('x' * 300_000)", 1)
            assert result.unrecorded == ""
            assert await sessions.files.used(1) <= quota
        await sessions.upload("large.bin", b"x" * (quota - 100_000), 1)
        result = await sessions.execute_code("print('head' + 'x' * 300_000)", 1)
        assert result.output.startswith("head")
        assert result.unrecorded.startswith("Recorded in short: your quota has no room for this output")
        session = await sessions.session(1, "terminal")
        with tempfile.TemporaryFile() as file:
            await write_notebook(session, file)
            file.seek(0)
            shown = [
                cell.outputs for cell in notebook.read(file.read()).cells if isinstance(cell, notebook.Code)
            ]
        assert "made room" in shown[0][-1]["text"]
        assert "no room" in shown[-1][-1]["text"]
        code = Request(1, "Ada", "terminal", "#" * 300_000, can_answer=False)
        with pytest.raises(QuotaExceeded):
            await session.transcript.begin(code)


async def test_large_displays_are_as_later_cells_have_updated_them(
    store: SpooledStore, transcript: Transcript
) -> None:
    """Whether the display or its update is stored outside its record; what is between them is unchanged."""

    def shown(data: str, name: str, kind: str = "display_data") -> dict[str, Any]:
        transient = {"display_id": name}
        return {"output_type": kind, "data": {"text/plain": data}, "metadata": {}, "transient": transient}

    large = "x" * 40_000
    await run(store, shown(large, "one"), shown("small", "two"), shown("same", "three"))
    await run(store, shown("between", "one more"))
    await run(store, {"output_type": "stream", "name": "stdout", "text": large})
    await run(store, shown("new", "one", "update_display_data"), shown(large, "two", "update_display_data"))
    with tempfile.TemporaryFile() as file:
        await conversion.write(transcript.notebook_cells(), file)
        file.seek(0)
        cells = notebook.read(file.read()).cells
    texts = [
        [output["data"]["text/plain"] for output in cell.outputs if "data" in output]
        for cell in cells
        if isinstance(cell, notebook.Code)
    ]
    assert texts == [["new", large, "same"], ["between"], [], []]
    for entry in await transcript.entries():
        assert not isinstance(entry, CellRecord) or len(of_record(entry)) < 3000


@pytest.mark.parametrize("large", [False, True])
async def test_what_comes_late_while_a_notebook_is_made_moves_no_update(
    store: SpooledStore, transcript: Transcript, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """It is added to its own cell, an earlier one, between the two passes over the transcript."""

    def display(text: str, kind: str = "display_data") -> dict[str, Any]:
        data = {"text/plain": text + "x" * large * 2 * MIB}
        return {"output_type": kind, "data": data, "metadata": {}, "transient": {"display_id": "d"}}

    text = {"output_type": "stream", "name": "stdout", "text": "a"}
    first = await run(store, text)
    shown = await run(store, display("old"))
    await run(store, display("new", UPDATE))
    gone_over = transcript._updates

    async def then_late(*, undone: bool = True) -> Updates:
        updates = await gone_over(undone=undone)
        await store.transcripts.append_outputs("u1", first.seq, [text, text], file_ids=())
        return updates

    monkeypatch.setattr(transcript, "_updates", then_late)
    cells = [cell async for cell in transcript.notebook_cells()]
    cell = cells[1]
    assert isinstance(cell, StreamedCell if large else Code)
    outputs = [one async for one in cell.outputs] if isinstance(cell, StreamedCell) else cell.outputs  # type: ignore[union-attr]
    assert [one["data"]["text/plain"][:3] for one in outputs] == ["new"]
    (again,) = await transcript.displaying({"d"}, before=shown.seq + 1)
    assert [one["data"]["text/plain"][:3] for one in again.outputs] == ["new"]
