"""All channels of one kernel, read as soon as something arrives.

    wire = Wire(connection_info, session, receive)
    while not wire.connect(): ...               # until the kernel listens
    message_id = wire.send("shell", "execute_request", {...})
    wire.close()

`receive` is called for each message, in the order of its channel, with None for one that cannot be parsed; it
should not raise. The event loop reads the channels itself, without polling, threads or tasks;
jupyter_client's own async client takes 0.8 ms more for each cell. If messages take long to process, the wire
rests in between, so that other kernels get their part of the loop's time. There is no heartbeat channel: the
exit of the process is noticed elsewhere.
"""

import asyncio
import contextlib
import hmac
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from jupyter_client.session import Session

from kernels.wire.channel import KINDS, Channel
from kernels.wire.zmtp import SUBSCRIPTION

__all__ = ["Message", "Wire"]

log = logging.getLogger(__name__)

BATCH = 50  # messages of a channel that are received before other tasks get their turn
BATCH_SIZE = 1 << 20  # bytes, likewise
BATCH_TIME = 0.02  # seconds, likewise; after a longer one the wire rests
REST = 0.25  # of the time that a batch took; with all of it 300 MB of text took three times as long
LAST = 5.0  # seconds to receive what an ended process has sent: another may hold its sockets open
DRAIN = 0.05  # seconds without anything new after which all of that has been received
MOST_VALUES = 100_000  # values in the JSON of one frame; 5 million cost us 10 s and 500 MB
MARKS = (b",", b"[", b"{")  # JSON has one of these for each value but the first
FEW = 1000
LONG_NUMBER = re.compile(rb"-[0-9]{4300}")  # what json reads, and msgspec does not: it counts the sign
DELIMITER = b"<IDS|MSG>"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a kernel: its channel, its type, the request of ours that it answers, its content."""

    channel: str
    kind: str
    parent_id: str
    content: Any
    metadata: Any
    signature: bytes = field(default=b"", compare=False)  # no two messages have the same


class Wire:
    """See the module's text. `session` signs with the kernel's key.

    `ended` is set when the kernel has closed every channel.
    """

    def __init__(
        self, connection: dict[str, Any], session: Session, receive: Callable[[Message | None], None]
    ) -> None:
        self.ended = asyncio.Event()
        self._connection = connection
        self._session = session
        session.pack = _dumps
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, Channel] = {}
        self._rest: asyncio.TimerHandle | None = None
        self._failed = False  # whether it was logged that a message could not be processed

    def connect(self) -> bool:
        """Connect the channels that are not yet; False if the kernel does not listen. Raises: OSError."""
        for name in KINDS:
            if name not in self._channels:
                path = f"{self._connection['ip']}-{self._connection[f'{name}_port']}"
                try:
                    self._channels[name] = Channel(name, path, self._session.bsession)
                except (FileNotFoundError, ConnectionError, BlockingIOError):
                    return False
                self._channels[name].watch(partial(self._take, name))
        return True

    def close(self) -> None:
        """Close every channel; nothing is received any more."""
        if self._rest is not None:
            self._rest.cancel()
        for channel in self._channels.values():
            channel.close()

    def send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """Send a request, without waiting; returns its message id, which answers carry as their parent."""
        message = self._session.msg(kind, content, metadata={"kernelcord": True})
        self._channels[channel].send(self._session.serialize(message))
        return str(message["header"]["msg_id"])

    def subscribe(self) -> None:
        """Subscribe to all output again, which makes the kernel look at the messages that have arrived."""
        self._channels["iopub"].send([SUBSCRIPTION])

    @property
    def state(self) -> str:
        """How far each channel is, and how many bytes it got: "iopub greeted 64 B, shell closed 0 B"."""
        states = (f"{name} {it.state} {it.received} B" for name, it in self._channels.items())
        return ", ".join(states) or "none connected"

    async def drained(self) -> None:
        """Return when everything that the ended process sent has been received."""
        received = -1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                while not self.ended.is_set() and (self._rest or received < self._received()):
                    received = self._received()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.ended.wait(), DRAIN)

    def _received(self) -> int:
        return sum(channel.received for channel in self._channels.values())

    def _take(self, *names: str) -> None:
        """Receive a batch from each channel; if there may be more, go on after others have had their turn."""
        rests = [self._batch(name, self._channels[name]) for name in names]
        channels = self._channels.values()
        if any(rest is not None for rest in rests):
            for channel in channels:
                channel.unwatch()
            self._rest = self._loop.call_later(sum(rest or 0 for rest in rests), self._go_on)
        elif len(channels) == len(KINDS) and all(channel.ended for channel in channels):
            self.ended.set()

    def _go_on(self) -> None:
        self._rest = None
        for name, channel in self._channels.items():
            channel.watch(partial(self._take, name))
        self._take(*self._channels)

    def _batch(self, name: str, channel: Channel) -> float | None:
        """Receive some messages; returns the seconds to rest before the next one, None if there is none."""
        began, received = self._loop.time(), channel.received
        for count, frames in enumerate(channel.messages(), 1):
            try:
                self._receive(self.parsed(name, frames))
            except Exception:  # a fault of ours with one message must not cost the kernel its reader
                if not self._failed:
                    log.exception("a message of a kernel could not be processed (said once)")
                self._failed = True
                self._receive(None)  # it counts as broken, or a kernel could send such messages without end
            took = self._loop.time() - began
            if took > BATCH_TIME:
                return REST * took
            if count == BATCH or channel.received - received >= BATCH_SIZE:
                return 0
        return None

    def parsed(self, channel: str, frames: list[bytes]) -> Message | None:
        """The message in `frames`, or None if this kernel did not send it.

        https://jupyter-client.readthedocs.io/en/stable/messaging.html#wire-protocol
        """
        try:
            signature, header, parent, metadata, content = frames[frames.index(DELIMITER) + 1 :][:5]
            signed: bytes = self._session.sign([header, parent, metadata, content])
            if not hmac.compare_digest(signature, signed):
                return None
            parsed, parent_header = _loads(header), _loads(parent)
            kind, parent_id = parsed["msg_type"], parent_header.get("msg_id", "")
            if not isinstance(kind, str) or not isinstance(parent_id, str):
                return None
            return Message(channel, kind, parent_id, _loads(content), _loads(metadata), signature)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None


def _dumps(value: Any) -> bytes:
    """The JSON of a part of a request, in a quarter of the time that jupyter_client's own packer takes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a character, in an answer or in code to complete
        return json.dumps(value).encode()


