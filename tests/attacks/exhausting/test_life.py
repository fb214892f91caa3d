"""Ways to end, to hang and to live on: the next cell works, and the person is told what was lost."""

import os
import signal
from datetime import timedelta

import pytest

from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.pool import Pool
from tests.attacks.pools import LIMITS
from tests.attacks.restless import RESTLESS
from tests.live.cells import NoFiles, run, until, value

# In one tier only: kernels end in the same way in all of them, except that B has no PID namespace.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.tiers("S")]

DEATHS = {
    "os._exit(7)": 7,
    "os.kill(os.getpid(), signal.SIGKILL)": -9,
    "os.kill(0, signal.SIGKILL)": -9,
    "ctypes.string_at(0)": -11,
    "os.abort()": -6,
    "os.closerange(0, 1000)": -9,  # it closes its connections to us, so we kill it
    "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass": -9,
}


@pytest.mark.tiers("B")
@pytest.mark.parametrize(("code", "exit_code"), DEATHS.items())
async def test_death_is_told_with_what_was_lost(kernel: Kernel, code: str, exit_code: int) -> None:
    """However a kernel dies, the cell reports it, with the exit code and the variables that are gone."""
    ran = await run(kernel, f"import ctypes, os, resource, signal\n{code}")
    (restarted,) = ran.restarts
    assert (ran.status, ran.result.exit_code, restarted.reason) == ("died", exit_code, "the kernel died")
    assert "x" in restarted.lost


HANGS = {
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "is stuck in a regular expression": "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    "swallows interrupts": "while True:\n    try: time.sleep(1)\n    except KeyboardInterrupt: pass",
    "ignores interrupts": "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)",
    "sleeps in C": "import ctypes\nctypes.CDLL(None).sleep(100)\nwhile True: ctypes.CDLL(None).sleep(100)",
    "closes its sockets": """
import socket
for fd in os.listdir('/proc/self/fd'):
    try:
        if socket.socket(fileno=os.dup(int(fd))).family == socket.AF_UNIX: os.close(int(fd))
    except OSError: pass
time.sleep(100)""",
    "locks its own exit": "import atexit\natexit.register(time.sleep, 100)\nwhile True:\n"
    "    try: time.sleep(9)\n    except BaseException: pass",
}


IN_THE_WAY = {
    "a file": "shutil.rmtree(temporary); open(temporary, 'w').close()",
    "a link to nowhere": "shutil.rmtree(temporary); os.symlink('nowhere', temporary)",
    "a closed folder": "shutil.rmtree(temporary); os.mkdir(temporary, 0)",
    "files for folders": "for name in ('.ipython', '.matplotlib'):\n"
    "    shutil.rmtree(f'{temporary}/{name}'); open(f'{temporary}/{name}', 'w').close()",
    "a startup file": "os.makedirs(startup := os.environ['IPYTHONDIR'] + '/profile_default/startup', exist_ok=True)\n"
    "open(startup + '/00.py', 'w').write('started = True')",
}


@pytest.mark.tiers("B")
@pytest.mark.parametrize("code", IN_THE_WAY.values(), ids=IN_THE_WAY)
async def test_nothing_that_is_left_is_in_the_way_of_the_next_kernel(kernel: Kernel, code: str) -> None:
    """The next kernel's own folders are created anew, and nothing left in them runs, in the workspace too."""
    ran = await run(
        kernel,
        f"import os, shutil\ntemporary = os.environ['TMPDIR']\ntry:\n    {code.replace(chr(10), chr(10) + '    ')}\n"
        "except OSError: pass  # a folder of its own, which is a mount\nos._exit(1)",
    )
    assert ran.status == "died"
    shown = "import tempfile, matplotlib.font_manager as m\n(tempfile.TemporaryFile().close(), 'started' in dir())"
    assert await value(kernel, shown) == "(None, False)"


@pytest.mark.tiers("B")
@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS)
async def test_a_hang_ends_at_the_deadline(kernel: Kernel, code: str) -> None:
    """It is interrupted, then killed: the cell ends as "timeout" or "died", with a new kernel if needed."""
    kernel.limits = Limits(cell=timedelta(seconds=1))
    ran = await run(kernel, f"import os, signal, time\n{code}")
    kernel.limits = LIMITS
    assert ran.status in ("timeout", "died"), ran.output
    assert ran.restarts or await value(kernel, "x") == "1"


