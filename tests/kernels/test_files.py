"""The broker answers each request with a file or a sentence, whatever the peer sends or leaves out."""

import array
import asyncio
import fcntl
import json
import logging
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from kernels import files
from kernels.files import Broker, FileRow, FileUnavailable, Opened

ROW = FileRow(
    "k7m3q9x2va", "data.csv", "data", 4, "uploaded", "2026-01-01T00:00:00+00:00", "2026-01-03T00:00:00+00:00"
)


class Shelf:
    """A person's files: one, `k7m3q9x2va`, whose bytes `open_bytes` gives."""

    def __init__(self, open_bytes: Callable[[], BinaryIO]) -> None:
        self._open_bytes = open_bytes
        self.handed: list[BinaryIO] = []
        self.held = asyncio.Event()
        self.release = asyncio.Event()
        self.waiting = 0

    async def open(self, wanted: str) -> Opened:
        if wanted == "broken":
            raise RuntimeError("the disk is on fire, password=hunter2")
        if wanted == "slow":
            self.waiting += 1
            self.held.set()
            await self.release.wait()
        if wanted not in ("k7m3q9x2va", "slow"):
            raise FileUnavailable.absent(wanted)
        self.handed.append(self._open_bytes())
        return Opened("k7m3q9x2va", "data.csv", "data", 4, self.handed[-1])

    async def place(self, wanted: str) -> str:
        if wanted != "k7m3q9x2va":
            raise FileUnavailable.absent(wanted)
        return "data.csv"

    async def list(self) -> Sequence[FileRow]:
        return [ROW]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A stored file."""
    stored = tmp_path / "stored"
    stored.write_bytes(b"a,b\n")
    return stored


@pytest.fixture
def shelf(path: Path) -> Shelf:
    """The stored file, which the store itself could write to."""
    return Shelf(lambda: path.open("rb+"))


@pytest.fixture
async def broker(tmp_path: Path, shelf: Shelf) -> AsyncIterator[Path]:
    """The socket of a broker that serves the shelf."""
    async with Broker(tmp_path / "files.sock", shelf):
        yield tmp_path / "files.sock"


def exchange(path: Path, request: bytes) -> tuple[dict[str, Any], list[int]]:
    """Send bytes as a kernel may, and return the answer with the descriptors that came with it."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.settimeout(20)
        peer.sendall(request)
        line, descriptors, _, _ = socket.recv_fds(peer, 65536, 4)
        while more := peer.recv(65536):
            line += more
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer, descriptors


async def ask(path: Path, request: object) -> tuple[dict[str, Any], list[int]]:
    """`exchange` for a request as JSON, or as bytes, in a thread."""
    line = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
    return await asyncio.to_thread(exchange, path, line)


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def test_open_passes_a_descriptor_that_only_reads(broker: Path, shelf: Shelf) -> None:
    """The bytes come from their start, cannot be written this way, and the store's file is closed."""
    answer, (descriptor,) = await ask(broker, {"op": "open", "file": "k7m3q9x2va"})
    assert answer == {
        "ok": True,
        "file_id": "k7m3q9x2va",
        "filename": "data.csv",
        "file_type": "data",
        "size": 4,
    }
    assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    with os.fdopen(descriptor, "rb") as file:
        assert file.read() == b"a,b\n"
    assert shelf.handed[0].closed


async def test_two_who_open_a_file_read_it_apart(broker: Path) -> None:
    """Reading one descriptor does not move another."""
    got = [await ask(broker, {"op": "open", "file": "k7m3q9x2va"}) for _ in range(2)]
    for _, (descriptor,) in got:
        with os.fdopen(descriptor, "rb") as file:
            assert file.read() == b"a,b\n"


async def test_bytes_that_have_no_descriptor_are_passed_too(tmp_path: Path) -> None:
    """What a store holds in memory, or far away, arrives as a regular file all the same."""
    async with Broker(tmp_path / "files.sock", Shelf(lambda: BytesIO(b"a,b\n"))):
        _, (descriptor,) = await ask(tmp_path / "files.sock", {"op": "open", "file": "k7m3q9x2va"})
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)
    with os.fdopen(descriptor, "rb") as file:
        assert file.read() == b"a,b\n"


