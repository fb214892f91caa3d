"""What becomes of a cell's files that are left open, hidden, written elsewhere, or read in the same cell."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernels.errors import SandboxUnavailable
from kernels.inside.files.elsewhere import WORKSPACE_NAMES
from kernels.kernel import Kernel
from kernels.limits import Limits, MiB
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from tests.live.cells import NoFiles, Ran, pooled, run

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_KEPT = "files there are not kept, only those in your workspace: write it there, or copy it"


async def contents(ran: Ran) -> dict[str, bytes]:
    """The contents of the files that a cell has left, in their order."""
    found = {}
    for file in ran.result.captured:
        async with file.content() as content:
            found[file.name] = content.read()
    return found


def left(ran: Ran) -> list[tuple[str, str]]:
    """What was not kept, and why."""
    return [(one.name, one.reason) for one in ran.result.skipped]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[Tier.A, Tier.B, Tier.NONE], ids=str)
async def held(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pool]:
    """A pool of a tier other than that of the fixture `pool`, which is the strongest."""
    making = pooled(tmp_path_factory.mktemp("held"), tier=request.param)
    try:
        pool = await making.__aenter__()
    except SandboxUnavailable as error:
        pytest.skip(f"tier {request.param}: {error}")
    yield pool
    await making.__aexit__(None, None, None)


async def test_what_is_left_open_is_written_before_the_look(fresh: Kernel) -> None:
    """Text, bytes, a subclass and a file in a list; and again after the next cell has written more."""
    ran = await run(
        fresh,
        "import io\n"
        "class Mine(io.TextIOWrapper):\n"
        "    def flush(self): raise RuntimeError('not asked')\n"
        "text = open('text.csv', 'w'); text.write('a,b\\n')\n"
        "files = [open('bytes.bin', 'wb')]; files[0].write(b'123')\n"
        "mine = Mine(open('mine.txt', 'wb')); mine.write('mine')\n"
        "del io",
    )
    assert await contents(ran) == {"text.csv": b"a,b\n", "bytes.bin": b"123", "mine.txt": b"mine"}
    assert await contents(await run(fresh, "text.write('1,2\\n')")) == {"text.csv": b"a,b\n1,2\n"}
    assert await contents(await run(fresh, "text.close(); 1")) == {}
    again = "text = open('text.csv', 'a'); text.write('3,4\\n')"
    assert await contents(await run(fresh, again)) == {"text.csv": b"a,b\n1,2\n3,4\n"}
    again = "text.close(); text = open('text.csv', 'w'); text.write('new\\n')"  # reuses the inode
    assert await contents(await run(fresh, again)) == {"text.csv": b"new\n"}


async def test_a_database_that_is_open_is_stored_with_its_rows(fresh: Kernel) -> None:
    """Committed rows leave the log before the look; log and index do not count as the person's files."""
    ran = await run(
        fresh,
        "import sqlite3\n"
        "base = sqlite3.connect('x.db'); base.execute('pragma journal_mode=wal')\n"
        "base.execute('create table t (a)')\n"
        "base.executemany('insert into t values (?)', [(n,) for n in range(10)]); base.commit()",
    )
    assert left(ran) == []
    found = await contents(ran)
    assert found.keys() == {"x.db"}
    ran = await run(
        fresh,
        "copy = sqlite3.connect(':memory:')\n"
        "data = bytearray(open('x.db', 'rb').read()); data[18:20] = b'\\1\\1'\n"
        "copy.deserialize(bytes(data)); print(copy.execute('select count(*) from t').fetchone())\n"
        "base.execute('insert into t values (10)'); base.commit()\n"
        "print(load_file('x.db').execute('select count(*) from t').fetchone())",
    )
    assert ran.output == "(10,)\n(11,)\n"


