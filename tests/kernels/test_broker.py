"""The broker answers each request with a file or a sentence, whatever the peer sends or leaves out."""

import array
import asyncio
import contextlib
import ctypes
import errno
import json
import logging
import os
import resource
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from kernels import broker as module
from kernels.broker import Broker, BrokerTimes, FileRow, FileUnavailable, Opened
from kernels.descriptors import SPARE
from kernels.inside.files import request_socket as inside
from tests.descriptors import descriptors, left_open

ROW = FileRow(
    "k7m3q9x2va", "data.csv", "data", 4, "uploaded", "2026-01-01T00:00:00+00:00", "2026-01-03T00:00:00+00:00"
)


class Shelf:
    """A person's files: a single one, `k7m3q9x2va`, whose bytes `open_bytes` gives."""

    def __init__(self, open_bytes: Callable[[], BinaryIO], size: int = 4) -> None:
        self._open_bytes = open_bytes
        self._size = size
        self.handed: list[BinaryIO] = []
        self.held = asyncio.Event()
        self.release = asyncio.Event()
        self.waiting = 0
        self.listed = "k7m3q9x2va"

    async def open(self, wanted: str) -> Opened:
        if wanted == "broken":
            raise RuntimeError("the disk is on fire, password=hunter2")
        await self._find(wanted)
        self.handed.append(self._open_bytes())
        return Opened("k7m3q9x2va", "data.csv", "data", self._size, self.handed[-1])

    async def _find(self, wanted: str) -> None:
        if wanted == "slow":
            self.waiting += 1
            self.held.set()
            await self.release.wait()
        if wanted == "large":
            raise FileUnavailable("your workspace is full", errno.EDQUOT)
        if wanted not in ("k7m3q9x2va", "slow"):
            raise FileUnavailable.absent(wanted)

    async def place(self, wanted: str) -> str:
        await self._find(wanted)
        return "data.csv"

    async def list(self) -> Sequence[FileRow]:
        await self._find(self.listed)
        return [ROW]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A stored file."""
    stored = tmp_path / "stored"
    stored.write_bytes(b"a,b\n")
    return stored


@pytest.fixture
def shelf(path: Path) -> Shelf:
    """The stored file, opened so that the store itself could write to it."""
    return Shelf(lambda: path.open("rb+"))


@pytest.fixture
def times() -> BrokerTimes:
    """How long the broker waits; a test can have its own."""
    return BrokerTimes()


@pytest.fixture
async def requests(shelf: Shelf, times: BrokerTimes) -> AsyncIterator[socket.socket]:
    """The request socket of a broker that serves the shelf."""
    async with Broker(shelf, times) as broker:
        broker.request_socket.settimeout(20)
        yield broker.request_socket


def connect(requests: socket.socket) -> socket.socket:
    """Ask for a connection, and receive it."""
    requests.send(b".")
    _, lines, _, _ = socket.recv_fds(requests, 1, 1)
    peer = socket.socket(fileno=lines[0])
    peer.settimeout(20)
    return peer


def exchange(requests: socket.socket, request: bytes) -> tuple[dict[str, Any], bytes]:
    """Send bytes as a kernel can; return the answer and the bytes after it. No descriptor comes with them."""
    with connect(requests) as peer:
        peer.sendall(request)
        told = b""
        while received := socket.recv_fds(peer, 65536, 4):
            piece, descriptors, _, _ = received
            assert descriptors == []
            if not piece:
                break
            told += piece
        line, _, data = told.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer, data


async def ask(requests: socket.socket, request: object) -> tuple[dict[str, Any], bytes]:
    """`exchange` for a request given as JSON or as bytes, in a thread."""
    line = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
    return await asyncio.to_thread(exchange, requests, line)


def ours() -> int:
    """How many threads there are, apart from those that the loop keeps for its `to_thread`."""
    return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())


async def test_open_sends_the_bytes_and_no_descriptor(requests: socket.socket, shelf: Shelf) -> None:
    """With a descriptor the kernel could open the file again for writing. The store's own is closed."""
    answer, data = await ask(requests, {"op": "open", "file": "k7m3q9x2va"})
    assert answer == {
        "ok": True,
        "file_id": "k7m3q9x2va",
        "filename": "data.csv",
        "file_type": "data",
        "size": 4,
    }
    assert data == b"a,b\n"
    assert shelf.handed[0].closed


