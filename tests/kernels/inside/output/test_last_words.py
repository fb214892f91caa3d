"""What a kernel wrote last can be read once after its end, whatever the kernel did to that memory."""

import ctypes
import os
import time
from collections.abc import Iterator

import pytest

from kernels.inside import paths
from kernels.inside.output import last_displays
from kernels.inside.output import last_words as inside
from kernels.inside.output.last_words import COUNT, KEPT, LANDING, PART
from kernels.process.last_words import LastWords
from kernels.wire.connection import Message
from tests.descriptors import descriptors, still_open


@pytest.fixture
def words() -> Iterator[LastWords]:
    """The last words of a kernel, which this process plays."""
    with LastWords() as words:
        inherited = {name: os.dup(number) for name, number in words.descriptors.items()}
        words.started()
        inside.share(inherited)
        assert inherited == {}
        yield words
        inside._memory = None
        for name in inside.STREAMS:
            for number in inside._pipes.pop(name, ()):
                os.close(number)


def sent(name: str, end: object) -> Message:
    """A message that states how much of its stream has been sent with it."""
    return Message("iopub", "stream", "1", {"name": name, "text": "..."}, {"kernelcord": end})


def test_what_no_message_had_is_told_once(words: LastWords) -> None:
    """From each stream, whatever came after the last message; later text is new again."""
    out, err = inside.of("stdout"), inside.of("stderr")
    out.add("one\n")
    first = out.count
    assert words.is_news(sent("stdout", first))
    out.add("zwei – €\n")
    err.add("bad")
    assert words.rest() == [("stdout", "zwei – €\n"), ("stderr", "bad")]
    assert words.rest() == []
    assert not words.is_news(sent("stdout", out.count))
    out.add("three")
    assert words.is_news(sent("stdout", out.count))
    assert words.rest() == []


