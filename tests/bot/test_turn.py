"""A turn through real sessions and kernels: what is recorded, kept and shown, whatever goes wrong."""

import asyncio
import errno
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.compose import compose
from bot.continuity.resumed_turns import ResumedTurns
from bot.errors import NothingRuns
from bot.reply import Reply
from bot.session import StoppedWork
from bot.sessions import Sessions
from bot.wording.error_messages import clause
from config.settings import load
from filestore.errors import NoSuchFile, NotRecordedYet, QuotaExceeded, SpoolFull, StoreFull, StoreUnavailable
from filestore.records import CellRecord
from filestore.spool.transcripts import SHORT
from kernels.cell.events import Queued, Stream
from kernels.errors import KernelStartFailed
from tests.bot.replies import LateAnswers
from tests.conftest import KERNEL_PYTHON
from tests.filestore.faults import full
from tests.live.cells import until


async def cells(sessions: Sessions, user_id: int = 1) -> list[CellRecord]:
    """The cells of a person's transcript."""
    session = await sessions.session(user_id, "terminal")
    return [entry for entry in await session.transcript.entries() if isinstance(entry, CellRecord)]


async def test_a_result_has_the_fields_that_callers_build_on(sessions: Sessions) -> None:
    """Output, error, return code, and files whose bytes are read on demand."""
    result = await sessions.execute_code("open('a.txt', 'w').write('abc'); print('hi')", 1)
    assert (result.success, result.output, result.error, result.return_code) == (True, "hi\n", None, 0)
    (file,) = result.generated_files
    assert (file.filename, file.type, file.size) == ("a.txt", "text", 3)
    assert await file.data() == b"abc"
    assert result.generated_file_ids == (file.file_id,)
    assert result.execution_time > 0


async def test_a_cell_is_recorded_with_its_outputs_and_files(sessions: Sessions) -> None:
    """The transcript has code, author, status, outputs as a notebook has them, and the ids of the files."""
    code = "open('a.txt', 'w').write('abc'); print('hi'); 6 * 7"
    result = await sessions.execute_code(code, 1, author="Ada")
    (cell,) = await cells(sessions)
    assert (cell.code, cell.author, cell.status, cell.execution_count) == (code, "Ada", "ok", 1)
    assert cell.outputs == result.outputs
    assert cell.outputs[0] == {"output_type": "stream", "name": "stdout", "text": "hi\n"}
    assert cell.file_ids == result.generated_file_ids


async def test_a_reply_of_a_running_cell_has_what_the_cell_has_shown(sessions: Sessions) -> None:
    """Already folded by the cell, so that no front has to do it again; late output comes without it."""
    shown: list[tuple[dict[str, Any], ...]] = []

    async def tell(reply: Reply) -> None:
        if isinstance(reply.event, Stream):
            assert reply.outputs is not None
            shown.append(reply.outputs(None))

    code = "import time\nfor n in range(3): print(n, end='\\r', flush=True); time.sleep(0.1)\nprint('done')"
    result = await sessions.execute_code(code, 1, tell=tell)
    assert shown[-1] == result.outputs
    assert all(len(outputs) == 1 for outputs in shown)
    assert len(shown) > 1


async def test_the_record_is_begun_before_the_code_runs(sessions: Sessions) -> None:
    """While the cell runs its record is there, as running."""
    begun = asyncio.Event()

    async def tell(reply: Reply) -> None:
        if isinstance(reply.event, Stream):
            begun.set()

    turn = asyncio.create_task(
        sessions.execute_code("print('begun', flush=True); import time; time.sleep(600)", 1, tell=tell)
    )
    await begun.wait()
    assert [cell.status for cell in await cells(sessions)] == ["running"]
    await (await sessions.session(1, "terminal")).stop()
    assert (await turn).status == "interrupted"


async def test_stop_ends_the_cell_that_runs_and_none_that_waits_for_it(sessions: Sessions) -> None:
    """Wherever the two were sent: the cell that waits runs next."""
    begun, waits = asyncio.Event(), asyncio.Event()

    async def tell(reply: Reply) -> None:
        if isinstance(reply.event, Stream):
            begun.set()
        elif isinstance(reply.event, Queued):
            waits.set()

    code = "print('begun', flush=True); import time; time.sleep(600)"
    first = asyncio.create_task(sessions.execute_code(code, 1, place="there", tell=tell))
    await begun.wait()
    second = asyncio.create_task(sessions.execute_code("6 * 7", 1, place="here", tell=tell))
    await waits.wait()
    assert await (await sessions.session(1, "here")).stop("here") == StoppedWork(False, code, "there")
    assert (await first).status == "interrupted"
    assert (await second).output == "42\n"