LARGE = bytes(range(256)) * 20_000  # 5 MB, in several pieces


@pytest.mark.parametrize("where", ["on the disk", "in memory"])
async def test_a_large_file_arrives_whole(path: Path, where: str) -> None:
    """Piece by piece, wherever it is stored."""
    path.write_bytes(LARGE)
    shelf = Shelf(lambda: path.open("rb") if where == "on the disk" else BytesIO(LARGE), size=len(LARGE))
    async with Broker(shelf) as broker:
        answer, data = await ask(broker.request_socket, {"op": "open", "file": "k7m3q9x2va"})
    assert answer["size"] == len(LARGE)
    assert data == LARGE


@pytest.mark.parametrize(("content", "sent"), [(b"a", b"a"), (b"a,b\nand more", b"a,b\n")])
async def test_a_file_of_another_size_than_was_said_is_sent_as_far(content: bytes, sent: bytes) -> None:
    """A file that is too short ends early, which the kernel notices; growth beyond the size is not sent."""
    async with Broker(Shelf(lambda: BytesIO(content))) as broker:
        answer, data = await ask(broker.request_socket, {"op": "open", "file": "k7m3q9x2va"})
    assert (answer["size"], data) == (4, sent)


async def test_bytes_that_nobody_takes_hold_few_files(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A kernel that asks and does not read has two files open; a third is refused, a list is not."""
    path.write_bytes(LARGE)
    shelf = Shelf(lambda: path.open("rb"), size=len(LARGE))
    async with Broker(shelf, BrokerTimes(turn=0.1)) as broker:
        broker.request_socket.settimeout(20)
        peers = [await asyncio.to_thread(connect, broker.request_socket) for _ in range(module.FILES_AT_ONCE)]
        for peer in peers:
            peer.sendall(b'{"op": "open", "file": "k7m3q9x2va"}\n')
            assert (await asyncio.to_thread(peer.recv, 1)) == b"{"
        answer, _ = await ask(broker.request_socket, {"op": "open", "file": "k7m3q9x2va"})
        assert (answer["ok"], answer["missing"]) == (False, False)
        assert "still being loaded" in answer["message"]
        assert len(shelf.handed) == module.FILES_AT_ONCE
        assert (await ask(broker.request_socket, {"op": "list"}))[0]["ok"]
        peers.pop().close()  # and it is served in the place of one that has left
        while not shelf.handed[-1].closed:  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.01)
        assert (await ask(broker.request_socket, {"op": "open", "file": "k7m3q9x2va"}))[1] == LARGE
    assert all(file.closed for file in shelf.handed)
    assert caplog.records == []
    for peer in peers:
        peer.close()


async def test_bytes_that_nobody_takes_hold_a_file_for_a_while(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A kernel that asks and does not read is left, and its file closed."""
    path.write_bytes(LARGE)
    shelf = Shelf(lambda: path.open("rb"), size=len(LARGE))
    async with Broker(shelf, BrokerTimes(taking=0.1)) as broker:
        with await asyncio.to_thread(connect, broker.request_socket) as peer:
            peer.sendall(b'{"op": "open", "file": "k7m3q9x2va"}\n')
            while not (shelf.handed and shelf.handed[0].closed):  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0.01)
    assert caplog.records == []


async def test_list_and_path_are_answered(requests: socket.socket) -> None:
    """The list has every field, and path gives the name that the file got in the workspace."""
    answer, none = await ask(requests, {"op": "list"})
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
    assert none == b""
    assert await ask(requests, {"op": "path", "file": "k7m3q9x2va"}) == (
        {"ok": True, "name": "data.csv"},
        b"",
    )


@pytest.mark.parametrize("op", ["open", "path"])
@pytest.mark.parametrize("wanted", ["zzzzzzzzzz", "../../etc/passwd", "K7M3Q9X2VB", "\ud800", "a\nb"])
async def test_an_absent_file_has_the_one_answer(requests: socket.socket, op: str, wanted: str) -> None:
    """Expired, foreign and absent cannot be told apart."""
    answer, none = await ask(requests, {"op": op, "file": wanted})
    assert answer == {
        "ok": False,
        "missing": True,
        "message": f"no file {wanted}: it expired, or is not yours",
    }
    assert none == b""


