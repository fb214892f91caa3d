"""What a kernel wrote last can be read when it is gone, once, whatever it has made of it."""

import os
from collections.abc import Iterator

import pytest

from kernels import last_words as module
from kernels.inside import last_words as inside
from kernels.last_words import KEPT, LastWords
from kernels.wire import Message


@pytest.fixture
def words() -> Iterator[LastWords]:
    """A kernel's last words, for a kernel in this process."""
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
    """A message that says how much of its stream has been sent with it."""
    return Message("iopub", "stream", "1", {"name": name, "text": "..."}, {"kernelcord": end})


def test_what_no_message_had_is_told_once(words: LastWords) -> None:
    """Of each stream what comes after the last message; then that is no news any more, and later text is."""
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
    """Whatever the pieces, the end of the text is there; of more than is kept it says how much is not."""
    out, text = inside.of("stdout"), ""
    for number in range(2 * KEPT // size + 3):
        piece = (f"{number}." * size)[:size]
        out.add(piece)
        text += piece
    ((_, told),) = words.rest()
    assert told.endswith(text[-KEPT:])
    if len(text) > KEPT:
        assert told.startswith(f"\n[... {len(text) - KEPT:,} characters went with the kernel ...]\n")
    out.add("more")
    assert words.rest() == [("stdout", "more")]


def test_what_is_in_the_pipes_is_told_without_waiting(words: LastWords) -> None:
    """Their other ends may be open: a child of the kernel's can have them, and read or write on."""
    reading, writing = inside.pipe("stderr")
    os.write(writing, b"Fatal Python error\n")
    assert words.rest() == [("stderr", "Fatal Python error\n")]
    assert words.rest() == []
    os.write(writing, b"half of " + "€".encode()[:2])
    assert words.rest() == [("stderr", "half of \ufffd")]
    os.close(reading)
    os.close(writing)
    assert words.rest() == []


@pytest.mark.parametrize("count", [1 << 63, (1 << 64) - 1, 1 << 62, 5])
def test_a_kernel_may_have_written_anything(words: LastWords, count: int) -> None:
    """A number that cannot be, bytes that are no text, and messages that name what never was."""
    assert inside._memory is not None
    inside._memory[: module.COUNT].cast("Q")[0] = count
    inside._memory[module.COUNT : module.COUNT + 5] = b"\xff\x00\xfe\xed\xa0"
    for name, text in words.rest():
        assert (name, len(text) <= 1 << 16) == ("stdout", True)
    for end in (True, -1, 1 << 200, "x", None, [], {}):
        words.is_news(sent("stdout", end))
    for content in (None, [], {"name": 5}, {"name": []}, {}):
        assert words.is_news(Message("iopub", "stream", "1", content, {"kernelcord": 3}))
    assert words.is_news(Message("iopub", "stream", "1", {"name": "stdout"}, None))


def test_nobody_can_make_the_memory_larger_and_nothing_stays(words: LastWords) -> None:
    """It is sealed; and the descriptors go."""
    with pytest.raises(PermissionError):
        os.ftruncate(words.descriptors["last words"], 1 << 30)
    before = len(os.listdir("/proc/self/fd"))
    with LastWords() as others:
        assert len(os.listdir("/proc/self/fd")) == before + 5
        others.started()
        assert len(os.listdir("/proc/self/fd")) == before + 3
    assert len(os.listdir("/proc/self/fd")) == before