async def test_only_the_log_of_an_open_database_is_touched(held: Pool) -> None:
    """In each tier: a person's own file with such a name is stored, and rows leave the log."""
    kernel = held.kernel("logs", NoFiles())
    ran = await run(
        kernel,
        "open('notes', 'w').close(); own = open('notes-wal', 'w'); own.write('precious')\n"
        "import sqlite3; base = sqlite3.connect('x.db'); base.execute('pragma journal_mode=wal')\n"
        "base.execute('create table t (a)'); base.execute('insert into t values (1)'); base.commit()",
    )
    assert left(ran) == []
    found = await contents(ran)
    assert found.keys() == {"notes", "notes-wal", "x.db"}
    assert found["notes-wal"] == b"precious"
    assert len(found["x.db"]) == 2 * 4096
    ran = await run(kernel, "import os; print(os.fstat(own.fileno()).st_nlink, os.path.getsize('x.db-wal'))")
    assert ran.output == "1 0\n"


async def test_a_database_in_the_middle_of_reading_or_writing_says_what_it_lacks(fresh: Kernel) -> None:
    """A reader keeps rows in the log; a transaction is not in the file yet. A note says so until then."""
    ran = await run(
        fresh,
        "import sqlite3\n"
        "base = sqlite3.connect('x.db'); base.execute('pragma journal_mode=wal')\n"
        "base.execute('create table t (a)'); base.execute('insert into t values (1)'); base.commit()\n"
        "other = sqlite3.connect('x.db'); cursor = other.execute('select a from t union all select 2')\n"
        "cursor.fetchone()\n"
        "base.execute('insert into t values (3)'); base.commit()",
    )
    assert [name for name, _ in left(ran)] == ["x.db-wal"]
    assert "x.db is open" in left(ran)[0][1]
    ran = await run(fresh, "cursor.fetchall(); other.close(); base.close()")
    assert (await contents(ran)).keys() == {"x.db"}
    assert left(ran) == []
    ran = await run(
        fresh,
        "base = sqlite3.connect('y.db'); base.execute('create table t (a)'); base.commit()\n"
        "base.execute('insert into t values (1)')",
    )
    assert (await contents(ran)).keys() == {"y.db"}
    assert [name for name, _ in left(ran)] == ["y.db-journal"]


async def test_hidden_files_are_files(fresh: Kernel) -> None:
    """A project's hidden files are stored; a note says that a tool's folder is not."""
    ran = await run(
        fresh,
        "import os\n"
        "for name in ('.gitignore', '.streamlit/config.toml', '.git/HEAD', '.cache/x'):\n"
        "    os.makedirs(os.path.dirname(name) or '.', exist_ok=True); open(name, 'w').write('x')",
    )
    assert list(await contents(ran)) == [".gitignore", ".streamlit/config.toml"]
    assert [name for name, _ in left(ran)] == [".git"]


async def test_files_come_in_the_order_in_which_they_were_written(fresh: Kernel) -> None:
    """In results and lists; a file's own time, which code can set, does not matter."""
    ran = await run(
        fresh,
        "import os, time\n"
        "for name in ('zebra', 'apple', 'mango', 'out/first'):\n"
        "    os.makedirs(os.path.dirname(name) or '.', exist_ok=True)\n"
        "    open(name, 'w').write(name); os.utime(name, (0, 0)); time.sleep(0.02)",
    )
    assert list(await contents(ran)) == ["zebra", "apple", "mango", "out/first"]


async def test_a_file_of_the_same_cell_can_be_loaded(fresh: Kernel) -> None:
    """By name or by the path from `file_path`, even before it is closed, and whatever its name."""
    ran = await run(
        fresh,
        "import pathlib\n"
        "file = open('new.csv', 'w'); file.write('a;b\\n1,5;2\\n'); file.flush()\n"
        "print(load_file('new.csv').a.sum(), load_file(file_path('new.csv')).b.sum())\n"
        "print(load_file(pathlib.Path('new.csv'), raw=True), load_file('/mnt/data/new.csv').shape)\n"
        "open('new\\nline.txt', 'w').write('words'); print(load_file('new\\nline.txt'))\n"
        "open('abcdefghjk', 'w').write('no id'); print(load_file('abcdefghjk'))\n"
        "load_file('absent.csv')",
    )
    assert "1.5 2\nb'a;b\\n1,5;2\\n' (1, 2)\nwords\nno id\n" in ran.output
    assert ran.result.error is not None
    assert ran.result.error.evalue.startswith("no file absent.csv")
    assert ran.output.count("[new.csv: read with") == 3