async def test_a_file_without_room_is_not_an_absent_one(requests: socket.socket) -> None:
    """The kernel gets the error that programs expect of a full disk."""
    answer, none = await ask(requests, {"op": "path", "file": "large"})
    message = "your workspace is full"
    assert answer == {"ok": False, "missing": False, "message": message, "errno": errno.EDQUOT}
    assert none == b""


async def test_a_name_too_long_to_be_one_is_not_looked_up(requests: socket.socket) -> None:
    """Ten thousand characters are answered like any absent file, without repeating all of them."""
    answer, _ = await ask(requests, {"op": "open", "file": "x" * 10_000})
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
async def test_garbage_is_answered_with_a_sentence(requests: socket.socket, request_: object) -> None:
    """Anything that is no request gets an answer that says so, and nothing more."""
    answer, none = await ask(requests, request_)
    assert (answer["ok"], answer["missing"], none) == (False, False, b"")
    assert answer["message"].startswith(("the request ", "a file is named by "))


async def test_what_the_request_says_about_the_person_is_not_heard(requests: socket.socket) -> None:
    """The request socket decides who asks: other fields change nothing."""
    _, data = await ask(requests, {"op": "open", "file": "k7m3q9x2va", "user_id": 2, "session": "x"})
    assert data == b"a,b\n"


