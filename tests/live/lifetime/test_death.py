"""However a kernel dies, its cell ends and says so, and the next cell works."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from kernels.cell.events import Display, Event
from kernels.cell.router import Router
from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.wire.connection import Message
from tests.live.cells import NoFiles, Ran, pooled, processes, run, until, value

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("import os; os._exit(1)", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import ctypes; ctypes.string_at(0)", -11),
        ("import os; os.abort()", -6),
    ],
)
async def test_death_ends_the_cell(kernel: Kernel, code: str, exit_code: int) -> None:
    """The cell's status is "died", with the exit code; what was lost is named, and the next cell works."""
    await run(kernel, "x = 1")
    ran = await run(kernel, code)
    (restarted,) = ran.restarts
    assert (ran.status, ran.result.exit_code, restarted.reason) == ("died", exit_code, "the kernel died")
    assert "x" in restarted.lost
    assert ran.result.restarted == restarted
    fresh = await run(kernel, "2 + 2")
    assert (fresh.output, fresh.restarts) == ("4\n", [])


async def test_a_process_that_is_killed_for_memory_is_told(tmp_path: Path) -> None:
    """The kernel goes on, and so does its cell, which by itself would look as if nothing had happened."""
    limits = Limits(memory=192 << 20)
    async with pooled(tmp_path, limits) as pool:
        if pool._sandbox is None or pool._sandbox._groups is None:
            pytest.skip("without control groups the whole kernel is ended")
        kernel = pool.kernel("a", NoFiles())
        child = "if os.fork() == 0:\n    y = bytearray(400 << 20)\n    os._exit(0)"
        ran = await run(kernel, f"import os\nx = 1\n{child}\n_ = os.wait()")
        assert (ran.status, ran.restarts) == ("ok", [])
        told = "[a process that your code had started was killed: it used more than 192 MB of memory]\n"
        assert ran.output.endswith(told)
        assert ran.streamed.endswith(told)
        assert (await run(kernel, "x")).output == "1\n"
        ran = await run(kernel, "print('filling')\ny = bytearray(400 << 20)")
        assert (ran.status, ran.output) == ("out of memory", "filling\n")


async def test_last_words_arrive(kernel: Kernel) -> None:
    """Whatever had left the kernel before it died is output of the cell."""
    for _ in range(3):
        code = "import os, time; print('last words', flush=True); time.sleep(0.3); os._exit(0)"
        ran = await run(kernel, code)
        assert (ran.status, ran.output) == ("died", "last words\n")


@pytest.mark.parametrize("code", ["quit()", "exit"])
async def test_quit_ends_the_kernel_and_the_next_cell_is_told(fresh: Kernel, code: str) -> None:
    """The person wanted that: the cell succeeds, and the next one says that its kernel is new."""
    await run(fresh, "x = 1")
    ran = await run(fresh, code)
    assert (ran.status, ran.restarts) == ("ok", [])
    (restarted,) = (await run(fresh, "1")).restarts
    assert (restarted.reason, restarted.lost) == ("quit() ended the kernel", ("x",))


async def test_sys_exit_is_an_error_and_the_kernel_stays(kernel: Kernel) -> None:
    """SystemExit ends the cell only."""
    await run(kernel, "x = 1")
    assert (await run(kernel, "import sys; sys.exit(3)")).status == "error"
    assert await value(kernel, "x") == "1"


