"""Forks made by cells in a real kernel: a child ends with its cell, and ended children use up nothing."""

import asyncio
from textwrap import indent

import pytest

from kernels.cell.events import Display, Stream
from kernels.kernel import Kernel
from tests.live.cells import late_until, run, value

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE = "os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])"
ENDINGS = {
    "at the last line": ("child = os.fork()", 0),
    "by an error": ("child = os.fork()\nif child == 0: 1 / 0", 1),
    "by sys.exit": ("child = os.fork()\nif child == 0: sys.exit(7)", 7),
    "by a message": ("child = os.fork()\nif child == 0: sys.exit('no')", 1),
    "by itself": ("child = os.fork()\nif child == 0: os._exit(9)", 9),
    "in a cell within a cell": ("get_ipython().run_cell('child = os.fork()')\nif child == 0: os._exit(8)", 8),
    "in an awaiting cell": ("import asyncio\nawait asyncio.sleep(0)\nchild = os.fork()", 0),
    "at a question": ("child = os.fork()\nif child == 0: input()", 1),
    "on a terminal of its own": ("import pty\nchild, terminal = pty.fork()", 0),
    "twice": ("child = os.fork()\nif child == 0: os.fork()", 0),
}
IN_THREAD = """
import threading
def work():
    global child
    child = os.fork()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
IN_CALLBACK = """
import asyncio
from textwrap import indent
def work():
    global child
    child = os.fork()
_ = asyncio.get_event_loop().call_soon(work)
"""


@pytest.mark.parametrize("way", ENDINGS)
async def test_a_forked_child_ends_where_its_cell_ends(kernel: Kernel, way: str) -> None:
    """It has the exit code that it would have in a script; the kernel and its variables are unaffected."""
    code, expected = ENDINGS[way]
    await run(kernel, "import os, sys; kept = 1")
    ran = await run(kernel, code)
    assert ran.status == "ok", ran.output
    assert await value(kernel, CODE) == str(expected)
    assert await value(kernel, "kept") == "1"


@pytest.mark.parametrize("code", [IN_THREAD, IN_CALLBACK], ids=["thread", "callback"])
async def test_a_child_that_is_not_forked_by_the_cell_itself_ends_too(kernel: Kernel, code: str) -> None:
    """A thread's child ends with the thread, and a callback's where the kernel's loop would continue."""
    await run(kernel, "import os")
    assert (await run(kernel, code)).status == "ok"
    assert await value(kernel, CODE) == "0"


async def test_what_a_child_prints_and_raises_is_told(kernel: Kernel) -> None:
    """In the cell if it waits for the child, otherwise as its late output."""
    ran = await run(
        kernel,
        "import os\nchild = os.fork()\nif child == 0: print('child'); 1 / 0\n"
        "os.waitpid(child, 0); print('parent')",
    )
    printed = "".join(one.text for one in ran.events if isinstance(one, Stream) and one.name == "stdout")
    assert printed == "child\nparent\n"  # Python's own warning may come between a line and its end
    assert "ZeroDivisionError" in ran.output
    code = "over, tell = os.pipe()\nif os.fork() == 0: os.read(over, 1); print('late child')"
    await run(kernel, code, tag=5)
    await run(kernel, "_ = os.write(tell, b'.')", tag=6)
    late = await late_until(kernel, lambda told: "late child" in repr(told))
    assert late[-1].tag == 5


async def test_processes_that_have_ended_leave_room_for_others(kernel: Kernel) -> None:
    """A cell that forks up to its limit without waiting leaves the next one all of its processes."""
    await run(kernel, "import os")
    ran = await run(kernel, "for _ in range(120): (os.fork() == 0) and os._exit(0)")
    assert "BlockingIOError" in ran.output  # otherwise the limit was not reached, and this shows nothing
    ran = await run(kernel, "for _ in range(60):\n    child = os.fork()\n    if child == 0: os._exit(0)")
    assert ran.status == "ok", ran.output