async def test_the_workspace_has_the_names_of_other_services(pool: Pool, fresh: Kernel) -> None:
    """A file written to /mnt/data and the like is in the workspace; for /tmp there is one note."""
    if not pool.tier.namespaces:
        pytest.skip("this machine has no tier with a file tree of its own")
    ran = await run(
        fresh,
        f"import os\nfor number, name in enumerate({WORKSPACE_NAMES}):\n"
        "    open(f'{name}/{number}.csv', 'w').write(name)\n"
        "os.chdir('/content'); print(os.getcwd())",
    )
    assert ran.output == "/workspace\n"
    missing = await run(fresh, "open('/mnt/data/missing.csv')")
    assert missing.status == "error"
    assert "working folder" not in missing.output
    assert list(await contents(ran)) == [f"{number}.csv" for number in range(len(WORKSPACE_NAMES))]
    ran = await run(
        fresh,
        "import tempfile\n"
        "open('/tmp/x.csv', 'w').write('x'); os.chdir('/tmp'); open('y.csv', 'w').write('y')\n"
        "named = tempfile.NamedTemporaryFile(); open(tempfile.mkdtemp() + '/z', 'w').write('z')",
    )
    assert left(ran) == [("/tmp/x.csv", NOT_KEPT), ("/tmp/y.csv", NOT_KEPT)]
    assert left(await run(fresh, "open('/tmp/x.csv', 'w').write('again')")) == []


async def test_every_tier_keeps_what_is_written_elsewhere_or_says_so(held: Pool, tmp_path: Path) -> None:
    """Through another name of the workspace, or with a sentence in the error or about the file."""
    kernel = held.kernel("held", NoFiles())
    ran = await run(
        kernel, "file = open('left.csv', 'w'); file.write('a'); open('/mnt/data/x.csv', 'w').write('x')"
    )
    found = await contents(ran)
    assert found["left.csv"] == b"a"
    if held.tier.namespaces:
        assert found["x.csv"] == b"x"
    else:
        assert "Files are kept in your working folder: use 'x.csv'." in ran.output
    folder = f"{str(tmp_path)!r}" if held.tier is Tier.NONE else "tempfile.gettempdir()"
    ran = await run(kernel, f"import os, tempfile; os.chdir({folder}); open('t.csv', 'w').write('t')")
    expected = f"{tmp_path}/" if held.tier is Tier.NONE else ".tmp/t.csv"
    assert left(ran) == [(expected, NOT_KEPT)]
    if held.tier is Tier.B:
        ran = await run(kernel, "open('/tmp/u.csv', 'w').write('u')")
        assert "temporary ones can be in tempfile.gettempdir()" in ran.output


@pytest.mark.parametrize("number", [20, 400])
async def test_temporary_files_that_filled_the_workspace_leave_room_for_the_next_cell(
    tmp_path: Path, number: int
) -> None:
    """The next kernel empties them when it starts, so it is not ended for a full workspace."""
    fills = (
        "import os, tempfile\n"
        f"for _ in range({number}):\n"
        "    with tempfile.NamedTemporaryFile(delete=False) as file:\n"
        f"        file.write(os.urandom({(400 << 20) // number}))\n"
        "import time; time.sleep(60)"
    )
    async with pooled(tmp_path, Limits(workspace=64 * MiB)) as pool:
        if pool.tier is Tier.NONE:
            pytest.skip("without a sandbox nothing holds the workspace")
        kernel = pool.kernel("a", NoFiles())
        assert (await run(kernel, fills)).status == "died"
        assert (await run(kernel, "x = 1; open('a.txt', 'w').write('abc')")).output == "3\n"
        ran = await run(kernel, "x")
        assert (ran.output, ran.restarts) == ("1\n", [])
