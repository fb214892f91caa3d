"""Late output: what threads print and write after their cell has ended."""

import asyncio

import pytest

from kernels.cell.events import Stream
from kernels.cell.router import Late
from kernels.kernel import Kernel
from tests.live.cells import late_until, run

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETUP = "import threading\ngates = {}"
PRINTS_LATER = """
gate = gates[{tag}] = threading.Event()
def later(gate=gate, tag={tag}):
    gate.wait()
    print(f"late {{tag}}")
threading.Thread(target=later).start()
"""


def texts(told: list[Late], tag: int) -> str:
    """All text that came late for a cell."""
    events = [late.event for late in told if late.tag == tag]
    return "".join(event.text for event in events if isinstance(event, Stream))


async def test_a_thread_that_prints_later_is_late_output(kernel: Kernel) -> None:
    """What a thread prints after its cell carries that cell's tag."""
    await run(kernel, SETUP)
    ran = await run(kernel, PRINTS_LATER.format(tag=7), tag=7)
    assert ran.output == ""
    await run(kernel, "gates[7].set()", tag=8)
    told = await late_until(kernel, lambda told: "late 7" in texts(told, 7))
    assert texts(told, 8) == ""


async def test_it_keeps_its_tag_while_another_cell_runs(kernel: Kernel) -> None:
    """Threads of two cells print during a third: each text is attributed to its own cell."""
    await run(kernel, SETUP)
    for tag in (1, 2):
        await run(kernel, PRINTS_LATER.format(tag=tag), tag=tag)
    ran = await run(
        kernel,
        "gates[1].set(); gates[2].set()\n"
        "for thread in threading.enumerate():\n"
        "    if thread.name.endswith('(later)'): thread.join()\n"
        "print('mine')",
        tag=3,
    )
    assert ran.output == "mine\n"
    told = await late_until(kernel, lambda told: bool(texts(told, 1) and texts(told, 2)))
    assert (texts(told, 1), texts(told, 2)) == ("late 1\n", "late 2\n")


async def test_a_child_that_writes_later_is_late_output(kernel: Kernel) -> None:
    """Even if the cell showed nothing and the kernel was then asked whether it is idle."""
    await run(kernel, "import subprocess\n_ = subprocess.Popen('sleep 2; echo later', shell=True)", tag=9)
    told = await late_until(kernel, lambda told: any(late.event for late in told))
    assert [(late.tag, late.event) for late in told] == [(9, Stream("stdout", "later\n"))]


async def test_a_file_written_later_is_captured_late(kernel: Kernel) -> None:
    """A file that a thread writes after its cell is reported with the last cell's tag, once it has rested."""
    await run(kernel, SETUP)
    ran = await run(
        kernel,
        "def write():\n  gates[0].wait()\n  open('late.txt', 'w').write('late')\n"
        "gates[0] = threading.Event()\nthreading.Thread(target=write).start()\n"
        "threading.Timer(3, gates[0].set).start()",
        tag=11,
    )
    assert ran.result.captured == ()
    told = await late_until(kernel, lambda told: any(late.scan and late.scan.captured for late in told))
    (captured,) = [late for late in told if late.scan and late.scan.captured]
    assert captured.tag == 11
    assert captured.scan is not None
    assert [file.name for file in captured.scan.captured] == ["late.txt"]


async def test_a_late_flood_is_capped(kernel: Kernel) -> None:
    """A thread that prints without end is heard up to a limit; then one line says that more is left out."""
    await run(kernel, "import threading, time\nstop = threading.Event()")
    await run(
        kernel,
        "def flood():\n  time.sleep(0.2)\n  while not stop.is_set(): print('x' * 1000)\n"
        "threading.Thread(target=flood).start()",
        tag=20,
    )
    told = await late_until(kernel, lambda told: "left out" in texts(told, 20))
    await run(kernel, "stop.set()")
    assert len(texts(told, 20)) < 3 * kernel.limits.late_text
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(aiter(kernel.late())), 0.5)


async def test_late_files_end(kernel: Kernel) -> None:
    """A thread that keeps rewriting 70 files gets one cell's worth reported, and then one note."""
    await run(kernel, "import threading, time\nstop = threading.Event()")
    # On a busy machine the first round may come before the cell ends, and count as its own.
    await run(
        kernel,
        "def write():\n  turn = 0\n  while not stop.wait(0.3 if turn == 0 else 1.3):\n    turn += 1\n"
        "    for n in range(70): _ = open(f'again{n}.txt', 'w').write(str(turn))\n"
        "threading.Thread(target=write).start()",
        tag=30,
    )
    told = await late_until(
        kernel, lambda told: any(late.scan is not None and late.scan.skipped for late in told)
    )
    scans = [late.scan for late in told if late.scan is not None]
    assert sum(len(scan.captured) for scan in scans) == kernel.limits.files
    assert [skipped.name for scan in scans for skipped in scan.skipped] == ["further files"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(aiter(kernel.late())), 2.5)
    ran = await run(kernel, "stop.set(); open('mine.txt', 'w').close()", tag=31)
    assert ran.result.captured[0].name == "mine.txt"


async def test_what_lies_there_before_the_first_cell_is_no_news(fresh: Kernel) -> None:
    """Even if nobody told the kernel to learn its workspace: only what the cell wrote counts as its own."""
    for number in range(100):
        (fresh.workspace.path / f"old{number:03}.csv").touch()
    ran = await run(fresh, "open('zz_result.csv', 'w').close()")
    assert [file.name for file in ran.result.captured] == ["zz_result.csv"]
    assert ran.result.skipped == ()