async def test_list_and_path_are_answered(broker: Path) -> None:
    """The list carries every field, and path the name that the file got in the workspace."""
    answer, none = await ask(broker, {"op": "list"})
    assert answer["files"] == [
        {
            "file_id": "k7m3q9x2va",
            "filename": "data.csv",
            "file_type": "data",
            "size": 4,
            "source": "uploaded",
            "uploaded_at": "2026-01-01T00:00:00+00:00",
            "expires_at": "2026-01-03T00:00:00+00:00",
        }
    ]
    assert none == []
    assert await ask(broker, {"op": "path", "file": "k7m3q9x2va"}) == ({"ok": True, "name": "data.csv"}, [])


@pytest.mark.parametrize("op", ["open", "path"])
@pytest.mark.parametrize("wanted", ["zzzzzzzzzz", "../../etc/passwd", "K7M3Q9X2VB", "\ud800", "a\nb"])
async def test_an_absent_file_has_the_one_answer(broker: Path, op: str, wanted: str) -> None:
    """Expired, foreign and absent cannot be told apart."""
    answer, none = await ask(broker, {"op": op, "file": wanted})
    assert answer == {
        "ok": False,
        "missing": True,
        "message": f"no file {wanted}: it expired, or is not yours",
    }
    assert none == []


async def test_a_name_too_long_to_be_one_is_not_looked_up(broker: Path) -> None:
    """Ten thousand characters are answered like any absent file, without all of them."""
    answer, _ = await ask(broker, {"op": "open", "file": "x" * 10_000})
    assert answer["missing"]
    assert answer["message"] == "no file xxxxxxxxxxxxxxxxxxxx...: it expired, or is not yours"


@pytest.mark.parametrize(
    "request_",
    [
        b"garbage\n",
        b"\n",
        b"\xff\xfe\n",
        b"[" * 60_000 + b"\n",
        b"1e999\n",
        [],
        {},
        {"op": "open"},
        {"op": "open", "file": {"$ne": 1}},
        {"op": "open", "file": ""},
        {"op": "open", "file": None},
        {"op": ["open"], "file": "x"},
        {"op": "delete", "file": "k7m3q9x2va"},
        {"user": 1, "op": "open", "file": 5},
    ],
)
async def test_garbage_is_answered_with_a_sentence(broker: Path, request_: object) -> None:
    """What is no request gets an answer that says so, and no descriptor."""
    answer, none = await ask(broker, request_)
    assert (answer["ok"], answer["missing"], none) == (False, False, [])
    assert answer["message"].startswith(("the request ", "a file is named by "))


async def test_what_the_request_says_about_the_person_is_not_heard(broker: Path) -> None:
    """Who asks is who has the socket: other fields change nothing."""
    answer, (descriptor,) = await ask(
        broker, {"op": "open", "file": "k7m3q9x2va", "user_id": 2, "session": "x"}
    )
    os.close(descriptor)
    assert answer["ok"]


async def test_a_store_that_fails_is_a_sentence_without_its_secrets(
    broker: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel reads that it may try again; the traceback is in our log."""
    answer, _ = await ask(broker, {"op": "open", "file": "broken"})
    assert answer["message"] == "the files cannot be reached right now: try again in a moment"
    assert "hunter2" in caplog.text


async def test_a_store_that_hangs_is_given_up(
    broker: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A kernel is not left waiting for ever."""
    monkeypatch.setattr(files, "ANSWERING_TIME", 0.1)
    answer, _ = await ask(broker, {"op": "open", "file": "slow"})
    assert answer["message"].startswith("the files cannot be reached right now")
    assert "TimeoutError" in caplog.text


async def test_ten_megabytes_without_a_line_are_cut_off(broker: Path) -> None:
    """A request without an end is not read to it, and the next is served."""

    def flood() -> int:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(broker))
            peer.settimeout(20)
            sent = 0
            try:
                while sent < 10 * 1024 * 1024:
                    sent += peer.send(b"x" * 65536)
            except (BrokenPipeError, ConnectionResetError):
                return sent
            return sent

    assert await asyncio.to_thread(flood) < 2 * 1024 * 1024
    assert (await ask(broker, {"op": "list"}))[0]["ok"]