async def test_a_store_that_fails_is_a_sentence_without_its_secrets(
    requests: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel reads that it may try again; the traceback is in our log."""
    answer, _ = await ask(requests, {"op": "open", "file": "broken"})
    assert answer["message"] == "the files cannot be reached right now: try again in a moment"
    assert "hunter2" in caplog.text


async def test_requests_that_fail_do_not_fill_the_log(
    requests: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """A cell can cause them as often as it likes, as by removing what is put into its workspace."""
    for _ in range(3):
        answer, _ = await ask(requests, {"op": "open", "file": "broken"})
        assert not answer["ok"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("times", [BrokerTimes(answering=0.1)])
async def test_a_store_that_hangs_is_given_up(
    requests: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """A kernel is not left waiting for ever."""
    answer, _ = await ask(requests, {"op": "open", "file": "slow"})
    assert answer["message"].startswith("the files cannot be reached right now")
    assert "TimeoutError" in caplog.text


async def test_ten_megabytes_without_a_line_are_cut_off(requests: socket.socket) -> None:
    """A request without an end is not read to the end, and the next one is served."""

    def flood() -> int:
        with connect(requests) as peer:
            sent = 0
            try:
                while sent < 10 * 1024 * 1024:
                    sent += peer.send(b"x" * 65536)
            except (BrokenPipeError, ConnectionResetError):
                return sent
            return sent

    assert await asyncio.to_thread(flood) < 2 * 1024 * 1024
    assert (await ask(requests, {"op": "list"}))[0]["ok"]


@pytest.mark.parametrize("times", [BrokerTimes(asking=1.0)])
async def test_silence_ends_a_connection(requests: socket.socket) -> None:
    """Half a line and then nothing is closed without an answer."""

    def whisper() -> bytes:
        with connect(requests) as peer:
            peer.sendall(b'{"op": ')
            return peer.recv(1)

    assert await asyncio.to_thread(whisper) == b""


@pytest.mark.parametrize(
    ("op", "most"), [("list", 1), ("path", module.FILES_AT_ONCE), ("open", module.FILES_AT_ONCE)]
)
async def test_few_are_served_at_once(requests: socket.socket, shelf: Shelf, op: str, most: int) -> None:
    """A flood of requests reaches the store a few at a time; the others wait their turn and are served."""
    request = json.dumps({"op": op, "file": "slow"}).encode() + b"\n"
    shelf.listed = "slow"
    with ThreadPoolExecutor(40) as pool:
        asked = [
            asyncio.get_running_loop().run_in_executor(pool, exchange, requests, request) for _ in range(40)
        ]
        while shelf.waiting < most:
            shelf.held.clear()
            await shelf.held.wait()
        for _ in range(100):
            await asyncio.sleep(0)  # turns of the loop in which another one could be let in
        assert shelf.waiting == most
        shelf.release.set()
        answers = await asyncio.gather(*asked)
    assert all(answer["ok"] for answer, _ in answers)


@pytest.mark.parametrize("times", [BrokerTimes(listing=0.2)])
async def test_lists_leave_the_bot_time_for_others(
    requests: socket.socket, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that asks for its list without end gets it a few times a second, and the first time at once."""
    clock = asyncio.get_running_loop().time
    asked, found = list[float](), shelf.list

    async def noted() -> Sequence[FileRow]:
        asked.append(clock())
        return await found()

    monkeypatch.setattr(shelf, "list", noted)
    answers = await asyncio.gather(*(ask(requests, {"op": "list"}) for _ in range(4)))
    assert all(answer["ok"] for answer, _ in answers)
    assert len(asked) == 4
    assert min(after - before for before, after in pairwise(asked)) >= 0.19


async def test_500_hostile_connections_leave_nothing(
    requests: socket.socket, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage, early leavers, unread answers: nothing is logged or left open, and the next one is served."""
    hostile = [b"", b"x", b"garbage\n", b'{"op": "open", "file": "k7m3q9x2va"}\n', b'{"op": "list"}\n']

    def pester() -> None:
        peers = []
        for number in range(500):
            peer = connect(requests)
            peers.append(peer)
            peer.sendall(hostile[number % len(hostile)])
            if number % len(hostile) < 2 or number % 7 == 0:
                peer.close()  # silent ones would only be waited for
        for peer in peers:
            peer.close()

    before = descriptors()
    with caplog.at_level(logging.DEBUG, logger="kernels"):
        await asyncio.to_thread(pester)
        for _ in range(module.AT_ONCE):  # behind the last of them in every place
            assert (await ask(requests, {"op": "list"}))[0]["ok"]
    assert caplog.records == []
    assert not await left_open(before)
    assert all(file.closed for file in shelf.handed)


async def test_a_peer_that_sends_descriptors_leaves_none_with_us(requests: socket.socket) -> None:
    """A descriptor that a kernel passes to us is not kept."""

    def push() -> dict[str, Any]:
        with connect(requests) as peer, open(os.devnull) as null:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 50))
            try:
                peer.sendmsg([b'{"op": "list"}\n'], [rights])
            except PermissionError:  # if the system refuses them for us
                peer.sendall(b'{"op": "list"}\n')
            answer: dict[str, Any] = json.loads(peer.makefile().readline())
            return answer

    before = descriptors()
    assert (await asyncio.to_thread(push))["ok"]
    assert not await left_open(before)


async def test_descriptors_that_come_with_a_request_are_not_kept(requests: socket.socket) -> None:
    """Whatever is sent, only one byte is read."""
    before = descriptors()
    try:
        socket.send_fds(requests, [b"x" * 1000], [0] * 50)
    except PermissionError:  # if the system refuses them for us
        requests.send(b"x" * 1000)
    _, (line,), _, _ = await asyncio.to_thread(socket.recv_fds, requests, 1, 1)
    os.close(line)
    assert (await ask(requests, {"op": "list"}))[0]["ok"]
    assert not await left_open(before)


async def test_connections_that_nobody_receives_are_bounded(shelf: Shelf) -> None:
    """A kernel that only asks has few connections open, which end by themselves; then it is served."""
    async with Broker(shelf, BrokerTimes(asking=1.0)) as broker:
        requests, before = broker.request_socket, descriptors()
        requests.setblocking(False)
        for _ in range(2000):
            with suppress(BlockingIOError):
                requests.send(b".")
            await asyncio.sleep(0)
        _, (line,), _, _ = socket.recv_fds(requests, 1, 1)
        with socket.socket(fileno=line) as first:
            first.settimeout(20)
            assert await asyncio.to_thread(first.recv, 1) == b""
        lines = 0
        with suppress(BlockingIOError):
            while True:
                _, (line,), _, _ = socket.recv_fds(requests, 1, 1)
                os.close(line)
                lines += 1
                await asyncio.sleep(0)
        assert 0 < lines < 2000
        broker._times = BrokerTimes()
        requests.settimeout(20)
        assert (await ask(requests, {"op": "list"}))[0]["ok"]
        assert not await left_open(before, module.AT_ONCE)


async def test_a_request_is_not_lost_while_there_are_no_descriptors(
    requests: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that comes when we have no descriptor to spare is answered as soon as there is one."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        requests.send(b".")
        while not caplog.records:  # noqa: ASYNC110  a log has no event
            await asyncio.sleep(0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    _, (line,), _, _ = await asyncio.to_thread(socket.recv_fds, requests, 1, 1)
    with socket.socket(fileno=line) as peer:
        peer.settimeout(20)
        peer.sendall(b'{"op": "list"}\n')
        assert json.loads(await asyncio.to_thread(peer.recv, 65536))["ok"]


async def test_requests_leave_descriptors_for_everything_else(
    requests: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """They wait while no more are free than the rest of the program needs, which is logged once for each."""
    before, limits = descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SPARE, limits[1]))  # of which none may be used
    try:
        requests.send(b".")
        while not caplog.records:  # noqa: ASYNC110  a log has no event
            await asyncio.sleep(0)
        await asyncio.sleep(3 * module.PAUSE)
        assert descriptors() <= before
        os.close(os.open(os.devnull, os.O_RDONLY))  # something else
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    _, (line,), _, _ = await asyncio.to_thread(socket.recv_fds, requests, 1, 1)
    os.close(line)
    assert len(caplog.records) == 1


async def test_leaving_closes_everything(shelf: Shelf) -> None:
    """Even with requests waiting on both sides, no descriptor, task or thread remains."""
    before, threads = descriptors(), ours()
    peers = []
    async with Broker(shelf) as broker:
        for request in (b'{"op": "open", "file": "slow"}\n', b'{"op"', b""):
            peers.append(await asyncio.to_thread(connect, broker.request_socket))
            peers[-1].sendall(request)
        await shelf.held.wait()
    for peer in peers:
        peer.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not await left_open(before)
    assert ours() == threads


async def test_nobody_else_can_ask(requests: socket.socket) -> None:
    """Neither end has a name, so there is nothing to connect to, to delete or to replace with a link."""
    assert (requests.getsockname(), requests.getpeername()) == ("", "")


@pytest.mark.parametrize("turn", ["shut", "turned to nobody", "turned to another", "closed"])
async def test_what_a_kernel_does_to_its_request_socket_is_its_own_loss(
    tmp_path: Path, shelf: Shelf, turn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may shut its end down, reconnect it or close it: nothing is raised, logged or left behind."""
    before = descriptors()
    async with Broker(shelf) as broker, Broker(shelf) as other:
        broker.request_socket.send(b".")
        match turn:
            case "shut":
                broker.request_socket.shutdown(socket.SHUT_RDWR)
            case "turned to nobody":
                connect_to_nobody(broker.request_socket)
            case "turned to another":
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as elsewhere:
                    elsewhere.bind(str(tmp_path / "socket"))
                    with contextlib.suppress(OSError):  # if it is no datagram socket
                        broker.request_socket.connect(str(tmp_path / "socket"))
            case "closed":
                broker.request_socket.close()
        assert (await ask(other.request_socket, {"op": "list"}))[0]["ok"]
    assert caplog.records == []
    assert not await left_open(before)


def connect_to_nobody(requests: socket.socket) -> None:
    """connect(2) with AF_UNSPEC, which Python has no name for."""
    address = ctypes.create_string_buffer(16)
    # -1 if it was no datagram socket.
    assert ctypes.CDLL(None).connect(requests.fileno(), address, 16) in (0, -1)


def test_whoever_waits_longer_hears_the_reason_of_whoever_gives_up_first() -> None:
    """The bot's answer, then the broker's, then the kernel's own patience: else a time-out hides why."""
    times = BrokerTimes()
    assert times.turn + module.BOT_TIME < times.answering
    assert times.asking + times.answering < inside.ANSWERING_TIME
