"""A captured file in a node's workspace is opened in place or fetched; test_node.py uses a real node."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from kernels.client.captured import IN_MEMORY, RemoteFile
from kernels.workspace.captured import CapturedFile, FileChanged, Stamp

CONTENT = b"abc" * 1000


class Answer:
    """A node's answer: a status and a body in pieces; with `breaks` it ends before the last piece."""

    def __init__(self, status: int = 200, body: bytes = CONTENT, breaks: Exception | None = None) -> None:
        self.status = status
        self.content = self
        self._body = body
        self._breaks = breaks

    def raise_for_status(self) -> None:
        if self.status >= 400:
            raise aiohttp.ClientError(f"HTTP {self.status}")

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), size):
            yield self._body[start : start + size]
        if self._breaks is not None:
            raise self._breaks


class Asked:
    """Requests to a node that gives this answer, and a record of what they asked for."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.params: list[dict[str, str]] = []
        self._answer = answer

    def __call__(self, params: dict[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return cast(Any, self._get(params))

    @asynccontextmanager
    async def _get(self, params: dict[str, str]) -> AsyncIterator[Answer]:
        self.params.append(params)
        if isinstance(self._answer, Exception):
            raise self._answer
        yield self._answer


def here(folder: Path) -> CapturedFile:
    """A file of this machine."""
    path = folder / "a.bin"
    path.write_bytes(CONTENT)
    status = os.stat(path)
    return CapturedFile("a.bin", status.st_size, status.st_mtime, folder, "a.bin", Stamp.of(status))


async def test_a_file_of_this_machine_is_opened_without_a_request(tmp_path: Path) -> None:
    """As it was captured or, if requested, as it is now."""
    asked = Asked(Answer(404))
    file = RemoteFile("a.bin", len(CONTENT), 1.0, asked, here(tmp_path))
    async with file.content() as content:
        assert content.read() == CONTENT
    (tmp_path / "a.bin").write_bytes(b"new")
    async with file.content(latest=10) as content:
        assert content.read() == b"new"
    assert asked.params == []


async def test_one_that_cannot_be_had_here_is_fetched(tmp_path: Path) -> None:
    """The node may be on another disk. A small file is kept in memory, a large one on disk."""
    file = here(tmp_path)
    (tmp_path / "a.bin").unlink()
    for size in (len(CONTENT), IN_MEMORY + 1):
        asked = Asked(Answer())
        async with RemoteFile("a.bin", size, 1.0, asked, file).content() as content:
            assert content.read() == CONTENT
        assert asked.params == [{}]
    asked = Asked(Answer())
    async with RemoteFile("a.bin", 3, 1.0, asked).content(latest=5000) as content:
        assert content.read() == CONTENT
    assert asked.params == [{"latest": "5000"}]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), FileChanged),
        (Answer(410), FileChanged),
        (Answer(breaks=aiohttp.ClientPayloadError()), FileChanged),
        (Answer(500), OSError),
        (aiohttp.ServerDisconnectedError(), OSError),
    ],
    ids=["not there", "changed", "changes meanwhile", "refused", "no answer"],
)
async def test_what_cannot_be_fetched_is_told(answer: Answer | Exception, error: type[Exception]) -> None:
    """Whether the file has changed since or the node is in trouble."""
    with pytest.raises(error):
        async with RemoteFile("a.bin", 3, 1.0, Asked(answer)).content():
            pass
