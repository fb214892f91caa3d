"""The node's log: nothing a stranger sends is in it at length or has any effect, and its size is bounded."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import pytest_asyncio

from kernels.cell.events import Stream
from kernels.client import NodeEndpoint, RemoteNode, at
from kernels.limits import Limits
from kernels.node import logging as logged
from kernels.node.settings import NodeSettings
from tests.contract.conftest import free_port, node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = (
    b"GET /api/kernels?x=\xc2\x9b31m" + b"r" * 3000 + b" HTTP/1.1\r\nHost: a\r\n"
    b"Referer: http://a/\xc2\x9b2J" + b"r" * 3000 + b"\r\n\r\n"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeSettings]:
    """The settings of a running node that listens on a port."""
    folder = tmp_path_factory.mktemp("node")
    settings = replace(
        node_settings(folder, Limits(workspace=100_000)),
        address=f"127.0.0.1:{free_port()}",
        tier="none",
        libraries=(),
        log_level="debug",
    )
    async with noded(settings):
        yield settings


async def test_requests_without_the_token_fill_no_log(settings: NodeSettings) -> None:
    """Each is one short line at "debug", without its query and headers."""
    host, _, port = settings.address.rpartition(":")
    for _ in range(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(REFUSED)
        assert b" 403 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()
        await writer.wait_closed()
    path = settings.folder / logged.LOG
    await until(lambda: path.read_text("utf-8").count("was answered with 403") == 20)
    log = path.read_text("utf-8")
    lines = [line for line in log.splitlines() if "was answered with 403" in line]
    assert max(map(len, lines)) < 300
    assert "rrrrr" not in log
    assert not {"\x9b", "\x1b"} & set(log)


async def test_files_that_do_not_fit_fill_no_log(settings: NodeSettings) -> None:
    """A cell can ask for such a file without end: it is a refusal, and no error of the node."""
    endpoint = NodeEndpoint(f"http://{settings.address}", settings.token)
    async with RemoteNode(at(endpoint), python=settings.python, limits=settings.limits) as node:
        kernel = node.kernel("full", SomeFiles())
        with pytest.raises(OSError, match="workspace is full"):
            await kernel.place("large.bin", BytesIO(b"x" * 200_000))
        await node.remove("full")
    log = settings.folder / logged.LOG
    await until(lambda: "was answered with 507" in log.read_text("utf-8"))
    (line,) = (line for line in log.read_text("utf-8").splitlines() if "answered with 507" in line)
    assert " DEBUG " in line


async def test_each_line_of_a_cell_names_its_turn(settings: NodeSettings) -> None:
    """Its start, that somebody stopped it, its kernel's death, and its end."""
    async with RemoteNode(
        at(NodeEndpoint(f"http://{settings.address}", settings.token)),
        python=settings.python,
        limits=settings.limits,
    ) as node:
        kernel = node.kernel("turns", SomeFiles())
        for tag, code in enumerate(("print(flush=True)\nwhile True: pass", "import os; os._exit(5)"), 1):
            cell = kernel.run(code, tag=tag, turn=f"turn-{tag}")
            async with asyncio.timeout(30), cell:
                async for event in cell:
                    if isinstance(event, Stream):
                        await cell.interrupt()
            cell.settle()
        await node.release("turns")
    log = (settings.folder / logged.LOG).read_text("utf-8")
    for line in (
        "cell started [session=turns cell=1 turn=turn-1]",
        "cell interrupted: somebody stopped it [session=turns cell=1 turn=turn-1]",
        "cell finished: interrupted [session=turns cell=1 turn=turn-1]",
        "cell started [session=turns cell=2 turn=turn-2]",
        "the kernel is ended: the kernel died [session=turns cell=2 turn=turn-2]",
        "cell finished: died [session=turns cell=2 turn=turn-2]",
    ):
        assert log.count(line) == 1


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger and standard error, restored afterwards."""
    logger = logging.getLogger()
    handlers, level, error = logger.handlers[:], logger.level, os.dup(2)
    yield logger
    for handler in set(logger.handlers) - set(handlers):
        handler.close()
    logger.handlers[:], logger.level = handlers, level
    os.dup2(error, 2)
    os.close(error)


async def test_a_log_is_rotated_and_not_deleted(tmp_path: Path, root_logger: logging.Logger) -> None:
    """What it had is in `log.1`, and what is written to standard error goes on into the newest."""
    settings = replace(node_settings(tmp_path), folder=tmp_path, log_level="info")
    logged.configure(settings, to_file=True, largest=2000)
    for number in range(30):
        logging.getLogger("kernels").info("line %d %s", number, "x" * 100, extra={"session": "u1"})
    os.write(2, b"a library's own words\n")
    kept = [(tmp_path / name).read_text() for name in ("log", "log.1", "log.2")]
    assert all(len(one) < 2100 for one in kept)
    assert kept[0].endswith("a library's own words\n")
    assert [f"line {number} " in "".join(kept) for number in range(30)] == [True] * 30
    assert "x [session=u1]\n" in kept[1]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