async def test_silence_ends_a_connection(broker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line and then nothing is closed without an answer."""
    monkeypatch.setattr(files, "ASKING_TIME", 0.1)

    def whisper() -> bytes:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(broker))
            peer.settimeout(20)
            peer.sendall(b'{"op": ')
            return peer.recv(1)

    assert await asyncio.to_thread(whisper) == b""


async def test_few_are_served_at_once(broker: Path, shelf: Shelf) -> None:
    """A flood of requests reaches the store a few at a time; the others wait their turn and are served."""
    with ThreadPoolExecutor(40) as pool:
        asked = [
            asyncio.get_running_loop().run_in_executor(
                pool, exchange, broker, b'{"op": "open", "file": "slow"}\n'
            )
            for _ in range(40)
        ]
        while shelf.waiting < files.AT_ONCE:
            shelf.held.clear()
            await shelf.held.wait()
        for _ in range(100):
            await asyncio.sleep(0)  # turns of the loop, in which one more would be let in
        assert shelf.waiting == files.AT_ONCE
        shelf.release.set()
        answers = await asyncio.gather(*asked)
    assert all(answer["ok"] for answer, _ in answers)
    for _, (descriptor,) in answers:
        os.close(descriptor)


async def test_500_hostile_connections_leave_nothing(
    broker: Path, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage, early leaving, unread answers: no log, no descriptor left, and the next is served."""
    requests = [b"", b"x", b"garbage\n", b'{"op": "open", "file": "k7m3q9x2va"}\n', b'{"op": "list"}\n']

    def pester() -> None:
        peers = []
        for number in range(500):
            peer = socket.socket(socket.AF_UNIX)
            peers.append(peer)
            peer.connect(str(broker))
            peer.settimeout(20)
            peer.sendall(requests[number % len(requests)])
            if number % len(requests) < 2 or number % 7 == 0:
                peer.close()  # those that say nothing more would only be waited for
        for peer in peers:
            peer.close()

    before = descriptors()
    with caplog.at_level(logging.DEBUG, logger="kernels"):
        await asyncio.to_thread(pester)
        for _ in range(files.AT_ONCE):  # behind the last of them in every place
            assert (await ask(broker, {"op": "list"}))[0]["ok"]
    assert caplog.records == []
    assert descriptors() <= before
    assert all(file.closed for file in shelf.handed)


async def test_a_peer_that_sends_descriptors_leaves_none_with_us(broker: Path) -> None:
    """A descriptor that a kernel passes to us is not kept."""

    def push() -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as peer, open(os.devnull) as null:
            peer.connect(str(broker))
            peer.settimeout(20)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 50))
            peer.sendmsg([b'{"op": "list"}\n'], [rights])
            answer: dict[str, Any] = json.loads(peer.makefile().readline())
            return answer

    before = descriptors()
    assert (await asyncio.to_thread(push))["ok"]
    assert descriptors() <= before


async def test_leaving_closes_everything(tmp_path: Path, shelf: Shelf) -> None:
    """With requests waiting on both sides, no descriptor, task, thread or socket file remains."""
    before, threads = descriptors(), threading.active_count()
    peers = []
    async with Broker(tmp_path / "files.sock", shelf):
        for request in (b'{"op": "open", "file": "slow"}\n', b'{"op"', b""):
            peers.append(socket.socket(socket.AF_UNIX))
            peers[-1].connect(str(tmp_path / "files.sock"))
            peers[-1].sendall(request)
        await shelf.held.wait()
    for peer in peers:
        peer.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert descriptors() == before
    assert threading.active_count() == threads
    assert not (tmp_path / "files.sock").exists()


async def test_the_socket_is_ours_alone(broker: Path) -> None:
    """Only the kernel's user can dial."""
    assert stat.S_IMODE(broker.stat().st_mode) == 0o600


async def test_a_socket_that_the_kernel_deleted_is_no_trouble(tmp_path: Path, shelf: Shelf) -> None:
    """A kernel can remove its socket, or put a link there: leaving removes that and follows nothing."""
    (tmp_path / "kept").touch()
    async with Broker(tmp_path / "files.sock", shelf):
        (tmp_path / "files.sock").unlink()
        (tmp_path / "files.sock").symlink_to(tmp_path / "kept")
    assert (tmp_path / "kept").exists()
    async with Broker(tmp_path / "files.sock", shelf):
        (tmp_path / "files.sock").unlink()


async def test_a_path_that_cannot_be_bound_is_an_error_that_leaks_nothing(
    tmp_path: Path, shelf: Shelf
) -> None:
    """A path over 107 bytes is refused at once."""
    before = descriptors()
    with pytest.raises(OSError, match="too long"):
        async with Broker(tmp_path / ("x" * 108), shelf):
            pass
    assert descriptors() == before
