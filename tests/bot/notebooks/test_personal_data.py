"""What a person can export, and that nothing of theirs is left once they are forgotten."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from bot.notebooks.personal_data import export
from bot.sessions import Sessions
from filestore.errors import NoSuchFile
from filestore.records import EPOCH, MessageCell, UsageRecord, UsageTotal


async def lived(sessions: Sessions, user_id: int) -> str:
    """Let a person say, run, make, share and use something; return the id of the file that they made."""
    await sessions.upload("data.csv", b"a\n1\n", user_id)
    await sessions.upload("data.csv", b"a\n2\n", user_id)
    ran = await sessions.execute_code("open('made.txt', 'w').write('by me')\nprint('hello')", user_id)
    session = await sessions.session(user_id, "terminal")
    await session.transcript.say("terminal", "Ada", "What is **this**?")
    store, session_id = sessions.store, session.record.session_id
    await store.usage.add(UsageRecord(user_id, datetime.now(UTC), "m", 10, 5, 0.25, 1.5))
    await store.message_cells.set(MessageCell(1000 + user_id, session_id, ran.cell))
    return ran.generated_files[0].file_id


def opened(data: bytes) -> zipfile.ZipFile:
    """The zip, which must be intact."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


@pytest.mark.parametrize("saves", [True, False])
async def test_an_export_says_that_variables_are_saved_and_reads_none(
    sessions: Sessions, *, saves: bool
) -> None:
    """They are pickles, which only their person's kernel may read."""
    with await export(sessions, 1, saves=saves) as file:
        archive = opened(file.read())
    assert ("your variables, which are saved" in archive.read("README.md").decode()) == saves
    assert sorted(archive.namelist()) == ["README.md", "files.json", "usage.json"]


@pytest.mark.timeout(120)
async def test_export_has_all_of_a_person_and_nothing_of_others(sessions: Sessions) -> None:
    """Files with their bytes and ids, transcripts that open in Jupyter, usage; of person 1 only."""
    file_id = await lived(sessions, 1)
    other = await lived(sessions, 2)
    await sessions.files.share(file_id, 1, 2)
    with await export(sessions, 1) as file:
        data = file.read()
    archive = opened(data)
    contents = {name: archive.read(name) for name in archive.namelist()}
    assert {contents[name] for name in contents if name.startswith("files/")} == {
        b"a\n1\n",
        b"a\n2\n",
        b"by me",
    }
    index = {row["file_id"]: row for row in json.loads(contents["files.json"])}
    assert index[file_id]["shared_with"] == [2]
    assert other not in index
    notebook = nbformat.reads(contents["sessions/u1/notebook.ipynb"].decode(), as_version=4)
    assert [cell.cell_type for cell in notebook.cells] == ["code", "markdown"]
    transcript = json.loads(contents["sessions/u1/transcript.json"])
    assert transcript[1]["markdown"] == "What is **this**?"
    assert json.loads(contents["sessions/u1/session.json"])["place"] == "terminal"
    assert json.loads(contents["usage.json"])["input_tokens"] == 10
    assert not any("u2" in name.split("/") for name in contents)  # an id has any letters


@pytest.mark.timeout(120)
async def test_export_below_a_limit_names_what_it_leaves_out(sessions: Sessions) -> None:
    """The large file is named with its id, the small ones and the transcript are there, and the zip fits."""
    await lived(sessions, 1)
    big = await sessions.upload("big.bin", bytes(range(256)) * 4000, 1)
    limit = 200_000
    with await export(sessions, 1, limit=limit) as file:
        data = file.read()
    assert len(data) <= limit
    archive = opened(data)
    assert f"big.bin (1000 KB, id {big.file_id})" in archive.read("README.md").decode()
    assert "files/made.txt" in archive.namelist()
    assert "files/big.bin" not in archive.namelist()


@pytest.mark.timeout(120)
async def test_transcript_that_does_not_fit_is_left_out_and_named(sessions: Sessions) -> None:
    """A note takes its place; everything else is still included."""
    noise = "import random\nopen('a.txt', 'w').write('a')\nprint(random.Random(1).randbytes(200_000).hex())"
    await sessions.execute_code(noise, 1)
    with await export(sessions, 1, limit=150_000) as file:
        data = file.read()
    assert len(data) <= 150_000
    archive = opened(data)
    readme = archive.read("README.md").decode()
    for document in ("transcript.json", "notebook.ipynb"):
        assert f"sessions/u1/{document} (" in readme
        assert f"sessions/u1/{document}" not in archive.namelist()
    assert archive.read("files/a.txt") == b"a"


@pytest.mark.timeout(120)
async def test_a_person_who_is_forgotten_has_left_nothing(sessions: Sessions, tmp_path: Path) -> None:
    """No session, entry, file, byte, share, usage, message or workspace; the other person has theirs."""
    file_id, other = await lived(sessions, 1), await lived(sessions, 2)
    await sessions.files.share(other, 2, 1)
    await sessions.files.share(file_id, 1, 2)
    await sessions.forget_person(1)
    store = sessions.store
    assert await store.sessions.of_user(1) == []
    assert await store.transcripts.entries("u1") == []
    assert (await sessions.list_user_files(1)).files == ()
    assert await store.usage.total(1, EPOCH) == UsageTotal()
    assert await store.message_cells.get(1001) is None
    assert await store.shares.people(other) == ()
    for reader in (1, 2):
        with pytest.raises(NoSuchFile):
            await sessions.load_file(file_id, reader)
    data = tmp_path / "data"
    assert [folder.name for folder in (data / "workspaces").iterdir()] == ["u2"]
    kept = [path.read_bytes() for path in (data / "files").glob("*/*") if path.is_file()]
    assert sorted(kept) == [b"a\n1\n", b"a\n2\n", b"by me"]
    assert await store.message_cells.get(1002) is not None
    with await export(sessions, 1) as file:
        assert json.loads(opened(file.read()).read("files.json")) == []
