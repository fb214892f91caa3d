"""A cell that prints more than is kept has all its text in a file, which says so if it is incomplete."""

import os
from pathlib import Path

import pytest

from kernels.cell import overflow as module
from kernels.cell.events import Bundle, ClearOutput, Display, Event, Failure, Result, Stream
from kernels.cell.outputs import Outputs
from kernels.cell.overflow import Overflow, TextFile

LIMIT = 1000


async def written(
    folder: Path, *events: Event, most: int = 1 << 20, held: int = 4 << 20
) -> tuple[TextFile | None, str]:
    """The file of a cell with these events, and its content."""
    overflow = Overflow(folder, most=most, held=held)
    outputs = Outputs(max_text=LIMIT, max_shown=1 << 20, overflow=overflow)
    for event in events:
        outputs.add_event(event)
    outputs.close()
    file = await overflow.close("output-7") if outputs.is_cut else None
    if file is None:
        return None, ""
    async with file.content() as content:
        text = content.read().decode()
    assert len(text.encode()) == file.size <= most
    return file, text


def printed(text: str, name: str = "stdout") -> Stream:
    """A piece of printed text."""
    return Stream(name, text)


async def test_all_of_a_long_text_is_in_its_file(tmp_path: Path) -> None:
    """Both streams and the displays between them are in it, in order; no file has a name."""
    lines = [f"line {number}\n" for number in range(500)]
    events = [printed(line, "stderr" if number % 7 == 0 else "stdout") for number, line in enumerate(lines)]
    file, text = await written(tmp_path, *events, Result({"text/plain": "42"}, 1))
    assert file is not None
    assert file.name == "output-7.txt"
    assert text == "".join(lines) + "42\n"
    assert list(tmp_path.iterdir()) == []


async def test_what_is_shown_whole_has_no_file(tmp_path: Path) -> None:
    """Neither for a short text nor for one that head and tail show completely."""
    assert await written(tmp_path, printed("x" * LIMIT)) == (None, "")
    assert await written(tmp_path, printed("x" * 600), printed("y" * 300, "stderr")) == (None, "")


async def test_a_long_value_is_in_the_file(tmp_path: Path) -> None:
    """The value's text arrives clipped, with the whole beside it; what the kernel clipped is incomplete."""
    bundle = Bundle({"text/plain": "x...x"})
    bundle.whole = "x" * 5000
    file, text = await written(tmp_path, printed("before\n"), Result(bundle, 1), printed("after\n"))
    assert (file and file.name, text) == ("output-7.txt", "before\n" + "x" * 5000 + "\nafter\n")
    assert bundle.whole == ""  # it is not kept any longer
    bundle.whole, bundle.partial = "y" * 5000, True
    file, text = await written(tmp_path, Display(bundle))
    assert (file and file.name) == "output-7-part.txt"


async def test_the_file_reads_as_a_terminal_shows(tmp_path: Path) -> None:
    """It has no colours, and only the last state of a redrawn line, wherever the text was split."""
    events = [printed(f"\x1b[31mred\x1b[0m\n{'x' * LIMIT}\n")]
    events += [printed(f"\r{number:3} %") for number in range(100)]
    events += [printed("\r\nend\n"), Failure("E", "v", ("\x1b[31mE\x1b[0m: v",))]
    _, text = await written(tmp_path, *events)
    assert text == f"red\n{'x' * LIMIT}\n 99 %\nend\nE: v\n"


async def test_what_is_cleared_is_not_in_the_file(tmp_path: Path) -> None:
    """A loop that redraws a long text leaves only the last one."""
    events: list[Event] = []
    for number in range(3):
        events += [ClearOutput(wait=number == 1), printed(f"{number} " * 2000)]
    assert (await written(tmp_path, *events))[1] == "2 " * 2000
    assert await written(tmp_path, *events, ClearOutput(wait=False), printed("short")) == (None, "")


async def test_a_file_that_has_not_all_says_so(tmp_path: Path) -> None:
    """Its name says that it is incomplete, its end says how much is missing, and it keeps to its limit."""
    file, text = await written(tmp_path, *[printed("é" * 100 + "\n")] * 500, most=10_000)
    assert file is not None
    assert file.name == "output-7-part.txt"
    head, told = text.rsplit("\n[", 1)
    assert set(head) == {"é", "\n"}
    assert len(head.encode()) > 9_700
    missing = f"{(500 * 201 - len(head.encode())) / 1024:.1f} KB"
    assert told == f"... cut here: {missing} more were printed; a file of this text has at most 9.8 KB ...]\n"


async def test_a_text_that_comes_faster_than_the_disk_takes_it_waits_within_a_limit(tmp_path: Path) -> None:
    """Whatever does not fit is left out from that point on, and the file says so."""
    lines = [printed(f"{number:9}\n") for number in range(10_000)]
    file, text = await written(tmp_path, *lines, held=50_000)
    assert (file and file.name) == "output-7-part.txt"
    assert "4999\n\n[... cut here: 48.8 KB more were printed" in text
    assert "5000\n" not in text


async def test_a_disk_that_takes_nothing_costs_only_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell ends as usual, without a file."""
    assert await written(tmp_path / "gone", printed("x" * 5000)) == (None, "")
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(module.tempfile, "TemporaryFile", lambda **_: os.fdopen(write, "wb", buffering=0))
    assert await written(tmp_path, printed("x" * 5000)) == (None, "")


async def test_a_large_text_is_written_in_steps_and_read_by_several(tmp_path: Path) -> None:
    """It is written in order while the cell prints; readers are independent, and the last frees the bytes."""
    overflow = Overflow(tmp_path, most=50 << 20)
    overflow.begin("begin\n")
    for number in range(60):
        overflow.add_text(f"{number}{'x' * 100_000}\n")
        while overflow._writing is not None:
            await overflow._writing
    file = await overflow.close("output")
    assert file is not None
    async with file.content() as one, file.content() as other:
        expected = "begin\n" + "".join(f"{number}{'x' * 100_000}\n" for number in range(60))
        assert one.read() == other.read() == expected.encode()
    del file, overflow
    assert not [link for link in map(_target, os.listdir("/proc/self/fd")) if link.startswith(str(tmp_path))]


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # the descriptor of the listing itself
        return ""
