"""The loop reads a kernel's sockets: every message once and in order, and a broken one as None."""

import asyncio
import json
import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import zmq
from jupyter_client.session import Session

from kernels.node.encoding import decode, encode
from kernels.wire.channel import KINDS, LARGEST, MOST_WAITING, Channel
from kernels.wire.connection import BATCH_TIME, DELIMITER, MOST_VALUES, Message, Wire
from tests.descriptors import descriptors, left_open
from tests.kernels.wire.wires import KEY, FarEnd, Received, wired


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a path short enough for sockets."""
    return tmp_path_factory.mktemp("w")


async def test_a_message_is_parsed(folder: Path) -> None:
    """Channel, kind, parent and content of an honest message come through."""
    async with wired(folder) as (_, far, received):
        far.publish(*far.frames(b'{"text": "a"}', parent="request"))
        await received.count(1)
    assert received.messages == [Message("iopub", "stream", "request", {"text": "a"}, {})]


async def test_a_request_is_signed_and_answered(folder: Path) -> None:
    """What is sent carries the returned id and a valid signature."""
    async with wired(folder) as (wire, far, received):
        message_id = wire.send("shell", "execute_request", {"code": "1"})
        shell = far.sockets["shell"]
        identity, *frames = await asyncio.to_thread(shell.recv_multipart)
        _, message = far.session.feed_identities(frames)
        assert far.session.deserialize(message)["header"]["msg_id"] == message_id
        shell.send_multipart([identity, *far.frames(b"{}", kind="execute_reply", parent=message_id)[1:]])
        await received.count(1)
    assert received.messages == [Message("shell", "execute_reply", message_id, {}, {})]


async def test_half_a_character_can_be_sent(folder: Path) -> None:
    """An answer may contain it: the start of an emoji, or a byte from a terminal that is not UTF-8."""
    half = "\ud83d \udc80"
    async with wired(folder) as (wire, far, _):
        wire.send("shell", "execute_request", {"code": half})
        _, *frames = await asyncio.to_thread(far.sockets["shell"].recv_multipart)
        _, message = far.session.feed_identities(frames)
    assert far.session.deserialize(message)["content"] == {"code": half}


async def test_a_subscription_can_be_made_again(folder: Path) -> None:
    """The kernel's socket gets it, which wakes a kernel that has not seen the first."""
    async with wired(folder) as (wire, far, _):
        far.sockets["iopub"].setsockopt(zmq.XPUB_VERBOSE, 1)  # report every one, not only the first
        assert "iopub connected 0 B" not in wire.state
        wire.subscribe()
        await asyncio.to_thread(far.subscribed)