async def test_who_waits_later_gets_the_exit_codes(kernel: Kernel) -> None:
    """Of subprocess, asyncio, multiprocessing and bare forks, collected between cells."""
    await run(
        kernel,
        """
import asyncio, multiprocessing, os, subprocess
programs = [subprocess.Popen(["sh", "-c", f"exit {n}"]) for n in range(20)]
awaited = await asyncio.create_subprocess_exec("sh", "-c", "exit 5")
worker = multiprocessing.get_context("fork").Process(target=os._exit, args=(6,))
worker.start()
children = []
for n in range(20):
    children.append(os.fork())
    if children[-1] == 0: os._exit(n)
for program in programs: os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
for child in (worker.pid, *children): os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
""",
    )
    ended = "sum(os.path.exists(f'/proc/{pid}') for pid in (*children, *(p.pid for p in programs)))"
    assert await value(kernel, ended) == "0"
    assert await value(kernel, "[program.poll() for program in programs] == list(range(20))") == "True"
    codes = "[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]"
    assert await value(kernel, f"{codes} == list(range(20))") == "True"
    assert await value(kernel, "worker.join(); worker.exitcode") == "6"
    assert await value(kernel, "await awaited.wait()") == "5"
    ran = await run(kernel, "os.waitpid(children[0], 0)")
    assert ran.result.error is not None
    assert ran.result.error.ename == "ChildProcessError"


async def test_the_kernel_needs_no_thread_that_a_cell_has_used_up(kernel: Kernel) -> None:
    """With none left a large value, a question and a plot arrive as usual."""
    await run(
        kernel, "import matplotlib.pyplot as plt, threading\nend = threading.Event()\n_ = plt.plot([1, 2])"
    )
    ran = await run(kernel, "while True: threading.Thread(target=end.wait, daemon=True).start()")
    assert "can't start new thread" in ran.output
    async with asyncio.timeout(30):
        assert (await run(kernel, "'x' * 5_000_000")).status == "ok"
        assert (await run(kernel, "input('?')", answers=["yes"])).output.endswith("'yes'\n")
        assert "image/png" in repr((await run(kernel, "_ = plt.plot([1, 2])")).result.outputs)
    await run(kernel, "end.set()")


async def test_the_kernel_needs_no_descriptor_that_a_cell_has_used_up(fresh: Kernel) -> None:
    """With none left the first error and a large value are shown; once they are closed all is as before."""
    ran = await run(fresh, "import os\nheld = []\nwhile True: held.append(os.open('/dev/null', os.O_RDONLY))")
    assert ran.result.error is not None, ran.output
    assert ran.result.error.evalue == "[Errno 24] Too many open files: '/dev/null'"
    assert "----> 3 while True: held" in ran.output
    assert (await run(fresh, "'x' * 5_000_000")).status == "ok"
    assert (await run(fresh, "[os.close(one) for one in held]; kept = 2; 1 / 0")).output.endswith("by zero\n")
    assert await value(fresh, "kept") == "2"


async def test_what_a_child_displays_is_shown(kernel: Kernel) -> None:
    """In the order of display, even a large picture, and before anything its parent prints afterwards."""
    code = """
import os
from IPython.display import HTML, display
for n in range(2):
    if (child := os.fork()) == 0:
        display(HTML("x" * 300_000 + str(n)))
        print("child", n)
        os._exit(0)
    _ = os.waitpid(child, 0)
    print("parent", n)
"""
    quiet = f"import warnings\nwith warnings.catch_warnings(action='ignore'):\n{indent(code, '    ')}"
    ran = await run(kernel, quiet)
    shown = [
        event.text if isinstance(event, Stream) else event.bundle["text/html"].lstrip("x")
        for event in ran.events
        if isinstance(event, Stream | Display)
    ]
    assert "".join(shown) == "0child 0\nparent 0\n1child 1\nparent 1\n"


async def test_the_processes_of_a_pool_show_what_they_display(kernel: Kernel) -> None:
    """A plot that a worker shows belongs to the cell."""
    code = """
import multiprocessing
import matplotlib.pyplot as plt
def show(n):
    plt.plot([n])
    plt.show()
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(show, range(4))
"""
    ran = await run(kernel, code)
    if ran.status == "error" and "PermissionError" in ran.output:
        pytest.skip("this tier has no multiprocessing")
    shown = [event for event in ran.events if isinstance(event, Display)]
    assert ["image/png" in event.bundle for event in shown] == [True] * 4, ran.output
