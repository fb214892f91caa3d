"""What the kernel has written last, in memory that its node can still read after its death.

    last_words.share(descriptors)           # once; removes those of `kernels.process.last_words`, by name
    kept = last_words.of("stdout")
    kept.add(text)                          # what was written
    kept.count                              # how many bytes of UTF-8 there were in all
    landing = last_words.landing("stdout")  # for what comes out of its pipe, until that is kept
    last_words.displays.add(frames, ...)    # a message that displays something: see `last_displays`

Text waits here for a moment before it is sent, and ZeroMQ has a queue of its own. If the process ends in
between (`os._exit`, a crash, a lack of memory), what was printed last would be lost, although it is what
tells why. So the node can read the last bytes of each stream and how many there were in all, and every
message tells it how many of them it has received. The pipes behind the descriptors 1 and 2 belong to the node
for the same reason: the message of a crash (of `faulthandler`, of an assertion in C) is in there. What the
kernel reads from the pipes also goes to that memory, since another thread may end the process before it is
kept.
"""

import ctypes
import mmap
import os

from . import last_displays

STREAMS = ("stdout", "stderr")
COUNT = 8  # bytes, for the number of all bytes of a stream, and again for those in its landing
KEPT = 60 << 10  # bytes of UTF-8 that are kept of each stream: less than one message may have
LANDING = 36 << 10  # bytes out of a pipe that are not kept yet
PART = COUNT + KEPT + COUNT + LANDING  # bytes of a stream's part; behind the parts comes `last_displays`

displays = last_displays.LastDisplays()
_memory: memoryview | None = None
_kept: dict[str, "Tail"] = {}
_pipes: dict[str, tuple[int, int]] = {}


class Tail:
    """The last bytes of one stream."""

    def __init__(self, part: memoryview) -> None:
        self.count = 0
        self._count, self._ring = part[:COUNT].cast("Q"), part[COUNT:]

    def add(self, text: str) -> None:
        """Keep this text; one thread at a time."""
        data = text.encode("utf-8", "surrogatepass")
        count = self.count = self.count + len(data)
        ring, size = self._ring, len(self._ring)
        data = data[-size:]
        end = count % size
        start = end - len(data)
        if start >= 0:
            ring[start:end] = data
        else:
            ring[start + size :] = data[:-start]
            ring[:end] = data[-start:]
        self._count[0] = count


class Landing:
    """Bytes that were read from a stream's pipe and are not kept yet, at `address`; for one thread."""

    def __init__(self, part: memoryview) -> None:
        self._length, self._bytes = part[:COUNT].cast("Q"), part[COUNT:]
        self.address = ctypes.addressof(ctypes.c_ubyte.from_buffer(self._bytes))

    def landed(self, length: int) -> None:
        """Note that so many bytes are there now."""
        self._length[0] = length

    def hold(self, left: bytes) -> None:
        """Note that all but these are kept."""
        self._length[0] = 0
        self._bytes[: len(left)] = left
        self._length[0] = len(left)


def share(descriptors: dict[str, int]) -> None:
    """Share the memory of these descriptors, which are removed from the dict; without any, keep nothing.

    The memory is mapped by a call of our own: Python's `mmap` keeps a descriptor, which cells could use.
    """
    global _memory, displays  # noqa: PLW0603  one process, one kernel
    memory = descriptors.pop("last words", None)
    if memory is None:
        return
    for name in STREAMS:
        _pipes[name] = descriptors.pop(f"{name} read"), descriptors.pop(f"{name} write")
    size = os.fstat(memory).st_size
    map_memory = ctypes.CDLL(None, use_errno=True).mmap
    map_memory.restype = ctypes.c_void_p
    map_memory.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    address = map_memory(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, memory, 0)
    os.close(memory)
    if address != ctypes.c_void_p(-1).value:
        _memory = memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")
        displays = last_displays.LastDisplays(_memory[len(STREAMS) * PART :])


def of(name: str) -> Tail:
    """The tail of the stream of this name."""
    _kept[name] = Tail(_part(name)[: COUNT + KEPT])
    return _kept[name]


def counts() -> tuple[int, int]:
    """How many bytes stdout and stderr have had so far."""
    stdout, stderr = (kept.count if (kept := _kept.get(name)) else 0 for name in STREAMS)
    return stdout, stderr


def landing(name: str) -> Landing:
    """The landing for what is read from the pipe of this stream."""
    return Landing(_part(name)[COUNT + KEPT :])


def _part(name: str) -> memoryview:
    """A stream's part of the shared memory; where there is none, memory that ends with this process."""
    if _memory is None or name not in STREAMS:
        return memoryview(bytearray(PART))
    start = PART * STREAMS.index(name)
    return _memory[start : start + PART]


def pipe(name: str) -> tuple[int, int]:
    """The pipe to put behind this stream's descriptor: the node's, or a new one."""
    return _pipes.pop(name, None) or os.pipe()
