"""What a kernel can do over a connection with a ticket, and what a hostile one cannot."""

import asyncio
import errno
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kernels.broker import Broker
from kernels.state import exchange as module
from kernels.state.exchange import Exchange, LoadErrand, SaveErrand
from kernels.state.session_state import SessionState
from kernels.state.store import StateStore
from tests.descriptors import descriptors, left_open
from tests.kernels.state.kernel_side import chunked, connect, fetch, told, upload
from tests.kernels.state.saves import numbers
from tests.live.cells import NoFiles

LARGE = [bytes([number]) * (1 << 20) for number in range(3)]
META = {"names": ["df", "x"], "lost": [{"name": "db", "cell": 3, "what": "a database connection"}]}


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    """A store with little room."""
    return StateStore(tmp_path / "states", quota=8 << 20, disk=1 << 30)


@pytest.fixture
def state(store: StateStore) -> SessionState:
    """The saves of a session, none yet."""
    return store.session("u7")


@pytest.fixture
def exchange() -> Exchange:
    """The session's exchange."""
    return Exchange()


@pytest.fixture
async def requests(exchange: Exchange) -> AsyncIterator[socket.socket]:
    """The request socket of the session's kernel. Nothing may be left when its broker has ended."""
    before = descriptors()
    async with Broker(NoFiles(), errands=exchange) as broker:
        broker.request_socket.settimeout(30)
        yield broker.request_socket
    assert not await left_open(before)
    for thread in threading.enumerate():
        if thread.name.startswith("apart: "):
            thread.join(30)
            assert not thread.is_alive()


async def save(
    requests: socket.socket, exchange: Exchange, state: SessionState, buffers: list[list[bytes]], **how: Any
) -> tuple[SaveErrand, dict[str, Any], list[int]]:
    """Save as cell 12; returns also the last answer, and which chunks were asked for."""
    async with exchange.offered(SaveErrand(state, 12)) as saving:
        peer = await asyncio.to_thread(connect, requests)
        answer, missing = await asyncio.to_thread(upload, peer, saving.ticket, buffers, META, **how)
    return saving, answer, missing