def _loads(text: bytes) -> Any:
    """The value of some JSON. Raises: ValueError, also for very many values; RecursionError."""
    if len(text) > MOST_VALUES and _crowded(text):
        raise ValueError("too many values")
    number = _number if LONG_NUMBER.search(text) else None  # it may be in a string
    if number is None:
        with contextlib.suppress(msgspec.DecodeError):  # it refuses NaN, Infinity and lone surrogates
            return msgspec.json.decode(text)  # takes a fifth of the time
    # Given bytes, json would guess the encoding.
    return json.loads(text.decode("utf-8", "surrogatepass"), parse_int=number)


def _number(digits: str) -> int:
    if LONG_NUMBER.match(digits.encode()):
        raise ValueError("too long a number")
    return int(digits)


def _crowded(text: bytes) -> bool:
    """Whether some JSON has more than `MOST_VALUES`, as far as the marks between its values show."""
    if all(_has_few(text, mark) for mark in MARKS):  # as a picture: this takes 0.3 ms, counting takes 7
        return False
    if sum(map(text.count, MARKS)) <= MOST_VALUES:  # including the marks within strings
        return False
    plain = text.replace(rb"\\", b"").replace(rb"\"", b"")  # so that each quote begins or ends a string
    if plain.count(b'"') > 2 * MOST_VALUES:
        return True
    outside = b"".join(plain.split(b'"')[::2])
    return sum(map(outside.count, MARKS)) > MOST_VALUES


def _has_few(text: bytes, mark: bytes) -> bool:
    """Whether a text has fewer than `FEW` of a mark: finding some is quicker than counting all."""
    index = -1
    return any((index := text.find(mark, index + 1)) < 0 for _ in range(FEW))