SURVIVED = {
    "an exit": ("import sys; sys.exit(3)", "error"),
    "recursion": ("def f(): f()\nf()", "error"),
    "no streams": ("import sys\nsys.stdout = sys.stderr = None", "ok"),
    "no interpreter": ("import builtins\nget_ipython = None\nbuiltins.get_ipython = None", "ok"),
    "a closed stdout": ("import os\nos.close(1); os.close(2)", "ok"),
    "no builtins": ("import builtins\nbuiltins.print = builtins.open = builtins.len = None", "ok"),
    "a thread that lives on": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(3,)).start()",
        "ok",
    ),
    "a library of one's own": (
        "open('random.py', 'w').write('raise SystemExit')\nopen('json.py', 'w').write('1/0')",
        "ok",
    ),
}


@pytest.mark.parametrize(("code", "status"), SURVIVED.values(), ids=SURVIVED)
async def test_what_a_kernel_survives(kernel: Kernel, code: str, status: str) -> None:
    """The kernel goes on or is replaced, and a cell after it is answered (see the fixture)."""
    ran = await run(kernel, code)
    assert ran.status in (status, "died"), ran.output


DAEMONS = {
    "a session of its own": "os.setsid()",
    "twice forked": "os.setsid()\n    if os.fork(): os._exit(0)",
    "deaf to signals": "os.setsid()\n    for n in (1, 2, 3, 13, 14, 15): signal.signal(n, signal.SIG_IGN)",
    "stopped": "os.setsid()\n    os.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.tiers("B")
@pytest.mark.parametrize("how", DAEMONS.values(), ids=DAEMONS)
async def test_no_process_outlives_its_kernel(kernel: Kernel, how: str) -> None:
    """A daemon ends with its kernel, however the kernel ends; the fixture looks for it."""
    code = f"import os, signal, time\nif os.fork() == 0:\n    {how}\n    time.sleep(300)\n    os._exit(0)"
    assert (await run(kernel, code)).status in ("ok", "error")
    await run(kernel, "import os\nos._exit(1)")


@pytest.mark.tiers("B")
async def test_no_process_that_is_continued_by_timers_outlives_its_kernel(kernel: Kernel) -> None:
    """Nor one that it continues, and that forks; the fixture looks for them."""
    started = f"    os.setsid()\n    exec({RESTLESS!r})\n    restless(120)\n    os._exit(0)"
    ran = await run(kernel, f"import os\nif os.fork() == 0:\n{started}")
    assert ran.status in ("ok", "error", "died")
    await run(kernel, "import os\nos._exit(1)")


@pytest.mark.tiers("B")
async def test_a_kernel_that_does_not_shut_down_is_killed(kernel: Kernel) -> None:
    """It gets a shutdown request, then a signal, then SIGKILL; closing it takes seconds, not for ever."""
    code = """
import atexit, signal, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
get_ipython().kernel.do_shutdown = lambda restart: time.sleep(1000)
atexit.register(time.sleep, 1000)
"""
    assert (await run(kernel, code)).status == "ok"


@pytest.mark.tiers("B")
async def test_a_zygote_that_is_gone_costs_no_kernel(kernel: Kernel, pool: Pool) -> None:
    """Running kernels go on, and the next one is forked from a new zygote."""
    assert pool._sandbox is not None
    zygote = pool._sandbox._forkserver._process
    assert zygote is not None
    zygote.kill()
    zygote.wait()
    assert await value(kernel, "x") == "1"
    other = pool.kernel("second", NoFiles())
    assert await value(other, "2") == "2"
    await pool.release("second")
    pool.workspace("second").remove()


@pytest.mark.tiers("B")
async def test_an_init_that_is_killed_takes_its_kernel_along(kernel: Kernel, pool: Pool) -> None:
    """Whatever kills the init from outside, none of the kernel's processes outlives it."""
    assert kernel._process is not None
    init = kernel._process.provisioner.pid
    assert init is not None
    await run(kernel, "import subprocess\nchild = subprocess.Popen(['sleep', '300'], start_new_session=True)")
    os.kill(init, signal.SIGKILL)
    await until(lambda: kernel.dead)