async def test_what_was_saved_comes_back(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """All buffers, an empty one and a repeated chunk among them, and what the kernel said of them."""
    saving, answer, missing = await save(requests, exchange, state, [[b"graph"], [], [*LARGE, LARGE[0]]])
    assert (answer, missing) == ({"ok": True}, [0, 1, 2, 3])
    saved = state.newest()
    assert saved is not None
    assert saving.manifest == saved
    async with exchange.offered(LoadErrand(state, saved)) as load:
        peer = await asyncio.to_thread(connect, requests)
        header, buffers = await asyncio.to_thread(fetch, peer, load.ticket)
    assert buffers == [b"graph", b"", b"".join([*LARGE, LARGE[0]])]
    assert (header["ok"], header["cell"], header["meta"]["names"]) == (True, 12, META["names"])
    assert not load.damaged


async def test_only_what_is_new_is_asked_for(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """Chunks that an earlier save has are not sent again."""
    await save(requests, exchange, state, [[b"graph"], LARGE])
    saving, _, missing = await save(requests, exchange, state, [[b"other graph"], LARGE])
    assert missing == [0]
    assert saving.manifest is not None


async def test_a_ticket_counts_once_and_for_its_own_purpose(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """Any other is refused, in the words of an unknown request, and harms nothing."""
    async with exchange.offered(SaveErrand(state, 12)) as saving:
        bad: list[dict[str, Any]] = [
            {"op": "save"},
            {"op": "save", "ticket": ""},
            {"op": "save", "ticket": 7},
            {"op": "save", "ticket": "\ud800"},
            {"op": "save", "ticket": saving.ticket[:-1]},
            {"op": "load", "ticket": saving.ticket},
            {"op": ["save"], "ticket": saving.ticket},
            {"ticket": saving.ticket},
        ]
        for request in bad:
            with await asyncio.to_thread(connect, requests) as peer:
                answer, _ = await asyncio.to_thread(told, peer, request)
                assert not answer["ok"]
        peer = await asyncio.to_thread(connect, requests)
        answer, _ = await asyncio.to_thread(upload, peer, saving.ticket, [[b"graph"]])
        assert answer == {"ok": True}
        peer = await asyncio.to_thread(connect, requests)
        answer, _ = await asyncio.to_thread(upload, peer, saving.ticket, [[b"other"]])
        assert not answer["ok"]
    peer = await asyncio.to_thread(connect, requests)
    answer, _ = await asyncio.to_thread(upload, peer, saving.ticket, [[b"late"]])
    assert not answer["ok"]
    assert state.newest() == saving.manifest


DIGEST = "0" * 32
BAD_LISTS = [
    b"\n",
    b"null\n",
    b"[]\n",
    b'{"buffers": [], "meta": \n',
    b'{"meta": {}}\n',
    b'{"buffers": {}, "meta": {}}\n',
    b'{"buffers": [[["0", 5]]], "meta": {}}\n',
    json.dumps({"buffers": [[[DIGEST, 0]]], "meta": {}}).encode() + b"\n",
    json.dumps({"buffers": [[[DIGEST, 1.5]]], "meta": {}}).encode() + b"\n",
    json.dumps({"buffers": [[[DIGEST, 1 << 30]]], "meta": {}}).encode() + b"\n",
    json.dumps({"buffers": [[[DIGEST, 5], [DIGEST, 6]]], "meta": {}}).encode() + b"\n",
    json.dumps({"buffers": [], "meta": "x" * (300 << 10)}).encode() + b"\n",
    b'{"buffers": ' + b"[" * 100_000 + b"\n",
    b'{"buffers": [' + b"[]," * 70_000 + b'[]], "meta": {}}\n',
    b'{"buffers": [], "meta": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    b'{"buffers": [], "meta": {}}\n{"buffers": [], "meta": {}}\n',
    b" " * (9 << 20) + b"\n",
]


@pytest.mark.parametrize("line", BAD_LISTS, ids=lambda line: repr(line[:40]))
async def test_a_bad_list_of_chunks_is_refused(
    requests: socket.socket,
    exchange: Exchange,
    state: SessionState,
    caplog: pytest.LogCaptureFixture,
    line: bytes,
) -> None:
    """With a sentence, whatever it is; nothing is stored, and nothing is logged as a fault of ours."""
    async with exchange.offered(SaveErrand(state, 12)) as saving:
        with await asyncio.to_thread(connect, requests) as peer:
            await asyncio.to_thread(told, peer, {"op": "save", "ticket": saving.ticket})
            try:
                answer, _ = await asyncio.to_thread(told, peer, line)
            except ConnectionError:  # it was refused while it was still being sent
                answer = {"ok": False, "message": "reset"}
    assert (answer["ok"], bool(answer["message"])) == (False, True)
    assert saving.manifest is None
    assert state.newest() is None
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_other_bytes_than_were_announced_are_refused(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """A thread may have changed them; then the save before stays."""
    _, answer, _ = await save(requests, exchange, state, [[b"graph"]])
    before = state.newest()
    async with exchange.offered(SaveErrand(state, 13)) as saving:
        with await asyncio.to_thread(connect, requests) as peer:
            await asyncio.to_thread(told, peer, {"op": "save", "ticket": saving.ticket})
            named = {"buffers": [[[DIGEST, 5]]], "meta": {}}
            answer, _ = await asyncio.to_thread(told, peer, named)
            assert answer == {"ok": True, "missing": [0]}
            answer, _ = await asyncio.to_thread(told, peer, b"12345")
    assert not answer["ok"]
    assert saving.manifest is None
    assert state.newest() == before


async def test_a_save_that_does_not_fit_is_refused_before_it_is_sent(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """The kernel reads why, and what was there before stays."""
    await save(requests, exchange, state, [[b"graph"]])
    before = state.newest()
    buffers = [[bytes([number]) * (1 << 20) for number in range(9)]]
    saving, answer, missing = await save(requests, exchange, state, buffers)
    assert (answer["ok"], missing, saving.manifest) == (False, [], None)
    assert saving.refused is None
    assert state.newest() == before


async def test_a_connection_that_ends_early_stores_nothing(
    requests: socket.socket, exchange: Exchange, state: SessionState, tmp_path: Path
) -> None:
    """Not even the chunks that have come."""
    saving, answer, _ = await save(requests, exchange, state, [LARGE], most=1)
    assert answer is None
    assert saving.manifest is None
    assert state.newest() is None
    assert not [path for path in (tmp_path / "states").rglob("*") if path.stat().st_size >= 1 << 20]


@pytest.mark.parametrize(("history", "quota"), [(2, 1 << 30), (20, 3 << 20)])
async def test_a_kernel_that_goes_before_the_last_answer_keeps_no_older_saves(
    requests: socket.socket, exchange: Exchange, tmp_path: Path, history: int, quota: int
) -> None:
    """Neither more than the history may have, nor more than the person may use."""
    root = tmp_path / "states"
    store = StateStore(root, quota=quota, disk=1 << 30, history=history)
    for piece in (*LARGE, b"3" * (1 << 20)):
        async with exchange.offered(SaveErrand(store.session("u7"), 12)) as saving:
            with await asyncio.to_thread(connect, requests) as peer:
                await asyncio.to_thread(told, peer, {"op": "save", "ticket": saving.ticket})
                await asyncio.to_thread(told, peer, {"buffers": chunked([[piece]]), "meta": {}})
                await asyncio.to_thread(peer.sendall, piece)
                peer.shutdown(socket.SHUT_RDWR)
            async with asyncio.timeout(30):
                while saving.manifest is None:  # noqa: ASYNC110  state within it
                    await asyncio.sleep(0.005)
    assert numbers(root, "u7") == [3, 4]
    held = store._quotas._counted()["u7"]["u7"]
    assert (held.used, [number for number, _ in held.saves]) == (2 * ((1 << 20) + 4096), [3, 4])


async def test_a_kernel_that_stops_sending_is_left_after_a_while(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """A byte now and then does not prolong a step."""
    async with exchange.offered(SaveErrand(state, 12, step=0.2)) as saving:
        with await asyncio.to_thread(connect, requests) as peer:
            await asyncio.to_thread(told, peer, {"op": "save", "ticket": saving.ticket})

            def drip() -> None:
                while True:
                    peer.sendall(b" ")

            with pytest.raises(OSError):  # noqa: PT011  which one depends on the moment
                await asyncio.to_thread(drip)
    assert saving.manifest is None


@pytest.mark.parametrize("how", ["nothing", "list", "load"])
async def test_leaving_cuts_a_connection_that_hangs(
    requests: socket.socket, exchange: Exchange, state: SessionState, how: str
) -> None:
    """A kernel that sends or takes nothing more keeps no thread, and nothing is stored after that."""
    await save(requests, exchange, state, [[b"graph"], LARGE])
    saved = state.newest()
    assert saved is not None
    errand: SaveErrand | LoadErrand = LoadErrand(state, saved) if how == "load" else SaveErrand(state, 13)
    async with exchange.offered(errand):
        peer = await asyncio.to_thread(connect, requests)
        answer, _ = await asyncio.to_thread(told, peer, {"op": errand.op, "ticket": errand.ticket})
        assert answer["ok"]
        if how == "list":
            missing = {"buffers": [[[DIGEST, 5]]], "meta": {}}
            answer, _ = await asyncio.to_thread(told, peer, missing)
            assert answer == {"ok": True, "missing": [0]}
            peer.sendall(b"1234")
    with peer, peer.makefile("rb") as rest:
        if how != "load":
            assert rest.read() == b""
    assert state.newest() == saved


async def test_idle_connections_do_not_keep_a_save_out(
    requests: socket.socket, exchange: Exchange, state: SessionState
) -> None:
    """Fifteen connections on which nothing is said cost the kernel itself their places, and no more."""
    idle = [await asyncio.to_thread(connect, requests) for _ in range(15)]
    _, answer, _ = await save(requests, exchange, state, [[b"graph"]])
    assert answer == {"ok": True}
    for peer in idle:
        peer.close()


async def test_a_broker_that_ends_cuts_a_save(exchange: Exchange, state: SessionState) -> None:
    """As when the kernel is killed by its limits while it saves."""
    async with exchange.offered(SaveErrand(state, 12)) as saving:
        async with Broker(NoFiles(), errands=exchange) as broker:
            peer = await asyncio.to_thread(connect, broker.request_socket)
            await asyncio.to_thread(told, peer, {"op": "save", "ticket": saving.ticket})
        with peer, peer.makefile("rb") as rest:
            assert rest.read() == b""
    assert saving.manifest is None


async def test_damaged_chunks_end_a_load_early(
    requests: socket.socket, exchange: Exchange, state: SessionState, tmp_path: Path
) -> None:
    """No byte of them is sent, nor words in their place: whoever asked can take the save before."""
    await save(requests, exchange, state, [[b"graph"], LARGE])
    saved = state.newest()
    assert saved is not None
    digest = saved.buffers[1][1].digest
    (chunk,) = (tmp_path / "states").rglob(f"*{digest}*")
    chunk.write_bytes(b"?" * (1 << 20))
    async with exchange.offered(LoadErrand(state, saved)) as load:
        peer = await asyncio.to_thread(connect, requests)
        _, buffers = await asyncio.to_thread(fetch, peer, load.ticket)
    assert buffers == [b"graph", LARGE[0]]
    assert load.damaged


async def test_a_fault_of_ours_is_logged_and_told_in_a_sentence(
    requests: socket.socket,
    exchange: Exchange,
    state: SessionState,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The sentence says nothing of the host."""

    def listed(_line: bytearray) -> Any:
        raise OSError(5, "Input/output error", "/secret/path")

    monkeypatch.setattr(module, "_listed", listed)
    saving, answer, _ = await save(requests, exchange, state, [[b"graph"]])
    assert saving.manifest is None
    assert not answer["ok"]
    assert "secret" not in answer["message"]
    assert "Input/output error" in caplog.text


async def test_a_thread_that_is_refused_is_not_the_kernels_fault(
    requests: socket.socket, exchange: Exchange, state: SessionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees an early end, and the save is tried again."""

    async def refuses(*_: object) -> None:
        raise OSError(errno.EAGAIN, "can't start new thread")

    monkeypatch.setattr(module, "in_thread", refuses)
    saving, answer, _ = await save(requests, exchange, state, [[b"graph"]])
    assert (answer, saving.manifest) == (None, None)
    assert isinstance(saving.refused, OSError)
