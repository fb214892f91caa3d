"""What a kernel has shown last, in memory that its node can still read when it has died; see `last_words`.

    displays = LastDisplays(memory)     # SIZE bytes of it
    displays.begin()                    # a cell begins: its client has all of the cells before
    displays.add(frames, (120, 0))      # a message, and how much text the streams had then
    records(data)                       # by the node: those in the memory, the oldest first

The memory has two halves: when one is full the other one is emptied and used. So the last messages are there,
as many as fit into a half, and more; one that is larger than a half is not.
"""

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

__all__ = ["SIZE", "LastDisplays", "Record", "is_shown", "records"]

HALF = 512 << 10  # bytes; of these only what was used takes memory
SIZE = 2 * HALF
HEAD = struct.Struct("=QQ")  # of a half: which one in turn it is, and how many bytes of it are used
RECORD = struct.Struct("=IQQ")  # of a message: its frames, and the bytes that stdout and stderr had before
LENGTH = struct.Struct("=I")  # of each frame
MOST = 512  # messages, the newest, that a node takes
MOST_RECORDS, MOST_FRAMES = 1200, 16  # that it looks at in a half, and in one; a display has six
TOPIC = b"display_data"  # what the first frame of a display ends with, of an update and of `clear_output`

Record = tuple[tuple[int, int], list[bytes]]


def is_shown(topic: bytes) -> bool:
    """Whether a message with this first frame is a display, or changes what is displayed."""
    return topic.endswith(TOPIC)


class LastDisplays:
    """See the module's text; without memory that is shared nothing is kept."""

    def __init__(self, memory: memoryview | None = None) -> None:
        self._memory = memory
        self._adding = threading.RLock()  # a signal handler may display something, too
        self._turn = self._used = 0

    def begin(self) -> None:
        """Forget all that there is."""
        with self._adding:
            if self._memory is not None and (self._turn or self._used):
                self._turn = self._used = 0
                for start in (0, HALF):
                    HEAD.pack_into(self._memory, start, 0, 0)

    def add(self, frames: Sequence[bytes], text: tuple[int, int]) -> None:
        """Keep this too."""
        if self._memory is None or sum(map(len, frames)) > HALF:
            return
        record = RECORD.pack(len(frames), *text) + b"".join(
            LENGTH.pack(len(frame)) + bytes(frame) for frame in frames
        )
        with self._adding:
            if len(record) > HALF - HEAD.size:
                return
            if self._used + len(record) > HALF - HEAD.size:
                self._turn, self._used = self._turn + 1, 0
            half = self._turn % 2 * HALF
            start = half + HEAD.size + self._used
            self._memory[start : start + len(record)] = record
            self._used += len(record)
            HEAD.pack_into(self._memory, half, self._turn, self._used)


def records(data: bytes) -> list[Record]:
    """The messages in the memory, each with the text before it; whatever a kernel has made of that."""
    halves = [data[start : start + HALF] for start in (0, HALF)]
    halves.sort(key=lambda half: int(HEAD.unpack_from(half)[0]))
    return [record for half in halves for record in islice(_in_half(half), MOST_RECORDS)][-MOST:]


def _in_half(half: bytes) -> Iterator[Record]:
    used = HEAD.unpack_from(half)[1]
    place, end = HEAD.size, min(HEAD.size + used, len(half))
    with suppress(struct.error):
        while place < end:
            count, *text = RECORD.unpack_from(half, place)
            place += RECORD.size
            frames = []
            for _ in range(min(count, MOST_FRAMES)):
                (length,) = LENGTH.unpack_from(half, place)
                place += LENGTH.size + length
                frames.append(half[place - length : place])
            yield (text[0], text[1]), frames
