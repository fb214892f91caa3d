"""The last messages that displayed something are kept in memory that outlives the kernel."""

import random

from kernels.inside.output.last_displays import HALF, MOST, SIZE, LastDisplays, is_shown, records


def frames(number: int, size: int = 0) -> list[bytes]:
    """A message with two frames."""
    return [f"{number}".encode(), b"x" * size]


def test_messages_are_there_with_the_text_before_them() -> None:
    """In order; a new cell begins without the previous cell's messages."""
    memory = bytearray(SIZE)
    displays = LastDisplays(memoryview(memory))
    displays.add(frames(1), (3, 0))
    displays.add(frames(2, 10), (5, 7))
    assert records(bytes(memory)) == [((3, 0), frames(1)), ((5, 7), frames(2, 10))]
    displays.begin_cell()
    assert records(bytes(memory)) == []


def test_the_last_ones_are_there_when_there_are_many() -> None:
    """At least as many as fit into half of the memory; one larger than that is not kept."""
    memory = bytearray(SIZE)
    displays = LastDisplays(memoryview(memory))
    for number in range(100):
        displays.add(frames(number, HALF // 10), (0, 0))
    displays.add(frames(100, HALF), (0, 0))
    numbers = [int(message[0]) for _, message in records(bytes(memory))]
    assert numbers == list(range(numbers[0], 100))
    assert len(numbers) >= 9


def test_very_many_small_ones_are_bounded() -> None:
    """The newest ones are read."""
    memory = bytearray(SIZE)
    displays = LastDisplays(memoryview(memory))
    for number in range(2 * MOST):
        displays.add(frames(number), (0, 0))
    found = records(bytes(memory))
    assert [message[0] for _, message in found] == [b"%d" % number for number in range(MOST, 2 * MOST)]


def test_whatever_a_kernel_has_written_there_is_read_without_an_error() -> None:
    """The kernel can write anything to its own memory."""
    chance = random.Random(1)
    for _ in range(50):
        found = records(chance.randbytes(SIZE))
        assert len(found) <= MOST
    assert len(records(b"\xff" * SIZE)) <= MOST


def test_without_memory_nothing_is_kept() -> None:
    """Such as in a kernel started by Jupyter's own programs, and in a forked child."""
    displays = LastDisplays()
    displays.add(frames(1), (0, 0))
    displays.begin_cell()
    assert is_shown(b"kernel.1.display_data")
    assert is_shown(b"kernel.1.update_display_data")
    assert not is_shown(b"kernel.1.stream.stdout")
