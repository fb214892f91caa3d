"""The bytes buffer below a text stream."""

import io
from typing import Any

import pytest

from kernels.inside.output.buffers import Bytes


class Stream(io.StringIO):
    """A text stream like the kernel's, with a name and a descriptor."""

    name = "stdout"

    def __init__(self) -> None:
        super().__init__()
        self.flushed = 0

    def fileno(self) -> int:
        return 1

    def flush(self) -> None:
        self.flushed += 1


@pytest.fixture
def stream() -> Stream:
    """A stream that nothing was written to."""
    return Stream()


def test_bytes_are_the_same_as_their_text(stream: Stream) -> None:
    """A character in two pieces is written as a whole, and invalid UTF-8 is replaced."""
    below = Bytes(stream)
    euro = "\u20ac".encode()
    assert below.write(b"5 " + euro[:2]) == 4
    assert stream.getvalue() == "5 "
    assert below.write(memoryview(euro[2:])) == 1
    below.write(b"\xff")
    assert stream.getvalue() == "5 \u20ac\ufffd"


def test_text_is_refused(stream: Stream) -> None:
    """As by any binary stream."""
    text: Any = "x"
    with pytest.raises(TypeError, match="not 'str'"):
        Bytes(stream).write(text)


def test_a_wrapper_can_be_put_around_it_and_go(stream: Stream) -> None:
    """Closing the wrapper closes the buffer below it; the stream stays open."""
    below = Bytes(stream)
    wrapper = io.TextIOWrapper(below, encoding="utf-8")  # type: ignore[type-var]
    wrapper.write("one\n")
    del wrapper
    assert stream.getvalue() == "one\n"
    below.write(b"two\n")
    below.close()
    assert not below.closed
    assert stream.getvalue() == "one\ntwo\n"
    assert stream.flushed > 0


def test_it_has_what_scripts_look_for(stream: Stream) -> None:
    """Name, mode, descriptor, and whether it is a terminal."""
    below = Bytes(stream)
    assert (below.name, below.mode, below.fileno(), below.isatty(), below.writable()) == (
        "<stdout>",
        "wb",
        1,
        False,
        True,
    )
    assert below.raw is below