@pytest.mark.parametrize("size", [1, 7, 1000, 8191, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT + 5])
def test_text_goes_round(words: LastWords, size: int) -> None:
    """However it was split, the end of the text is kept, with a note of how much is missing."""
    out, text = inside.of("stdout"), ""
    for number in range(2 * KEPT // size + 3):
        piece = (f"{number}." * size)[:size]
        out.add(piece)
        text += piece
    (word,) = words.rest()
    assert isinstance(word, tuple)
    told = word[1]
    assert told.endswith(text[-KEPT:])
    if len(text) > KEPT:
        assert told.startswith(f"\n[... {len(text) - KEPT:,} characters were lost with the kernel ...]\n")
    out.add("more")
    assert words.rest() == [("stdout", "more")]


def test_what_is_in_the_pipes_is_told_without_waiting(words: LastWords) -> None:
    """Their other ends may still be open: a child of the kernel can hold them, and read or write."""
    reading, writing = inside.pipe("stderr")
    os.write(writing, b"Fatal Python error\n")
    assert words.rest() == [("stderr", "Fatal Python error\n")]
    assert words.rest() == []
    os.write(writing, b"half of " + "€".encode()[:2])
    assert words.rest() == [("stderr", "half of \ufffd")]
    os.close(reading)
    os.close(writing)
    assert words.rest() == []


def test_what_is_out_of_the_pipe_is_told_until_it_is_kept(words: LastWords) -> None:
    """With the text before and after it; a traceback line that comes in two parts is shortened as one."""
    landing, err = inside.landing("stderr"), inside.of("stderr")
    err.add("first\n")
    arrived = b'second\n  File "/x/lib/python3.12/'
    ctypes.memmove(landing.address, arrived, len(arrived))
    landing.landed(len(arrived))
    reading, writing = inside.pipe("stderr")
    os.write(writing, b'json/decoder.py", line 1 in f\n')
    told = 'first\nsecond\n  File "python3.12/json/decoder.py", line 1 in f\n'
    assert words.rest() == [("stderr", told)]
    assert words.rest() == []
    err.add("second\n")
    landing.hold(b"third")
    assert words.rest() == [("stderr", "second\nthird")]
    os.close(reading)
    os.close(writing)


def displayed(number: int, size: int = 0) -> list[bytes]:
    """The frames of a message, as `parsed` takes them."""
    return [b"kernel.x.display_data", str(number).encode(), b"x" * size]


def parsed(frames: list[bytes]) -> Message | None:
    """A message made from its frames, as the wire does it."""
    return Message("iopub", "display_data", "1", int(frames[1]), {}, frames[1]) if len(frames) == 3 else None


def test_what_was_displayed_is_told_in_its_place(words: LastWords) -> None:
    """Once, among the text around it, unless its message has arrived; a new cell begins without it."""
    out = inside.of("stdout")
    inside.displays.add(displayed(1), inside.counts())
    assert words.is_news(Message("iopub", "display_data", "1", 1, {}, b"1"))
    out.add("one\n")
    assert words.is_news(sent("stdout", out.count))
    out.add("two\n")
    inside.displays.add(displayed(2), inside.counts())
    inside.displays.add(displayed(3), inside.counts())
    out.add("three\n")
    two, three = parsed(displayed(2)), parsed(displayed(3))
    assert words.rest(parsed) == [("stdout", "two\n"), two, three, ("stdout", "three\n")]
    assert words.rest(parsed) == []
    inside.displays.begin_cell()
    inside.displays.add(displayed(4), inside.counts())
    assert words.rest(parsed) == [parsed(displayed(4))]


@pytest.mark.parametrize("size", [1, 1000, 100_000, last_displays.HALF - 100])
def test_of_more_displays_than_are_kept_the_last_are_told(words: LastWords, size: int) -> None:
    """In order, filling at least half of the memory; one that is too large displaces no other."""
    for number in range(1000):
        inside.displays.add(displayed(number, size), (0, 0))
    inside.displays.add(displayed(1000, last_displays.HALF), (0, 0))
    told = [message.content for message in words.rest(parsed) if isinstance(message, Message)]
    assert told == list(range(1000))[-len(told) :]
    assert len(told) >= min(last_displays.MOST, last_displays.HALF // (size + 100))


def test_whatever_a_kernel_writes_as_displays_is_bounded(words: LastWords) -> None:
    """Impossible lengths and numbers, and very many empty messages."""
    assert inside._memory is not None
    memory = inside._memory[2 * PART :]
    counted = []
    for head in (
        b"\xff" * 100,
        last_displays.HEAD.pack(1, 1 << 62) + b"\xff" * 1000,
        last_displays.HEAD.pack(0, 1 << 20),
    ):
        memory[: len(head)] = head
        memory[last_displays.HALF :][: len(head)] = head
        assert words.rest(lambda frames: counted.append(sum(map(len, frames)))) == []
    assert len(counted) <= 3 * last_displays.MOST
    assert max(counted, default=0) <= last_displays.HALF
    memory[:] = bytes(last_displays.SIZE)
    inside._memory[COUNT + KEPT :][:COUNT].cast("Q")[0] = 1 << 63
    ((name, text),) = words.rest()  # type: ignore[misc]
    assert (name, len(text)) == ("stdout", LANDING)


@pytest.mark.parametrize("count", [1 << 63, (1 << 64) - 1, 1 << 62, 5])
def test_a_kernel_may_have_written_anything(words: LastWords, count: int) -> None:
    """Impossible numbers, bytes that are no text, and messages that name things that never existed."""
    assert inside._memory is not None
    inside._memory[:COUNT].cast("Q")[0] = count
    inside._memory[COUNT : COUNT + 5] = b"\xff\x00\xfe\xed\xa0"
    for word in words.rest():
        assert isinstance(word, tuple)
        name, text = word
        assert (name, len(text) <= 1 << 16) == ("stdout", True)
    for end in (True, -1, 1 << 200, "x", None, [], {}):
        words.is_news(sent("stdout", end))
    for content in (None, [], {"name": 5}, {"name": []}, {}):
        assert words.is_news(Message("iopub", "stream", "1", content, {"kernelcord": 3}))
    assert words.is_news(Message("iopub", "stream", "1", {"name": "stdout"}, None))


def test_nobody_can_make_the_memory_larger_and_nothing_stays(words: LastWords) -> None:
    """The memory is sealed, and its descriptors are closed."""
    with pytest.raises(PermissionError):
        os.ftruncate(words.descriptors["last words"], 1 << 30)
    before = descriptors()

    def ours() -> int:
        return sum("pipe:" in new or "memfd:" in new for new in descriptors() - before)

    with LastWords() as others:
        assert ours() == 5
        others.started()
        assert ours() == 3
    assert not still_open(before)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/opt/x/lib/python3.12/site-packages/a/b.py", "site-packages/a/b.py"),
        ("/opt/x/lib/python3.12/json/decoder.py", "python3.12/json/decoder.py"),
        ("/workspace/venv/lib/python3.12/site-packages/x.py", None),
        ("/workspace/lib/python3.12/foo.py", None),
    ],
)
def test_a_path_in_a_traceback_begins_at_its_library_and_the_persons_own_stay(
    path: str, told: str | None
) -> None:
    """A path is shortened at its start, or it is the person's and stays as it is."""
    line = '  File "{}", line 1 in f\n'
    assert paths.in_tracebacks(line.format(path)) == line.format(told or path)


def test_a_path_without_end_takes_no_time() -> None:
    """A node reads what a dead kernel wrote last, and that can be an endless made-up path."""
    line = f'  File "{"/" * 160_000}", line 1\n'
    began = time.thread_time()
    assert paths.in_tracebacks(line) == line
    assert time.thread_time() - began < 1