async def test_a_cancelled_turn_is_recorded_and_its_kernel_works_on(sessions: Sessions) -> None:
    """A front that gives up midway stops the cell: its end is recorded, and nothing is lost or left over."""
    begun = asyncio.Event()

    async def tell(reply: Reply) -> None:
        if isinstance(reply.event, Stream):
            begun.set()

    process = (await sessions.execute_code("x = 5; import os; os.getpid()", 1)).output
    session = await sessions.session(1, "terminal")
    before = asyncio.all_tasks()
    code = "y = 6; open('half.txt', 'w').write('x'); print(1, flush=True); import time; time.sleep(600)"
    turn = asyncio.create_task(sessions.execute_code(code, 1, tell=tell))
    await begun.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert not session.busy
    with pytest.raises(NothingRuns):
        await session.stop()
    assert await session.transcript.unfinished() == []
    _, ended = await cells(sessions)
    (file,) = (await sessions.list_user_files(1)).files
    assert (ended.status, ended.execution_count) == ("interrupted", 2)
    assert (file.filename, ended.file_ids) == ("half.txt", (file.file_id,))
    assert ended.execution_time is not None
    assert ended.outputs[0] == {"output_type": "stream", "name": "stdout", "text": "1\n"}
    await until(lambda: asyncio.all_tasks() <= before)
    after = await sessions.execute_code("print((x, y)); os.getpid()", 1)
    assert after.output == f"(5, 6)\n{process}"
    assert (after.status, after.execution_count, after.generated_files) == ("ok", 3, ())