async def test_a_stopped_kernel_is_replaced(fresh: Kernel) -> None:
    """A kernel that has sent itself SIGSTOP answers nothing, and is replaced at the deadline."""
    fresh.limits = Limits(cell=timedelta(seconds=1))
    ran = await run(fresh, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")
    assert ran.status == "timeout"
    assert len(ran.restarts) == 1
    assert await value(fresh, "1") == "1"


async def test_death_between_cells_is_told_by_the_next(fresh: Kernel) -> None:
    """A thread ends the kernel after its cell; the next cell says what was lost."""
    code = """
import os, threading, time
x = 1
def end():
    while not os.path.exists("end"): time.sleep(0.02)
    os._exit(1)
threading.Thread(target=end).start()
"""
    await run(fresh, code)
    (fresh.workspace.path / "end").touch()
    await until(lambda: fresh.dead)
    ran = await run(fresh, "2 + 2")
    (restarted,) = ran.restarts
    assert (restarted.reason, ran.output) == ("the kernel died", "4\n")
    assert "x" in restarted.lost


async def test_what_a_dead_kernel_started_is_ended(fresh: Kernel) -> None:
    """Child processes end with it, whatever session they are in."""
    mark = f"98{os.getpid()}"
    for own_session in (False, True):
        options = f"start_new_session={own_session}"
        await run(fresh, f"import subprocess\nchild = subprocess.Popen(['sleep', '{mark}'], {options})")
    assert len(processes(f"sleep\0{mark}")) == 2
    await run(fresh, "import os; os._exit(1)")
    await until(lambda: not processes(f"sleep\0{mark}"))


FORGED = """
kernel = get_ipython().kernel
session, socket = kernel.session, kernel.iopub_socket
parent = kernel.get_parent()
def say(kind, content, **more): session.send(socket, kind, content, parent=parent, **more)
"""
DEEP = """
deep = b'[' * 200_000 + b']' * 200_000
parts = [session.pack(session.msg_header('stream')), session.pack(parent['header']), b'{}', deep]
socket.send_multipart([b't', b'<IDS|MSG>', session.sign(parts), *parts])
"""
HUGE = """
for size in (60_000_000, 60_000_000, *range(18)): say('display_data', {'data': {'image/png': 'x' * size}})
"""


@pytest.mark.parametrize(
    "lie",
    [
        "say('status', {'execution_state': 'idle'})",
        "say('status', b'7'); say('status', {'execution_state': []})",
        "say('stream', {'text': 5}); say('stream', b'[]'); say('display_data', {'data': 5})",
        "say('execute_result', {'data': {'text/plain': {'a': 1}}, 'execution_count': 'x'})",
        "say('execute_reply', {'status': 'ok'})",
        "say('error', {'ename': 1})",
        "socket.send_multipart([b'x']); socket.send_multipart([b'<IDS|MSG>'])",
        "socket.send_multipart([b't', b'<IDS|MSG>', b'0' * 64, b'{}', b'{}', b'{}', b'{}'])",
        DEEP,
        "for n in range(100): say('comm_open', {'comm_id': str(n), 'target_name': 'x', 'data': {}})",
        HUGE,
    ],
)
async def test_lies_hurt_only_the_liar(kernel: Kernel, lie: str) -> None:
    """Forged and broken messages from inside raise nothing here, and the next cell is answered."""
    await run(kernel, FORGED)
    ran = await run(kernel, f"parent = kernel.get_parent()\n{lie}")
    assert ran.status == "ok", ran.output
    assert await value(kernel, "6 * 7") == "42"


async def test_a_kernel_that_sends_garbage_is_ended(fresh: Kernel) -> None:
    """After a thousand broken messages the kernel is given up on, and the person is told why."""
    await run(fresh, FORGED)
    ran = await run(fresh, "import time\nfor n in range(3000): socket.send_multipart([b'x'])\ntime.sleep(60)")
    assert ran.status == "died"
    assert "no kernel sends" in ran.restarts[0].reason
    assert await value(fresh, "1") == "1"


LAST_WORDS = {
    "os._exit": "print('step 1'); print('step', 2, end=''); os._exit(1)",
    "both streams": "print('step 1\\nstep', 2, end=''); print('and why', file=sys.stderr); os._exit(1)",
    "a crash": "print('step 1\\nstep 2', flush=True); ctypes.string_at(0)",
    "a kill": "print('step 1\\nstep 2'); os.kill(os.getpid(), signal.SIGKILL)",
    # Output that bypasses Python's streams is in a pipe for a moment.
    "below the stream": "os.write(1, b'step 1\\nstep 2'); sleep(.2); os._exit(1)",
    "of a child": "subprocess.run(['echo', 'step 1\\nstep 2'], stdout=sys.stdout); sleep(.2); os._exit(1)",
    "more than is kept": "print('x' * 100_000 + '\\nstep 1\\nstep 2'); os._exit(1)",
    "faulthandler": "print('step 1\\nstep 2'); faulthandler.enable(); ctypes.string_at(0)",
}


@pytest.mark.parametrize("code", LAST_WORDS.values(), ids=LAST_WORDS)
async def test_what_was_printed_last_is_told(kernel: Kernel, code: str) -> None:
    """However a kernel ends, all earlier output is there, once: it shows how far the code got."""
    ran = await run(
        kernel, f"import ctypes, faulthandler, os, signal, subprocess, sys\nfrom time import sleep\n{code}"
    )
    assert ran.status == "died"
    assert ran.output.count("step 1\nstep 2") == 1
    assert ("and why" in ran.output) == ("why" in code)
    assert ("Fatal Python error: Segmentation fault" in ran.output) == ("faulthandler" in code)
    assert ran.streamed.count("step 1") == 1


DISPLAYED = {
    "display('one'); os._exit(1)": "'one'\n",
    "print('one'); display('two'); print('three'); display('four'); os._exit(1)": (
        "one\n'two'\nthree\n'four'\n"
    ),
    "print('one'); display('two'); print('three', file=sys.stderr); ctypes.string_at(0)": (
        "one\n'two'\nthree\n"
    ),
    "it = display('one', display_id=True); it.update('two'); os._exit(1)": "'two'\n",
    "print('one'); clear_output(); display('two'); os._exit(1)": "'two'\n",
    "display('one'); sleep(.3); print('two'); display('three'); os._exit(1)": "'one'\ntwo\n'three'\n",
}


@pytest.mark.parametrize("code", DISPLAYED)
async def test_what_was_displayed_last_is_told(kernel: Kernel, code: str) -> None:
    """It appears once, in its place among the printed text; displays of the previous cell do not."""
    modules = "import ctypes, os, sys\nfrom time import sleep\nfrom IPython.display import clear_output"
    await run(kernel, "display('before')")
    ran = await run(kernel, f"{modules}\n{code}")
    assert (ran.status, ran.output) == ("died", DISPLAYED[code])


def displays(ran: Ran) -> list[Display]:
    """A cell's displays, as they were passed on."""
    return [event for event in ran.events if isinstance(event, Display)]


async def test_a_picture_that_was_shown_last_is_told(kernel: Kernel) -> None:
    """A figure is there; if there are more than are kept, the last ones are, in order."""
    code = "import os\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nos._exit(1)"
    (picture,) = displays(await run(kernel, code))
    assert "image/png" in picture.bundle
    shown = "display({'text/plain': str(number), 'text/html': 'x' * 5000}, raw=True)"
    ran = await run(kernel, f"import os\nfor number in range(500):\n    {shown}\nos._exit(1)")
    numbers = [int(display.bundle["text/plain"]) for display in displays(ran)]
    assert numbers[-50:] == list(range(450, 500))
    assert numbers == sorted(set(numbers))


async def test_what_was_printed_before_code_that_nothing_stops_is_told(fresh: Kernel) -> None:
    """C code that holds Python's lock keeps back what was printed; it appears when the kernel is killed."""
    fresh.limits = Limits(cell=timedelta(seconds=2))
    ran = await run(fresh, "import re\nprint('matching')\nre.match('(a+)+b', 'a' * 100)")
    assert (ran.status, ran.output) == ("timeout", "matching\n")


async def test_a_text_that_has_come_is_not_told_again(fresh: Kernel) -> None:
    """Output of this cell that has arrived, or of earlier ones, is not part of the kernel's last words."""
    await run(fresh, "print('first')")
    code = "import os, time\nprint('second', flush=True)\ntime.sleep(0.5)\nprint('third')\nos._exit(1)"
    ran = await run(fresh, code)
    assert ran.output == "second\nthird\n"


async def test_what_was_sent_comes_before_the_last_words(
    fresh: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed kernel has messages in transit: none is lost or overtaken by what followed it."""
    receive, done = Router.receive, fresh.workspace.path / "done"

    def slowly(router: Router, message: Message | None) -> None:
        if message is not None and message.channel == "iopub":
            sleep(0.03)  # longer than the wire reads in one go
        receive(router, message)

    def block(_: Event) -> None:
        while not done.exists():
            sleep(0.01)

    monkeypatch.setattr(Router, "receive", slowly)
    fresh.grace = timedelta(seconds=0.1)
    fresh.limits = Limits(cell=timedelta(seconds=2))
    ran = await run(fresh, SENT, on_event=block)
    assert (ran.status, ran.output.split()) == ("timeout", [str(number) for number in range(40)])


SENT = """
import pathlib, re
for number in range(0, 40, 2):
    print(number, flush=True)
    display(number + 1)
pathlib.Path("done").touch()
re.match('(a+)+b', 'a' * 100)
"""
FAULTS = {
    "a crash": "faulthandler.enable()\nctypes.string_at(0)",
    "a look": "faulthandler.dump_traceback()",
    "a later look": "faulthandler.dump_traceback_later(0.1)\ntime.sleep(1)",
    "another program": "subprocess.run([sys.executable, '-c', 'import json; json.loads(str())'], stderr=2);",
    "a thread": "thread = threading.Thread(target=json.loads, args=['x'])\nthread.start()\nthread.join()",
    "a log": "try: json.loads('x')\nexcept ValueError: logging.exception('it failed')",
}


@pytest.mark.parametrize("code", FAULTS.values(), ids=FAULTS)
async def test_no_path_of_the_machine_is_in_a_traceback_on_stderr(kernel: Kernel, code: str) -> None:
    """Whoever writes it, a library's path begins at its package there too."""
    modules = "ctypes, faulthandler, json, logging, subprocess, sys, threading, time"
    ran = await run(kernel, f"import {modules}\n{code}")
    assert ran.output.count(f'  File "python{sys.version_info.major}.') > 1, ran.output
    paths = {line.split('"')[1] for line in ran.output.splitlines() if line.startswith('  File "/')}
    workspace = str(kernel.workspace.path)
    assert [path for path in paths if not path.startswith(("/workspace/", workspace))] == []


async def test_the_beginning_of_a_line_is_not_kept_back(kernel: Kernel) -> None:
    """Text that could become a traceback line is passed on if nothing follows, whole or in pieces."""
    ran = await run(kernel, "import os\nfor piece in (b' ', b' Fi', b'le \"/x'): _ = os.write(1, piece)")
    assert ran.output == '  File "/x'
    ran = await run(
        kernel, "_ = os.write(2, b'  File \"/x/python3.12/y.py\", line 1 in z\\n  File'); os._exit(1)"
    )
    assert ran.output == '  File "python3.12/y.py", line 1 in z\n  File'