@pytest.mark.parametrize("name", KINDS)
async def test_a_kernel_that_reads_nothing_is_sent_no_more(folder: Path, name: str) -> None:
    """A kernel could ask again and again, and all the answers for it would pile up here.

    All its channels together hold little more than the largest messages that they need.
    """
    assert sum(MOST_WAITING.values()) <= 80 << 20
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "deaf"))
        listening.listen()
        channel = Channel(name, str(folder / "deaf"), b"client")
        channel.send([bytes(MOST_WAITING[name] // 2)])
        assert not channel.ended
        channel.send([bytes(MOST_WAITING[name] // 2)])
        channel.send([b"goes nowhere"])
        assert channel.ended


def deep(levels: int) -> bytes:
    """A JSON list nested this deep."""
    return b"[" * levels + b"]" * levels


def crowded(value: str) -> bytes:
    """A JSON object with too many of this value."""
    return f'{{"text": [{f"{value}, " * MOST_VALUES}0]}}'.encode()


@pytest.mark.parametrize(
    "broken",
    [
        lambda far: [],
        lambda far: [b""],
        lambda far: [DELIMITER],
        lambda far: [b"no", b"delimiter", b"in", b"any", b"of", b"these"],
        lambda far: far.frames(b"{}")[:5],
        lambda far: [*far.frames(b"{}")[:2], b"0" * 64, *far.frames(b"{}")[3:]],
        lambda far: [*far.frames(b"{}")[:-1], b'{"changed": 1}'],
        lambda far: far.frames(b"not json"),
        lambda far: far.frames(b"\xff\xfe\xfd\x00"),
        lambda far: far.frames(deep(200_000)),
        lambda far: far.frames(b"1" * 10_000),
        lambda far: far.frames(b"-" + b"1" * 4300),
        lambda far: far.frames(crowded("[]")),
        lambda far: far.frames(crowded('"\\\\"')),
        lambda far: far.frames(b"{}", header=crowded("1")),
        lambda far: far.frames(json.dumps({"text": '"'}).encode("utf-16")),
        lambda far: far.frames(b"{}", header=b"[]"),
        lambda far: far.frames(b"{}", header=b'{"msg_id": "without a type"}'),
        lambda far: far.frames(b"{}", header=b'{"msg_type": {"a": 1}}'),
        lambda far: far.frames(b"{}", header=deep(200_000)),
    ],
)
async def test_a_broken_message_is_none_and_the_next_one_arrives(folder: Path, broken: object) -> None:
    """Missing frames, wrong signatures, wrong types and JSON of any depth cost that one message only."""
    async with wired(folder) as (_, far, received):
        far.publish(*(broken(far) or [b""]))  # type: ignore[operator]
        far.publish(*far.frames(b"{}"))
        await received.count(2)
    assert received.messages == [None, Message("iopub", "stream", "p", {}, {})]


class Failing(Received):
    """Fails at every message that could be parsed."""

    def __call__(self, message: Message | None) -> None:
        if message is not None:
            raise RecursionError("in our code")
        super().__call__(message)


async def test_a_message_that_we_fail_at_counts_as_broken(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A kernel that knows such a message could send it without end; the log has the first one."""
    async with wired(folder, Failing()) as (_, far, received):
        for _ in range(3):
            far.publish(*far.frames(b"{}"))
        await received.count(3)
    assert received.messages == [None] * 3
    (record,) = caplog.records
    assert record.message == "a message of a kernel could not be processed (said once)"
    assert "in our code" in caplog.text


async def test_a_text_may_have_any_number_of_marks(folder: Path) -> None:
    """Commas, brackets, quotes and backslashes in a text are no values, however many they are."""
    text = ',[{"\\' * MOST_VALUES
    async with wired(folder) as (_, far, received):
        far.publish(*far.frames(json.dumps({"text": text}).encode()))
        await received.count(1)
    assert received.messages == [Message("iopub", "stream", "p", {"text": text}, {})]


async def test_each_number_that_is_read_can_be_told_to_the_bot(folder: Path) -> None:
    """Any number of digits that json reads; digits in a text are no number."""
    values = {"numbers": [-int("1" * 4299), int("1" * 4300), -7], "text": "-" + "1" * 5000}
    async with wired(folder) as (_, far, received):
        far.publish(*far.frames(json.dumps(values).encode()))
        await received.count(1)
    assert received.messages == [Message("iopub", "stream", "p", values, {})]
    assert decode(encode(values), Any) == values


async def test_surrogates_are_passed_on_for_the_border_to_repair(folder: Path) -> None:
    """An escaped lone surrogate is legal JSON; it does not stop the reader."""
    async with wired(folder) as (_, far, received):
        far.publish(*far.frames(rb'{"text": "\ud800"}'))
        await received.count(1)
    assert received.messages[0] is not None
    assert received.messages[0].content == {"text": "\ud800"}


@pytest.mark.parametrize(
    "content",
    [b"[NaN, -Infinity]", b"[1e400]", b'"\xed\xa0\x80"', b"[" + b"1" * 100 + b"]", b'{"a": 1, "a": 2}'],
)
async def test_what_only_json_reads_is_read_as_json_reads_it(folder: Path, content: bytes) -> None:
    """Kernels in Python send things that are no number or character to any other JSON reader."""
    async with wired(folder) as (_, far, received):
        far.publish(*far.frames(content))
        await received.count(1)
    assert received.messages[0] is not None
    expected = json.loads(content.decode("utf-8", "surrogatepass"))
    assert repr(received.messages[0].content) == repr(expected)


async def test_a_reader_that_was_stalled_loses_nothing(folder: Path) -> None:
    """20,000 messages sent while our loop is slow arrive whole and in order: the sender waits."""
    number = 20_000
    async with wired(folder) as (_, far, received):
        sending = asyncio.create_task(asyncio.to_thread(flood, far, number))
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251  the stall itself
        await received.count(number)
        await sending
    assert [message and message.content for message in received.messages] == list(range(number))


def flood(far: FarEnd, number: int) -> None:
    """Publish this many messages, as fast as they are taken."""
    for count in range(number):
        far.publish(*far.frames(str(count).encode()))


async def test_a_flood_leaves_other_tasks_their_turn(folder: Path) -> None:
    """While thousands of messages are read, another task runs between the batches."""
    turns = 0
    async with wired(folder) as (_, far, received):
        sending = asyncio.create_task(asyncio.to_thread(flood, far, 2000))
        while len(received.messages) < 2000:
            turns += 1
            await asyncio.sleep(0)
        await sending
    assert turns > 2000 / 200


class Slow(Received):
    """A receiver that takes long for each message, without giving anybody else a turn."""

    def __call__(self, message: Message | None) -> None:
        super().__call__(message)
        time.sleep(2 * BATCH_TIME)


@pytest.mark.parametrize("drained", [False, True], ids=["as they come", "at the end"])
async def test_what_takes_long_leaves_others_some_time(folder: Path, *, drained: bool) -> None:
    """After each message that took long, others get many turns, not just one, before the next is taken."""
    turns, number = 0, 10
    async with wired(folder, Slow()) as (wire, far, received):
        for count in range(number):
            far.publish(*far.frames(str(count).encode(), header=b'{"msg_type": "%b"}' % (b"x" * 50_000)))
        draining = asyncio.create_task(wire.drained()) if drained else None
        while len(received.messages) < number:
            turns += 1
            await asyncio.sleep(0)
        if draining is not None:
            await draining
    assert [message and message.content for message in received.messages] == list(range(number))
    assert turns > 10 * number


async def test_a_fault_in_receiving_costs_one_message(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If our own code fails with a message, that is logged, and the reader goes on."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    far, received = FarEnd(context, folder), Received()

    def receive(message: Message | None) -> None:
        received(message)
        if len(received.messages) == 1:
            raise KeyError("our fault")

    with closing(Wire(far.connection, Session(key=KEY), receive)) as wire:
        wire.connect()
        await asyncio.to_thread(far.subscribed)
        for _ in range(2):
            far.publish(*far.frames(b"{}"))
        await received.count(2)
    far.close()
    context.destroy(linger=0)
    assert "our fault" in caplog.text


@pytest.mark.parametrize(
    ("content", "more"),
    [(b'"%b"' % (b"x" * LARGEST), []), (b"{}", [bytes(LARGEST // 2)] * 2), (b"{}", [b""] * 5000)],
    ids=["a frame", "together", "frames"],
)
async def test_what_is_too_large_is_left_out_and_the_connection_stays(
    folder: Path, content: bytes, more: list[bytes]
) -> None:
    """A valid message counts as broken, and the next one arrives over the same connection."""
    async with wired(folder) as (_, far, received):
        far.publish(*far.frames(content), *more)
        far.publish(*far.frames(b"{}"))
        await received.count(2)
        while received.messages[-1] is None:
            await received.count(len(received.messages) + 1)
    *broken, last = received.messages
    assert broken == [None] * len(broken) != []
    assert last == Message("iopub", "stream", "p", {}, {})


async def test_a_long_request_is_sent_whole(folder: Path) -> None:
    """What the stream has no room for yet is sent as soon as it has, before anything sent later."""
    code = "x" * 5_000_000
    async with wired(folder) as (wire, far, _):
        for text in (code, "1"):
            wire.send("shell", "execute_request", {"code": text})
        for text in (code, "1"):
            _, *frames = await asyncio.to_thread(far.sockets["shell"].recv_multipart)
            _, message = far.session.feed_identities(frames)
            assert far.session.deserialize(message)["content"]["code"] == text


async def test_a_request_that_is_sent_at_once_arrives(folder: Path) -> None:
    """It waits until the other end has announced that it listens."""
    with ExitStack() as stack:
        far = stack.enter_context(closing(FarEnd(stack.enter_context(zmq.Context()), folder)))
        wire = stack.enter_context(closing(Wire(far.connection, Session(key=KEY), Received())))
        wire.connect()
        for name in ("shell", "control", "stdin"):
            wire.send(name, "a_request", {})
        for name in ("shell", "control", "stdin"):
            assert await asyncio.to_thread(far.sockets[name].poll, 10_000)


async def test_what_is_left_is_watched_no_more(folder: Path) -> None:
    """Neither a wire closed while much is still to be sent and received, nor one whose other end is gone."""
    loop: Any = asyncio.get_running_loop()
    watched = len(loop._selector.get_map())
    async with wired(folder, Slow()) as (wire, far, received):
        for _ in range(10):
            far.publish(*far.frames(b'"%b"' % (b"x" * 50_000)))
        wire.send("control", "a_request", {"text": "x" * 20_000_000})
        await received.count(1)
        wire.close()
        assert len(loop._selector.get_map()) == watched
        await asyncio.sleep(4 * BATCH_TIME)  # longer than the rest would have taken
        assert len(received.messages) == 1
        assert not wire.ended.is_set()


async def test_connecting_says_whether_anybody_listens(folder: Path) -> None:
    """It can be tried again, and continues where it was."""
    connection = {"ip": str(folder / "s"), **{f"{name}_port": name for name in KINDS}}
    with closing(Wire(connection, Session(key=KEY), Received())) as wire, ExitStack() as stack:
        for number in range(len(KINDS)):
            assert not wire.connect(), number
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(f"{folder / 's'}-{list(KINDS)[number]}")
            listening.listen()
        assert wire.connect()


async def test_a_wire_ends_with_its_last_channel(folder: Path) -> None:
    """Everything sent before is received by then; what is sent to nobody is silently lost."""
    async with wired(folder) as (wire, far, received):
        for number in range(500):
            far.publish(*far.frames(json.dumps(number).encode()))
        for name, ended in far.sockets.items():
            await asyncio.sleep(0.01)
            assert not wire.ended.is_set()
            ended.close(linger=-1)
            wire.send(name, "execute_request", {})
        await asyncio.wait_for(wire.drained(), 10)
        assert wire.ended.is_set()
        assert len(received.messages) == 500
        wire.send("shell", "execute_request", {})


async def test_who_does_not_speak_the_protocol_is_left(folder: Path) -> None:
    """Its channel ends, as if the other end had closed it."""
    connection = {"ip": str(folder / "s"), **{f"{name}_port": name for name in KINDS}}
    with closing(Wire(connection, Session(key=KEY), Received())) as wire, ExitStack() as stack:
        listening = []
        for name in KINDS:
            listening.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            listening[-1].bind(f"{folder / 's'}-{name}")
            listening[-1].listen()
        assert wire.connect()
        for each in listening:
            stack.enter_context(each.accept()[0]).sendall(b"HTTP/1.1 400 Bad Request\r\n".ljust(100))
        await asyncio.wait_for(wire.ended.wait(), 10)


async def test_drained_means_that_all_was_received(folder: Path) -> None:
    """After the other end has closed, everything that it sent before has been received."""
    async with wired(folder) as (wire, far, received):
        for number in range(500):
            far.publish(*far.frames(json.dumps(number).encode()))
        await asyncio.wait_for(wire.drained(), 10)
        assert len(received.messages) == 500


async def test_a_wire_leaves_no_descriptor(folder: Path) -> None:
    """Sockets and the reader are gone when the block is left."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    far = FarEnd(context, folder)
    before = descriptors()
    tasks = asyncio.all_tasks()
    with closing(Wire(far.connection, Session(key=KEY), Received())) as wire:
        wire.connect()
        await asyncio.to_thread(far.subscribed)
        assert descriptors() - before
    far.close()
    context.destroy(linger=0)
    assert not await left_open(before)
    assert asyncio.all_tasks() == tasks