async def test_a_turn_that_is_cancelled_while_its_record_is_begun_never_runs(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the database still does with the record, the record gets an end, and no task is left.

    The code is long enough to be refused, so it runs only once it is recorded.
    """
    begins, goes_on = asyncio.Event(), asyncio.Event()
    begin_cell = sessions.store.transcripts.begin_cell

    async def begin_later(*given: Any) -> CellRecord:
        begun = await begin_cell(*given)
        begins.set()
        await goes_on.wait()
        return begun

    await sessions.execute_code("ran = False", 1)
    code = f"ran = True  # {'long ' * SHORT}"
    before = asyncio.all_tasks()
    with monkeypatch.context() as patch:
        patch.setattr(sessions.store.transcripts, "begin_cell", begin_later)
        turn = asyncio.create_task(sessions.execute_code(code, 1))
        await begins.wait()
        turn.cancel()
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await turn
    assert [cell.status for cell in await cells(sessions)] == ["ok", "interrupted"]
    await until(lambda: asyncio.all_tasks() <= before)
    assert (await sessions.execute_code("ran", 1)).output == "False\n"


async def test_a_turn_that_is_cancelled_while_its_end_is_recorded_is_recorded(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A front that gives up this late, or twice, waits for the files and the record; nothing is left over."""
    ends, goes_on = asyncio.Event(), asyncio.Event()
    add = sessions.store.files.add

    async def add_later(*given: Any, **more: Any) -> Any:
        ends.set()
        await goes_on.wait()
        return await add(*given, **more)

    await sessions.execute_code("x = 5", 1)
    before = asyncio.all_tasks()
    monkeypatch.setattr(sessions.store.files, "add", add_later)
    turn = asyncio.create_task(sessions.execute_code("open('a.txt', 'w').write('x' * x)", 1))
    await ends.wait()
    for _ in range(3):
        turn.cancel()
        await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await turn
    _, ended = await cells(sessions)
    (file,) = (await sessions.list_user_files(1)).files
    assert (ended.status, ended.file_ids, file.file_size) == ("ok", (file.file_id,), 5)
    await until(lambda: asyncio.all_tasks() <= before)
    assert (await sessions.execute_code("x", 1)).output == "5\n"


async def test_a_turn_that_is_cancelled_while_it_waits_never_runs(sessions: Sessions) -> None:
    """The cell ahead of it runs to its own end; both ends are recorded, and no task is left."""
    begun, waits = asyncio.Event(), asyncio.Event()

    async def first_tells(reply: Reply) -> None:
        if isinstance(reply.event, Stream):
            begun.set()

    async def second_tells(reply: Reply) -> None:
        if isinstance(reply.event, Queued):
            waits.set()

    await sessions.execute_code("ran = []", 1)
    session = await sessions.session(1, "terminal")
    before = asyncio.all_tasks()
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(.01)"
    code = f"print(1, flush=True)\n{wait}\nran.append(1)"
    first = asyncio.create_task(sessions.execute_code(code, 1, tell=first_tells))
    await begun.wait()
    second = asyncio.create_task(sessions.execute_code("ran.append(2)", 1, tell=second_tells))
    await waits.wait()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert [cell.status for cell in await cells(sessions)] == ["ok", "running", "interrupted"]
    (session.kernel.workspace.path / "go").touch()
    assert (await first).success
    assert [cell.status for cell in await cells(sessions)] == ["ok", "ok", "interrupted"]
    await until(lambda: asyncio.all_tasks() <= before)
    assert (await sessions.execute_code("ran", 1)).output == "[1]\n"


async def test_a_tell_that_fails_does_not_lose_the_cell(sessions: Sessions) -> None:
    """The front's exception is passed on once the cell has been stopped and recorded."""

    async def tell(reply: Reply) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await sessions.execute_code("print('x')", 1, tell=tell)
    assert len(await cells(sessions)) == 1
    assert (await cells(sessions))[0].status != "running"
    assert (await sessions.execute_code("1 + 1", 1)).output == "2\n"


async def test_code_does_not_run_when_its_record_cannot_be_begun(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the database away and the spool full, the person is told and the code does not run."""
    await sessions.execute_code("ran = False", 1)

    async def unavailable(*_: Any) -> None:
        raise SpoolFull("away")

    with monkeypatch.context() as patch:
        patch.setattr(type(sessions.store.transcripts), "begin_cell", unavailable)
        with pytest.raises(SpoolFull):
            await sessions.execute_code("ran = True", 1)
    assert (await sessions.execute_code("ran", 1)).output == "False\n"


async def test_a_result_arrives_although_it_cannot_be_recorded(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database fails after the run, record and files are lost, each named, but not the result."""

    async def unavailable(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(sessions.store.transcripts), "finish_cell", unavailable)
    monkeypatch.setattr(type(sessions.store.files), "add", unavailable)
    result = await sessions.execute_code("open('a.txt', 'w').write('x'); 6 * 7", 1)
    assert result.output == "42\n"
    assert [one.name for one in result.skipped] == ["a.txt"]
    assert "the database cannot be reached" in result.skipped[0].reason
    assert "Not recorded: the database cannot be reached" in result.unrecorded


async def test_cells_run_while_the_disk_is_full_and_are_recorded_when_there_is_room(
    sessions: Sessions,
) -> None:
    """Cells begin and end in the outage: each answer says that it is not recorded yet, and nothing is lost.

    A file gets its id as soon as the database can record it, and is offered then.
    """
    told: list[Reply] = []
    sessions.front = LateAnswers(told)
    await sessions.execute_code("x = 6", 1)
    async with full():
        first = await sessions.execute_code("open('a.txt', 'w').write('abc'); print(x * 7)", 1)
        second = await sessions.execute_code("import os; os.remove('a.txt')", 1)
        newcomer = await sessions.execute_code("1 / 0", 2)
        assert (first.output, first.generated_files) == ("42\n", ())
        assert [(one.name, one.reason) for one in first.skipped] == [("a.txt", clause(NotRecordedYet("x")))]
        for result in (first, second, newcomer):
            assert "Not recorded yet: the disk is full" in result.unrecorded
        assert [cell.status for cell in await cells(sessions)] == ["ok", "ok", "ok"]
    await until(lambda: len(told) > 0)
    (file,) = told[0].files
    assert (told[0].cell, told[0].late, file.filename) == (first.cell, True, "a.txt")
    assert await file.data() == b"abc"
    recorded = [
        entry
        for entry in await sessions.store.transcripts._store.transcripts.entries("u1")
        if isinstance(entry, CellRecord)
    ]
    assert [cell.seq for cell in recorded] == [1, first.cell, second.cell]
    assert recorded[1].outputs == first.outputs
    assert recorded[1].file_ids == (file.file_id,)
    assert (await cells(sessions, 2))[0].status == "error"
    assert (await sessions.execute_code("x", 1)).unrecorded == ""


async def test_a_file_for_which_the_disk_has_no_room_is_tried_again(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reported only once; with the first cell after there is room it gets its id, unless it is gone."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write = "for name in ('a.txt', 'b.txt', 'c.txt'):\n    open(name, 'w').write('old')"
    with monkeypatch.context() as patch:
        patch.setattr("filestore.blobs.copying.os.fsync", fail)
        refused = await sessions.execute_code(write, 1)
        assert {one.name for one in refused.skipped} == {"a.txt", "b.txt", "c.txt"}
        assert all("disk is full; it is tried again" in one.reason for one in refused.skipped)
        assert (await sessions.execute_code("1", 1)).skipped == ()
        with pytest.raises(StoreFull):
            await sessions.upload("mine.txt", b"1", 1)
    after = await sessions.execute_code("import os; os.remove('b.txt'); open('c.txt', 'w').write('new')", 1)
    assert {file.filename: await file.data() for file in after.generated_files} == {
        "a.txt": b"old",
        "c.txt": b"new",
    }
    assert (await sessions.execute_code("1", 1)).generated_files == ()


async def test_a_workspace_without_room_is_told_as_a_full_disk(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an upload, which is not stored either, and for a stored file that a cell should find there."""

    async def fail(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    session = await sessions.session(1, "terminal")
    stored = await sessions.upload("before.txt", b"1", 1)
    monkeypatch.setattr(session.kernel, "place", fail)
    with pytest.raises(StoreFull):
        await sessions.upload("mine.txt", b"1", 1)
    assert (await sessions.list_user_files(1)).files == (stored,)
    with pytest.raises(StoreFull):
        await sessions.execute_code("1", 1, [stored.file_id])


async def test_a_session_is_opened_while_nothing_can_be_read(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who comes for the first time in an outage can work, and keeps all of it afterwards."""

    async def unavailable(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    raw = sessions.store.transcripts._store
    with monkeypatch.context() as patch:
        for verbs in (raw.transcripts, raw.sessions):
            for name in [name for name in vars(type(verbs)) if not name.startswith("_")]:
                patch.setattr(verbs, name, unavailable)
        result = await sessions.execute_code("6 * 7", 1)
        assert (result.output, "cannot be reached" in result.unrecorded) == ("42\n", True)
    await until(lambda: sessions.store.transcripts.waiting("u1") is None)
    assert [cell.outputs for cell in await cells(sessions)] == [result.outputs]


async def test_a_crash_in_an_outage_is_mended_by_the_next_program(tmp_path: Path) -> None:
    """After the waiting writes, the cell that was running is recorded as died, and its file is reported."""
    settings = load(data=tmp_path / "data", node="none", preload="none")
    async with compose(settings) as sessions:
        await sessions.execute_code("1", 1)
        await asyncio.sleep(0.05)  # a file system's clock ticks up to 100 times a second
        async with full():
            ran = await sessions.execute_code("print('in the outage')", 1)
            session = await sessions.session(1, "terminal")
            begun = await sessions.store.transcripts.begin_cell(
                "u1", "terminal", "1", "...", datetime.now(UTC)
            )
            (session.kernel.workspace.path / "half.csv").write_text("a,b\n")
            await sessions.release_all()
            await sessions.store.transcripts._spool.save()
            shutil.copytree(tmp_path / "data" / "spool", tmp_path / "spool")
    shutil.rmtree(tmp_path / "data" / "spool")
    (tmp_path / "spool").rename(tmp_path / "data" / "spool")  # as the crash left it
    async with compose(settings) as sessions:
        told: list[Reply] = []
        sessions.front = LateAnswers(told)
        found = await cells(sessions)
        assert [(cell.seq, cell.status) for cell in found] == [
            (1, "ok"),
            (ran.cell, "ok"),
            (begun.seq, "died"),
        ]
        assert found[1].outputs == ran.outputs
        assert [file.filename for reply in told for file in reply.files] == ["half.csv"]


async def test_a_kernel_that_cannot_start_is_an_error_and_the_session_recovers(tmp_path: Path) -> None:
    """The failure is raised with the kernel's log; the record does not stay "running"."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {KERNEL_PYTHON} "$@"\n')
    python.chmod(0o755)
    settings = load(data=tmp_path / "data", kernel_python=python, sandbox="none", node="none")
    async with compose(settings) as sessions:
        python.write_text("#!/bin/sh\nexit 1\n")
        with pytest.raises(KernelStartFailed):
            await sessions.execute_code("1", 1)
        assert [cell.status for cell in await cells(sessions)] == ["interrupted"]


async def test_a_foreign_file_is_refused_before_anything_is_placed(sessions: Sessions) -> None:
    """With one file that is not theirs, none of `user_files` is placed, and the code does not run."""
    mine = await sessions.upload("mine.txt", b"1", 1)
    theirs = await sessions.upload("theirs.txt", b"2", 2)
    await sessions.execute_code("import os; os.remove('mine.txt')", 1)
    with pytest.raises(NoSuchFile):
        await sessions.execute_code("1", 1, [mine.file_id, theirs.file_id])
    assert (await sessions.execute_code("import glob; glob.glob('*')", 1)).output == "[]\n"


async def test_two_uploads_of_one_name_are_both_kept(sessions: Sessions) -> None:
    """The second is the next version with an id of its own; the first still loads."""
    first = await sessions.upload("a.txt", b"one", 1)
    second = await sessions.upload("a.txt", b"two", 1)
    assert first.file_id != second.file_id
    assert (await sessions.load_file(first.file_id, 1)).data == b"one"
    assert (await sessions.execute_code("open('a.txt').read()", 1)).output == "'two'\n"


async def test_a_file_beyond_the_quota_is_skipped_with_its_reason(tmp_path: Path) -> None:
    """The cell's result is unaffected; one sentence for all files says what is used and what to do."""
    settings = load(data=tmp_path / "data", quota="1000", quota_files=2, node="none", preload="none")
    async with compose(settings) as sessions:
        result = await sessions.execute_code("open('big.bin', 'wb').write(b'x' * 2000); 1", 1)
        assert result.success
        assert "over your 1000 B (299 B used); delete files" in result.skipped[0].reason
        with pytest.raises(QuotaExceeded):
            await sessions.upload("big.bin", b"x" * 2000, 1)
        writes = "import time\nfor n in range(5): _ = open(f'{n}.txt', 'w').write(str(n)); time.sleep(0.02)"
        result = await sessions.execute_code(writes, 1)
        assert [file.filename for file in result.generated_files] == ["0.txt", "1.txt"]
        assert [one.name for one in result.skipped] == ["2.txt and 2 more"]
        assert "you have 2 stored files, as many as one person may; delete some" in result.skipped[0].reason


async def test_a_session_goes_on_where_a_crash_broke_it_off(tmp_path: Path) -> None:
    """A cell that was running is recorded as died, and the files it had written are kept and reported."""
    settings = load(data=tmp_path / "data", node="none", preload="none")
    async with compose(settings) as sessions:
        session = await sessions.session(1, "terminal")
        await sessions.execute_code("open('old.txt', 'w').write('old')", 1)
        await asyncio.sleep(0.05)  # a file system's clock ticks up to 100 times a second
        begun = await sessions.store.transcripts.begin_cell("u1", "terminal", "1", "...", datetime.now(UTC))
        (session.kernel.workspace.path / "half.csv").write_text("a,b\n")
    async with compose(settings) as sessions:
        told: list[Reply] = []
        sessions.front = LateAnswers(told)
        last = (await cells(sessions))[-1]
        assert (last.seq, last.status) == (begun.seq, "died")
        assert [file.filename for reply in told for file in reply.files] == ["half.csv"]
        assert (await sessions.execute_code("1", 1)).generated_files == ()


async def test_an_idle_session_loses_its_workspace_and_later_its_transcript(sessions: Sessions) -> None:
    """The folder goes after the retention time, the transcript much later, and both only if unused."""
    await sessions.execute_code("open('a.txt', 'w').write('x')", 1)
    folder = (await sessions.session(1, "terminal")).kernel.workspace.path
    now = datetime.now(UTC)
    await sessions.sweep(now + timedelta(hours=1))
    assert (folder / "a.txt").exists()
    await sessions.sweep(now + timedelta(hours=49))
    assert not folder.exists()
    assert await sessions.store.transcripts.entries("u1") != []
    await sessions.sweep(now + timedelta(days=31))
    assert await sessions.store.sessions.get("u1") is None
    assert (await sessions.execute_code("1 + 1", 1)).output == "2\n"


async def test_use_is_noted_by_the_minute_and_counts_to_the_second(sessions: Sessions) -> None:
    """A cell right after another writes no new time, yet the retention counts from the last use."""
    session = await sessions.session(1, "terminal")
    await sessions.execute_code("open('a.txt', 'w').write('x')", 1)
    await sessions.execute_code("1", 1)
    noted = await sessions.store.sessions.get("u1")
    assert noted is not None
    assert noted.last_used_at == noted.created_at < session.last_used
    await sessions.sweep(session.last_used + timedelta(hours=48))
    assert (session.kernel.workspace.path / "a.txt").exists()
    session.record = replace(session.record, last_used_at=noted.last_used_at - timedelta(minutes=1))
    await sessions.execute_code("1", 1)
    later = await sessions.store.sessions.get("u1")
    assert later is not None
    assert later.last_used_at > noted.last_used_at


async def test_forgetting_a_person_leaves_nothing_of_theirs(sessions: Sessions) -> None:
    """Kernel, workspace, files, transcript: all gone; another person keeps theirs."""
    for user in (1, 2):
        await sessions.execute_code("open('a.txt', 'w').write('x')", user)
    await sessions.forget_person(1)
    assert (await sessions.list_user_files(1)).files == ()
    assert await sessions.store.transcripts.entries("u1") == []
    assert "NameError" in ((await sessions.execute_code("a", 1)).error or "")
    assert (await sessions.execute_code("__import__('glob').glob('*')", 1)).output == "[]\n"
    assert len((await sessions.list_user_files(2)).files) == 1


async def test_with_scope_place_each_place_has_a_kernel_of_its_own(tmp_path: Path) -> None:
    """The same person's variables in one place are not there in another."""
    async with compose(
        load(data=tmp_path / "data", session_scope="place", node="none", preload="none")
    ) as sessions:
        await sessions.execute_code("x = 1", 1, place="here")
        assert (await sessions.execute_code("x", 1, place="here")).output == "1\n"
        assert "NameError" in ((await sessions.execute_code("x", 1, place="there")).error or "")


async def test_list_files_and_file_path_work_in_a_cell(sessions: Sessions) -> None:
    """They need no import, show what is stored, and place a file without it being captured again."""
    stored = await sessions.upload("cities.csv", b"city,people\nUlm,126000\n", 1)
    listed = await sessions.execute_code("list_files()", 1)
    assert stored.file_id in listed.output
    assert "cities.csv" in listed.output
    long = f"{'a very long name of a file ' * 4}.csv"
    await sessions.upload(long, b"x\n1\n", 1)
    assert long in (await sessions.execute_code("list_files()", 1)).output  # pandas cuts after 50
    await sessions.execute_code("import os; os.remove('cities.csv')", 1)
    placed = await sessions.execute_code(f"open(file_path('{stored.file_id}')).read()", 1)
    assert "Ulm" in placed.output
    assert placed.generated_files == ()
    names = await sessions.execute_code("[name for name in dir() if not name.startswith('_')]", 1)
    assert names.output == "['In', 'Out', 'exit', 'get_ipython', 'open', 'os', 'quit']\n"


async def test_a_resumed_turn_that_is_let_go_ends_nothing_else(sessions: Sessions) -> None:
    """Its cell goes on without us, so the turn ends as cancelled, and everything of ours ends in order."""

    async def detached() -> None:
        await asyncio.sleep(0.01)
        raise asyncio.CancelledError

    sessions._resumed._tasks.add(turn := asyncio.create_task(detached()))
    await sessions.release_all()
    assert turn.cancelled()


async def test_a_resumed_turn_that_waits_for_its_front_holds_no_end_up(sessions: Sessions) -> None:
    """Shutting down does not wait for Discord, which may not answer for minutes."""
    sessions._resumed = ResumedTurns(patience=0.01)
    sessions._resumed._tasks.add(turn := asyncio.create_task(asyncio.Event().wait()))
    async with asyncio.timeout(30):
        await sessions.release_all()
    assert turn.cancelled()


async def test_all_of_a_long_text_is_stored_and_can_be_loaded(sessions: Sessions) -> None:
    """The record has the head and tail; the cell's text file has an id and counts like any other file."""
    ran = await sessions.execute_code("print('x' * 2_000_000)", user_id=1)
    (file,) = ran.generated_files
    assert (file.filename, file.type, file.size) == (f"output-{ran.cell}.txt", "text", 2_000_001)
    assert ran.text_file == file.filename
    assert len(ran.output) < 1_100_000
    loaded = await sessions.execute_code(f"len(load_file('{file.file_id}'))", user_id=1)
    assert (loaded.output, loaded.text_file) == ("2000001\n", "")
