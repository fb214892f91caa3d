"""What a kernel has displayed last, in memory that its node can still read after its death; see `last_words`.

    displays = LastDisplays(memory)     # SIZE bytes of it
    displays.begin_cell()               # its client has everything of the cells before
    displays.add(frames, (120, 0))      # a message, and how much text the streams had then
    records(data)                       # by the node: the messages in the memory, the oldest first

The memory has two halves: when one is full, the other one is emptied and used. So it has at least the last
messages that fit into one half. A message that is larger than a half is not kept.
"""

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

__all__ = ["SIZE", "LastDisplays", "Record", "is_shown", "records"]

HALF = 512 << 10  # bytes; only the part that is used takes memory
SIZE = 2 * HALF
HEAD = struct.Struct("=QQ")  # of a half: its number, counted from the beginning, and how many bytes are used
RECORD = struct.Struct("=IQQ")  # of a message: how many frames, and bytes of stdout and stderr before it
LENGTH = struct.Struct("=I")  # of each frame
MOST = 512  # messages, the newest, that a node reads
MOST_RECORDS, MOST_FRAMES = 1200, 16  # that it looks at in a half, and in a message; a display has six frames
TOPIC = b"display_data"  # the end of the first frame of a display, of an update and of `clear_output`

Record = tuple[tuple[int, int], list[bytes]]


def is_shown(topic: bytes) -> bool:
    """Whether a message with this first frame is a display, or changes what is displayed."""
    return topic.endswith(TOPIC)


class LastDisplays:
    """See the module's text; without shared memory nothing is kept."""

    def __init__(self, memory: memoryview | None = None) -> None:
        self._memory = memory
        self._adding = threading.RLock()  # a signal handler may display something too
        self._number = self._used = 0

    def begin_cell(self) -> None:
        """Forget all messages."""
        with self._adding:
            if self._memory is not None and (self._number or self._used):
                self._number = self._used = 0
                for start in (0, HALF):
                    HEAD.pack_into(self._memory, start, 0, 0)

    def add(self, frames: Sequence[bytes], text: tuple[int, int]) -> None:
        """Keep this message; `text` is how many bytes stdout and stderr had before it."""
        if self._memory is None or sum(map(len, frames)) > HALF:
            return
        record = RECORD.pack(len(frames), *text) + b"".join(
            LENGTH.pack(len(frame)) + bytes(frame) for frame in frames
        )
        with self._adding:
            if len(record) > HALF - HEAD.size:
                return
            if self._used + len(record) > HALF - HEAD.size:
                self._number, self._used = self._number + 1, 0
            half = self._number % 2 * HALF
            start = half + HEAD.size + self._used
            self._memory[start : start + len(record)] = record
            self._used += len(record)
            HEAD.pack_into(self._memory, half, self._number, self._used)


def records(data: bytes) -> list[Record]:
    """The messages in the memory, each with the bytes of text before it; the data may be anything at all."""
    halves = [data[start : start + HALF] for start in (0, HALF)]
    halves.sort(key=lambda half: int(HEAD.unpack_from(half)[0]))
    return [record for half in halves for record in islice(_in_half(half), MOST_RECORDS)][-MOST:]


def _in_half(half: bytes) -> Iterator[Record]:
    used = HEAD.unpack_from(half)[1]
    position, end = HEAD.size, min(HEAD.size + used, len(half))
    with suppress(struct.error):
        while position < end:
            count, *text = RECORD.unpack_from(half, position)
            position += RECORD.size
            frames = []
            for _ in range(min(count, MOST_FRAMES)):
                (length,) = LENGTH.unpack_from(half, position)
                position += LENGTH.size + length
                frames.append(half[position - length : position])
            yield (text[0], text[1]), frames
