"""A cell that does too much is stopped or cut off, and the next one works."""

import asyncio
from datetime import timedelta

import pytest

from kernels.cell.events import Display, Result, Stream
from kernels.kernel import Kernel
from kernels.limits import Limits, MiB
from tests.live.cells import run, value

pytestmark = pytest.mark.asyncio(loop_scope="module")

SWALLOWS = "import time\nwhile True:\n  try: time.sleep(60)\n  except KeyboardInterrupt: pass"
STUCK = "import re\nre.match('(a+)+$', 'a' * 40 + 'b')"


@pytest.fixture(scope="module")
def limits() -> Limits:
    """A small limit on displays."""
    return Limits(cell=timedelta(seconds=40), display=1 * MiB)


@pytest.fixture
def impatient(fresh: Kernel) -> Kernel:
    """A kernel whose cells may take three seconds."""
    fresh.limits = Limits(cell=timedelta(seconds=3))
    return fresh


async def test_an_endless_loop_ends_and_the_kernel_goes_on(impatient: Kernel) -> None:
    """`while True: pass` is interrupted at the deadline; all variables are still there."""
    await run(impatient, "x = 1")
    ran = await run(impatient, "while True: pass")
    assert (ran.status, ran.result.cause, ran.restarts) == ("timeout", "deadline", [])
    assert ran.result.error is not None
    assert ran.result.error.ename == "KeyboardInterrupt"
    assert await value(impatient, "x") == "1"


@pytest.mark.parametrize("code", [SWALLOWS, STUCK], ids=["swallows", "stuck"])
async def test_what_cannot_be_interrupted_ends_with_its_kernel(impatient: Kernel, code: str) -> None:
    """The kernel is replaced, what was lost is named, and the next cell works in a fresh one."""
    await run(impatient, "x = 1; y = 2")
    ran = await run(impatient, code)
    (restarted,) = ran.restarts
    assert ran.status == "timeout"
    assert {"x", "y"} <= set(restarted.lost)
    assert restarted.kept == ("files",)
    assert (await run(impatient, "x")).status == "error"


async def test_a_cell_that_is_interrupted_keeps_its_kernel(kernel: Kernel) -> None:
    """The stop button raises KeyboardInterrupt; in 20 of 20 tries the next cell is not hit."""
    await run(kernel, "x = 1")
    for _ in range(20):
        async with asyncio.timeout(30), kernel.run("print('up', flush=True)\nwhile True: pass") as cell:
            async for event in cell:
                if isinstance(event, Stream):
                    await cell.interrupt()
        assert (cell.result.status, cell.result.restarted) == ("interrupted", None)
        assert await value(kernel, "x") == "1"


async def test_an_interrupt_that_a_destructor_drops_comes_again(kernel: Kernel) -> None:
    """Python prints and ignores what is raised in `__del__`; the cell is stopped all the same."""
    code = """
import time
class Slow:
    def __del__(self):
        print('up', flush=True)
        until = time.monotonic() + 20
        while time.monotonic() < until: pass
Slow()
while True: pass"""
    async with asyncio.timeout(30), kernel.run(code) as cell:
        async for event in cell:
            if isinstance(event, Stream) and "up" in event.text:  # the end of the line may come separately
                await cell.interrupt()
    assert (cell.result.status, cell.result.restarted) == ("interrupted", None)


async def test_a_cell_that_awaits_is_interrupted_and_keeps_its_kernel(impatient: Kernel) -> None:
    """A cell that sleeps in `await` ends at the deadline, just like one that computes."""
    await run(impatient, "import asyncio; x = 1")
    ran = await run(impatient, "await asyncio.sleep(600)")
    assert (ran.status, ran.result.cause, ran.restarts) == ("timeout", "deadline", [])
    assert await value(impatient, "x") == "1"


async def test_a_long_print_keeps_head_tail_and_result(kernel: Kernel) -> None:
    """Both ends of 100 MB are kept, within the limit, and the cell's value arrives."""
    ran = await run(kernel, "print('head' + 'x' * 100_000_000 + 'tail')\n42")
    assert ran.status == "ok"
    assert ran.output.startswith("head")
    assert ran.output.endswith("tail\n42\n")
    assert "left out" in ran.output
    assert len(ran.output) < kernel.limits.text + 1000
    assert isinstance(ran.events[-1], Result)


async def test_a_flood_of_lines_loses_nothing_of_its_ends(kernel: Kernel) -> None:
    """Of 20,000 flushed lines to a slow reader, the first and the last arrive, and so does the end."""

    async def read() -> str:
        async with asyncio.timeout(40), kernel.run("for n in range(20_000): print(n, flush=True)\nn") as cell:
            async for _ in cell:
                await asyncio.sleep(0.01)  # a slow reader
        return cell.result.output

    lines = (await read()).splitlines()
    assert lines == [*map(str, range(20_000)), "19999"]


async def test_a_display_over_the_limit_is_named(kernel: Kernel) -> None:
    """A picture that is too large becomes a sentence that says so."""
    ran = await run(
        kernel, "from IPython.display import *\ndisplay({'image/png': 'x' * 2_000_000}, raw=True)"
    )
    (display,) = [event for event in ran.events if isinstance(event, Display)]
    assert "left out: 1.9 MB, over the 1 MB limit" in display.bundle["text/plain"]
    assert ran.status == "ok"


async def test_a_redrawn_plot_is_one_picture(kernel: Kernel) -> None:
    """A loop of `clear_output(wait=True)` and `display` keeps only its last picture."""
    ran = await run(
        kernel,
        "from IPython.display import clear_output, display\n"
        "for n in range(200): clear_output(wait=True); display({'image/png': str(n)}, raw=True)",
    )
    (output,) = ran.result.outputs
    assert output["data"]["image/png"] == "199"


async def test_all_of_a_long_text_comes_as_a_file(kernel: Kernel) -> None:
    """Head and tail are shown; the file has every line, including the error at the end."""
    code = "print(*(f'line {number}' for number in range(200_000)), sep='\\n')\n1 / 0"
    ran = await run(kernel, code, tag=5)
    assert "of text left out ...]" in ran.output
    (file,) = ran.result.captured
    assert (file.name, file.is_output) == ("output-5.txt", True)
    async with file.content() as content:
        text = content.read().decode()
    assert text.startswith("".join(f"line {number}\n" for number in range(200_000)))
    assert text.endswith("ZeroDivisionError: division by zero\n")
    ran = await run(kernel, "'x' * 3_000_000", tag=6)
    assert [(file.name, file.size) for file in ran.result.captured] == [("output-6.txt", 3_000_003)]
    ran = await run(kernel, "print('few')", tag=7)
    assert ran.result.captured == ()


async def test_a_value_that_the_kernel_clips_is_a_part(kernel: Kernel) -> None:
    """A value too large for one message is not presented as complete."""
    ran = await run(kernel, "display({'text/plain': 'x' * 13_000_000}, raw=True)")
    (file,) = ran.result.captured
    assert file.name == "output-part.txt"
    async with file.content() as content:
        assert b"characters left out" in content.read()
