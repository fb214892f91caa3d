"""Cells in a real kernel: what a user of Jupyter expects."""

import asyncio
import base64
import re
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from kernels.cell.events import ClearOutput, Display, Failure, InputRequest, Stream
from kernels.cell.run import Run
from kernels.kernel import Kernel
from kernels.text.clipping import strip_ansi
from tests import sentences
from tests.live.cells import NoFiles, pooled, run, value
from tests.sentences import problems

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", autouse=True)
def canary() -> object:
    """A secret in this process's environment, set before any kernel starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISCORD_TOKEN", "canary-in-the-coal-mine")
        yield


async def test_variables_stay_from_cell_to_cell(kernel: Kernel) -> None:
    """`x = 1`, then `x + 1` in another cell is 2, with the next execution count."""
    first = await run(kernel, "x = 1")
    second = await run(kernel, "x + 1")
    assert (first.status, first.output) == ("ok", "")
    assert second.output == "2\n"
    assert second.result.execution_count == (first.result.execution_count or 0) + 1


async def test_an_error_is_told_and_the_next_cell_works(kernel: Kernel) -> None:
    """The traceback is both an event and part of the result; nothing is aborted."""
    ran = await run(kernel, "1/0")
    (failure,) = ran.events
    assert isinstance(failure, Failure)
    assert (ran.status, failure.ename) == ("error", "ZeroDivisionError")
    assert ran.result.error == failure
    assert await value(kernel, "7") == "7"


async def test_await_works(kernel: Kernel) -> None:
    """A cell can await, as in Jupyter."""
    assert await value(kernel, "import asyncio\nawait asyncio.sleep(0, 'slept')") == "'slept'"


TRANSFORMED = {
    "variables": "ip.run_cell('who'); who = 5; assert ip.run_cell('who').result == 5",
    "transformers": """
before = ip.transform_cell('other'), ip.transform_cell('y')
ip.input_transformers_post.append(lambda lines: [line.replace('y', '7') for line in lines])
after = ip.transform_cell('y')
ip.input_transformers_post.clear()
assert (before[1].strip(), after.strip()) == ('y', '7'), (before, after)
""",
    "the same cell within itself": """
ran = globals().get('ran', 0) + 1
ip.input_transformers_post[:] = [lambda lines: ['inner = 1\\n']]
if ran == 1: ip.run_cell(In[-1])
ip.input_transformers_post.clear()
assert (ran, inner) == (1, 1)
""",
}


@pytest.mark.parametrize("awaiting", ["", "import asyncio; await asyncio.sleep(0)\n"], ids=["plain", "await"])
@pytest.mark.parametrize("code", TRANSFORMED.values(), ids=TRANSFORMED)
async def test_a_cell_in_a_cell_is_transformed_as_things_are_by_then(
    kernel: Kernel, code: str, awaiting: str
) -> None:
    """If asked to transform the same code again, IPython uses the current variables and transformers."""
    ran = await run(kernel, f"{awaiting}ip = get_ipython()\n{code}")
    await run(kernel, "%reset -f")
    assert ran.status == "ok", ran.output


@pytest.mark.parametrize("write", ["print(x)", "sys.stdout.write(x);", "os.write(1, x.encode());"])
async def test_a_long_text_comes_whole_in_messages_of_a_size(kernel: Kernel, write: str) -> None:
    """Text written at once comes in pieces, none of them long enough to be clipped."""
    before, kernel.limits = kernel.limits, replace(kernel.limits, text=16 << 20)
    ran = await run(kernel, f"import os, sys; x = 'x' * 3_000_000\n{write}")
    kernel.limits = before
    assert ran.output.count("x") == ran.streamed.count("x") == 3_000_000
    assert "left out" not in ran.output


async def test_a_display_of_very_many_values_is_left_out_with_a_word(kernel: Kernel) -> None:
    """What we would refuse is not sent; its text form stays, and commas within it do not count as values."""
    code = "display({'application/json': [[]] * 150_000, 'text/plain': 'many' + ',[' * 150_000}, raw=True)"
    (shown,) = [event for event in (await run(kernel, code)).events if isinstance(event, Display)]
    assert list(shown.bundle) == ["text/plain"]
    assert shown.bundle["text/plain"].startswith("many,[")
    assert "application/json left out: over 12 MB together, or 100,000 values" in shown.bundle["text/plain"]


async def test_a_figure_is_a_png(kernel: Kernel) -> None:
    """A plot is shown without an explicit call."""
    ran = await run(kernel, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert ran.status == "ok", ran.output
    (display,) = [event for event in ran.events if isinstance(event, Display)]
    assert base64.b64decode(display.bundle["image/png"]).startswith(b"\x89PNG")


BACKENDS = {
    "use": "matplotlib.use('Agg')",
    "use, of a window": "matplotlib.use('TkAgg')",
    "use, of a page": "matplotlib.use('nbAgg')",
    "switch_backend": "plt.switch_backend('svg')",
    "switch_backend, of a window": "plt.switch_backend('QtAgg')",
    "rcParams": "matplotlib.rcParams['backend'] = 'pdf'; plt.switch_backend('pdf')",
    "a missing library": "plt.switch_backend('cairo')",
    "notebook": "%matplotlib notebook",
    "widget": "%matplotlib widget",
    "qt": "%matplotlib qt",
    "tk": "%matplotlib tk",
    "agg": "%matplotlib agg",
    "pylab": "%pylab --no-import-all tk",
}


@pytest.mark.parametrize("choice", BACKENDS.values(), ids=BACKENDS)
async def test_figures_come_whatever_the_backend(kernel: Kernel, choice: str) -> None:
    """By `plt.show()`, at the end of a cell, and in the cells after it."""
    chosen = f"import matplotlib, matplotlib.pyplot as plt\n{choice}\n"
    for code in (f"{chosen}plt.plot([1, 2]); plt.show(); print('after')", "plt.plot([1, 2]);"):
        ran = await run(kernel, code)
        assert ran.status == "ok", ran.output
        pictures = [event for event in ran.events if isinstance(event, Display)]
        assert ["image/png" in event.bundle for event in pictures] == [True]
        printed = [isinstance(event, Stream) and "after" in event.text for event in ran.events]
        assert "print" not in code or printed.index(True) > ran.events.index(pictures[0])
    await run(kernel, "%matplotlib inline")


@pytest.mark.parametrize(
    "first",
    [
        "import matplotlib; matplotlib.use('Agg')",
        "import os; os.environ['MPLBACKEND'] = 'agg'",
        "%matplotlib tk",
    ],
)
async def test_figures_come_when_the_backend_is_chosen_before_pyplot_is_there(
    tmp_path: Path, first: str
) -> None:
    """The first line of a script, in a kernel that has imported nothing."""
    async with pooled(tmp_path, libraries=("numpy",)) as pool:
        kernel = pool.kernel("a", NoFiles())
        code = "import matplotlib, matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
        ran = await run(kernel, f"{first}\n{code}\nprint(matplotlib.get_backend().lower())")
        shown = [event.bundle for event in ran.events if isinstance(event, Display)]
        assert ["image/png" in bundle for bundle in shown] == [True], ran.output
        assert ran.output.split()[-1] in ("agg", "inline", "module://matplotlib_inline.backend_inline")


async def test_what_is_saved_after_it_was_shown_is_what_was_shown(kernel: Kernel) -> None:
    """A shown figure is closed, but `plt.savefig` still saves it, even in the next cell."""
    saves = "import os\nplt.savefig('saved.png')\nprint(os.path.getsize('saved.png') > 5000)"
    await run(kernel, "import matplotlib.pyplot as plt\nplt.close('all')")
    ran = await run(kernel, f"plt.plot(range(9))\nplt.show()\n{saves}")
    assert (ran.output, len(ran.events)) == ("True\n", 2)
    assert (await run(kernel, saves)).output == "True\n"
    empty = await run(kernel, saves)
    assert "UserWarning: the figure that is saved is empty" in empty.output
    assert "plt.savefig('saved.png')" in empty.output  # the line of the person's code
    assert empty.output.splitlines()[0] == "False"


async def test_a_figure_says_that_it_was_saved_as_it_is_shown(kernel: Kernel) -> None:
    """It gives the name of the file, unless the figure has changed since."""
    code = (
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nline, = ax.plot([1, 2])\n{}\nplt.show()"
    )
    for lines, files in {
        "plt.savefig('one.png')": ["one.png"],
        "fig.savefig('one.png'); fig.savefig('two.jpg')": ["one.png", "two.jpg"],
        "plt.savefig('one.png'); line.set_color('red')": None,
        "plt.savefig('one.png'); plt.title('x'); plt.savefig('two.png')": ["two.png"],
        "plt.savefig('one.pdf')": None,
        "import io; plt.savefig(io.BytesIO())": None,
        "plt.savefig('/tmp/one.png')": None,
    }.items():
        (figure,) = [
            one for one in (await run(kernel, code.format(lines))).events if isinstance(one, Display)
        ]
        assert figure.metadata.get("files") == files


async def test_help_is_shown(kernel: Kernel) -> None:
    """`name?` opens no pager: its text becomes an output of the cell."""
    ran = await run(kernel, "print?")
    assert "Prints the values to a stream" in ran.output


async def test_clear_output_and_update_display(kernel: Kernel) -> None:
    """An updated display and a cleared text end up as they were last."""
    ran = await run(
        kernel,
        "from IPython.display import clear_output, display\nprint('gone')\nclear_output()\n"
        "shown = display('one', display_id=True)\nshown.update('two')",
    )
    assert any(isinstance(event, ClearOutput) for event in ran.events)
    assert ran.output == "'two'\n"


async def test_a_tqdm_bar_is_one_moving_line(kernel: Kernel) -> None:
    """The bar is redrawn while it runs, and is one line in the record."""
    ran = await run(
        kernel,
        "from tqdm import tqdm\nimport time\nfor i in tqdm(range(20), mininterval=0): time.sleep(0.02)",
    )
    assert "\r" in ran.streamed
    assert ran.output.count("\n") == 1
    assert ran.output.startswith("100%|")


async def test_what_the_cell_shows_comes_after_what_it_has_printed(kernel: Kernel) -> None:
    """Even if the sending thread has taken the text but is slow with it when the value is sent."""
    slow = """
import sys, threading, time
session = sys.stdout.session
send = session.send
def slowly(*message, **options):
    if threading.current_thread() is not threading.main_thread(): time.sleep(0.4)
    return send(*message, **options)
session.send = slowly
print("text")
time.sleep(0.4)  # the text is taken after 0.2 s
42
"""
    try:
        ran = await run(kernel, slow)
    finally:
        await run(kernel, "session.send = send")
    assert ran.output == "text\n42\n"


@pytest.mark.parametrize("first", ["print", "display"])
async def test_prints_and_displays_stay_in_order(kernel: Kernel, first: str) -> None:
    """Whenever the sending thread takes the text: 600 prints and 600 displays, in turn."""
    turns = {"print": "print(f'[{n}]')", "display": "display({'text/plain': f'({n})'}, raw=True)"}
    second = next(name for name in turns if name != first)
    ran = await run(kernel, f"for n in range(600):\n    {turns[first]}\n    {turns[second]}")
    told = re.findall(r"\[\d+\]|\(\d+\)", ran.output)
    marks = {"print": "[{}]", "display": "({})"}
    assert told == [marks[name].format(n) for n in range(600) for name in (first, second)]


RAW = {
    "a descriptor": "os.write(1, b'raw {n}\\n'); print('python', {n})",
    "a program": "_ = os.system('echo raw {n}'); print('python', {n})",
    "before an error's text": "os.write(2, b'raw {n}\\n'); print('python', {n}, file=sys.stderr)",
}


@pytest.mark.parametrize("write", RAW.values(), ids=RAW)
async def test_what_goes_to_a_descriptor_comes_before_what_is_printed_next(
    kernel: Kernel, write: str
) -> None:
    """It takes another path, through a pipe and a thread, and the print waits for it."""
    await run(kernel, "import os, sys")
    for n in range(30):
        ran = await run(kernel, write.format(n=n) + "\nNone")
        assert ran.output == f"raw {n}\npython {n}\n"


async def test_a_child_that_writes_on_and_on_holds_up_no_print(kernel: Kernel) -> None:
    """A print waits only for what was written before it."""
    code = (
        "import subprocess\nendless = subprocess.Popen(['yes'])\n"
        "for n in range(200): print('printed', n)\nendless.kill(); _ = endless.wait()"
    )
    ran = await run(kernel, code)
    assert ran.status == "ok"


async def test_a_forked_child_repeats_nothing(kernel: Kernel) -> None:
    """What the parent printed is sent before the fork, and by the parent alone."""
    code = (
        "import os, warnings\nprint('before')\n"
        "with warnings.catch_warnings(action='ignore'): pid = os.fork()\nif pid == 0:\n"
        "    print('child', flush=True)\n    os._exit(0)\n_ = os.waitpid(pid, 0)\nprint('after')"
    )
    for _ in range(10):
        ran = await run(kernel, code)
        assert ran.output.startswith("before\n"), ran.output
        assert [ran.output.count(word) for word in ("before", "child", "after")] == [1, 1, 1], ran.output


async def test_the_threads_of_a_pool_print_in_the_cell_that_uses_them(kernel: Kernel) -> None:
    """The pool is made in one cell and works for others."""
    await run(
        kernel,
        "from concurrent.futures import ThreadPoolExecutor\nfrom multiprocessing.pool import ThreadPool\n"
        "pools = ThreadPoolExecutor(2), ThreadPool(2)\nfor pool in pools: _ = list(pool.map(str, 'ab'))",
    )
    for place in (0, 1):
        ran = await run(kernel, f"_ = list(pools[{place}].map(print, 'c'))")
        assert ran.output == "c\n"
    await run(kernel, "pools[1].terminate()")


async def test_what_is_written_to_the_descriptors_comes_in_its_own_cell(kernel: Kernel) -> None:
    """In 300 of 300 cells that write to descriptor 1, each has its own text by its end, and no other's."""
    await run(kernel, "import os")
    for number in range(300):
        ran = await run(kernel, f"_ = os.write(1, b'raw {number}\\n')")
        assert ran.output == f"raw {number}\n"


BELOW = {
    "a child's streams": "subprocess.run(WRITES, stdout=sys.stdout, stderr=sys.stderr)",
    "a child that goes on": "subprocess.Popen(SHELL, stderr=sys.stderr).wait()",
    "descriptors": "os.write(sys.stdout.fileno(), b'out'); os.write(sys.stderr.fileno(), b'err')",
    "Python's first streams": "sys.__stdout__.write('out'); sys.__stderr__.write('err')",
    "a log": "logging.StreamHandler(sys.__stdout__).emit(SAYS); logging.StreamHandler().emit(SAYS)",
    "C": "c = ctypes.CDLL(None); c.printf(b'out'); c.perror(b'err')",
    "a traceback of C": "faulthandler.dump_traceback(sys.stdout); faulthandler.dump_traceback(sys.stderr)",
}
NAMES = """
import ctypes, faulthandler, logging, os, subprocess, sys
SHELL = "sh", "-c", "echo out; echo err >&2"
WRITES = sys.executable, "-c", "import sys; print('out'); sys.exit('err')"
SAYS = logging.LogRecord("x", 40, "x", 1, "out err", (), None)
"""


@pytest.mark.parametrize("code", BELOW.values(), ids=BELOW)
async def test_what_goes_past_pythons_streams_is_the_cells(kernel: Kernel, code: str) -> None:
    """A stream's descriptor belongs to the cell, whoever writes to it, and no buffer keeps a line back."""
    await run(kernel, NAMES)
    ran = await run(kernel, f"{code};")
    assert ran.status == "ok", ran.output
    texts: dict[str, str] = {"stdout": "", "stderr": ""}
    for event in ran.events:
        if isinstance(event, Stream):
            texts[event.name] += event.text
    expected = ("Thread", "Thread") if "faulthandler" in code else ("out", "err")
    assert expected[0] in texts["stdout"]
    assert expected[1] in texts["stderr"]


async def test_a_redirected_descriptor_comes_back(kernel: Kernel) -> None:
    """Redirecting it is the usual way to silence a C library, and leaves the stream as it was."""
    code = """
import os, sys
kept = os.dup(sys.stdout.fileno())
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, sys.stdout.fileno())
os.system("echo silent")
os.dup2(kept, sys.stdout.fileno())
os.close(kept); os.close(null)
_ = os.system("echo heard")
"""
    assert (await run(kernel, code)).output == "heard\n"


async def test_what_a_child_process_writes_comes_in_its_own_cell(kernel: Kernel) -> None:
    """The output of programs that the cell waited for is there when the cell is over."""
    await run(kernel, "import subprocess")
    for number in range(30):
        ran = await run(kernel, f"_ = subprocess.run(['echo', '{number}'])")
        assert ran.output == f"{number}\n"
    assert (await run(kernel, "!echo from the shell")).output.strip() == "from the shell"


async def test_processes_of_a_cell_work(kernel: Kernel) -> None:
    """A process pool computes, and what its processes print belongs to the cell."""
    ran = await run(
        kernel,
        "import multiprocessing\nfork = multiprocessing.get_context('fork')\n"
        "with fork.Pool(2) as pool: squares = pool.map(abs, range(4))\nsquares",
    )
    assert ran.output.endswith("[0, 1, 2, 3]\n"), ran.output


async def test_threads_of_a_cell_are_the_cells(kernel: Kernel) -> None:
    """What a thread prints while its cell runs is an output of that cell."""
    ran = await run(
        kernel,
        "import threading\nthreads = [threading.Thread(target=print, args=(n,)) for n in range(3)]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()",
    )
    assert sorted(ran.output.replace("\n", "")) == ["0", "1", "2"]


async def test_the_environment_holds_no_secret(kernel: Kernel) -> None:
    """A canary in our environment is missing from the kernel's."""
    assert await value(kernel, "import os\n'canary-in-the-coal-mine' in repr(dict(os.environ))") == "False"
    shown = await run(kernel, "!env")
    assert "HOME=" in shown.output
    assert "canary-in-the-coal-mine" not in shown.output


async def test_the_working_folder_is_the_workspace(kernel: Kernel) -> None:
    """A file written without a path is captured from the session's folder."""
    ran = await run(kernel, "open('note.txt', 'w').write('hello')")
    (file,) = ran.result.captured
    assert (file.name, file.size) == ("note.txt", 5)
    with file.open() as opened:
        assert opened.read() == b"hello"
    assert (await run(kernel, "1")).result.captured == ()


async def test_load_file_is_there_without_an_import(kernel: Kernel) -> None:
    """The broker answers, and nothing of ours is among the person's names."""
    ran = await run(kernel, "load_file('k7m3q9x2va')")
    assert (ran.status, ran.result.error and ran.result.error.ename) == ("error", "FileNotFoundError")
    assert "load_file" not in {variable.name for variable in kernel.variables}


async def test_variables_are_described(fresh: Kernel) -> None:
    """After each cell: names, types, and shapes or short values."""
    await run(fresh, "import numpy as np\na = np.zeros((3, 4)); n = 42; s = 'text'; _hidden = 1")
    described = {variable.name: (variable.type, variable.detail) for variable in fresh.variables}
    assert described == {
        "np": ("module", ""),
        "a": ("ndarray", "3 x 4"),
        "n": ("int", "42"),
        "s": ("str", "4 characters"),
    }


HOSTILE = """
class Meta(type):
    def __getattribute__(cls, name): raise SystemExit("meta")
    def __eq__(cls, other): raise KeyboardInterrupt
    __hash__ = type.__hash__
class Hostile(metaclass=Meta): pass
hostile = Hostile()
class Long(list):
    def __len__(self): raise MemoryError
    def __repr__(self): raise MemoryError
long = Long()
class Shaped:
    @property
    def shape(self): raise BaseException("shape")
Shaped.__module__ = "numpy"
shaped = Shaped()
class Name(str):
    def startswith(self, *args): raise BaseException("name")
globals()[Name("name")] = 1
globals()["surrogate\\ud800"] = 1
plain = 1
"""


async def test_hostile_variables_do_not_break_the_reply(fresh: Kernel) -> None:
    """Objects that raise when looked at lose their own description and nothing else."""
    ran = await run(fresh, HOSTILE)
    assert ran.status == "ok", ran.output
    described = {variable.name: variable.type for variable in fresh.variables}
    assert described["plain"] == "int"
    assert described["hostile"] == "?"
    assert "name" not in described
    assert await value(fresh, "plain") == "1"


SECOND = """
import asyncio, sys
class Second:
    flushed = 0
    def flush(self):
        self.flushed += 1
        if self.flushed == 2: raise asyncio.CancelledError
sys.stderr = Second()"""


@pytest.mark.parametrize(
    "harm",
    [
        "import sys; sys.stdout = None",
        "import sys; sys.stdout = sys.stderr = 5",
        "import sys; del sys.stdout, sys.stderr",
        "import sys; f = open('log.txt', 'w'); sys.stdout = f; print('in it'); f.close()",
        "import sys; sys.stderr = type('Broken', (), {'flush': lambda self: 1 / 0})()",
        "import sys; sys.stdout = type('Broken', (), {'flush': lambda self: sys.exit()})()",
        SECOND,
        "get_ipython().payload_manager.write_payload({'source': 'x', 'data': object()})",
        "import os; os.close(1); os.close(2)",
        "del get_ipython",
        "get_ipython = None",
        "import builtins; builtins.print = None",
        "import threading; threading.Thread.start = None",
        "def f(): f()\nf()",
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "raise BaseException",
    ],
)
async def test_harm_to_the_kernel_is_the_cells_own(fresh: Kernel, harm: str) -> None:
    """Whatever a cell breaks in its kernel, the cell ends, and the next one is answered in time."""
    ran = await run(fresh, harm)
    assert ran.status in ("ok", "error")
    assert (await run(fresh, "6 * 7")).output == "42\n"


@pytest.mark.parametrize(
    "stand_in",
    [
        "with open('log.txt', 'w') as file: sys.stdout = file",
        "sys.stderr = type('Broken', (), {'flush': lambda self: 1 / 0})()",
        "del sys.stdout",
    ],
)
async def test_an_error_is_told_whatever_stands_in_the_place_of_a_stream(
    fresh: Kernel, stand_in: str
) -> None:
    """An error takes another path than printed text."""
    ran = await run(fresh, f"import sys\n{stand_in}\n1 / 0")
    assert ran.result.error is not None
    assert ran.result.error.ename == "ZeroDivisionError"


async def test_what_fails_at_the_end_of_a_cell_is_told(kernel: Kernel) -> None:
    """As an error, after everything that the cell printed."""
    ran = await run(
        kernel,
        "print('before'); get_ipython().payload_manager.write_payload({'source': 'x', 'data': object()})",
    )
    assert (ran.status, ran.output.splitlines()[0]) == ("error", "before")
    assert ran.result.error is not None
    assert "has run" in ran.result.error.evalue


TEE = """
import sys
class Tee:
    def __init__(self, inner): self.inner = inner
    def write(self, text): return self.inner.write(text)
    def flush(self): pass
"""


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (f"{TEE}\nsys.stdout = Tee(sys.stdout)", "print('told')"),
        (f"{TEE}\nsys.stdout = Tee(sys.stdout)", "import os; os.system('echo told');"),
        ("import sys; sys.stdout = sys.__stdout__", "print('told')"),
        ("", "import io, sys; print('told'); sys.stdout = io.StringIO()"),
        (
            "",
            "import io, sys\nsys.stdout = io.StringIO(); print()\nsys.stdout = sys.__stdout__; print('told')",
        ),
    ],
)
async def test_what_stands_before_a_stream_takes_no_output_from_its_cell(
    fresh: Kernel, before: str, code: str
) -> None:
    """Whether the person's own stream stays, is restored or is replaced."""
    await run(fresh, before)
    assert (await run(fresh, code)).output.replace("0\n", "") == "told\n"


async def test_the_persons_modules_come_after_pythons(fresh: Kernel) -> None:
    """Files named like modules of Python or the kernel do not break its start; others can be imported."""
    for name in ("random", "json", "asyncio", "mine"):
        (fresh.workspace.path / f"{name}.py").write_text("ours = True")
    assert await value(fresh, "import random, mine\nmine.ours, hasattr(random, 'ours')") == "(True, False)"


async def test_code_with_surrogates_is_answered(kernel: Kernel) -> None:
    """Text that UTF-8 cannot hold neither raises an error here nor hangs there."""
    ran = await run(kernel, "print('\ud800')")
    assert ran.output == "\ufffd\n"
    assert await value(kernel, "1") == "1"


@pytest.mark.parametrize("odd", [r"\ud83d", r"\udce9"], ids=["half an emoji", "a byte of a file's name"])
async def test_text_that_utf8_cannot_hold_costs_no_other_text_its_way(kernel: Kernel, odd: str) -> None:
    """What a cell prints, shows, asks and raises arrives complete except for the invalid character."""
    ran = await run(kernel, f"print('before'); print('{odd}'); print('after')")
    assert (ran.status, ran.output) == ("ok", "before\n\ufffd\nafter\n")
    shown = await run(kernel, f"type('Odd', (), {{'__repr__': lambda self: 'odd {odd}'}})()")
    assert shown.output == "odd \ufffd\n"
    asked = await run(kernel, f"input('{odd}? ')", answers=["yes"])
    assert asked.output == "\ufffd? yes\n'yes'\n"
    failed = await run(kernel, f"raise ValueError('bad {odd}')")
    assert failed.result.error is not None
    assert failed.result.error.evalue == "bad \ufffd"


async def test_a_display_that_json_cannot_hold_is_shown_without_a_warning(kernel: Kernel) -> None:
    """NaN in a bundle is sent as text, and nothing about it is written to the person's stderr."""
    ran = await run(kernel, "from IPython.display import JSON, display\ndisplay(JSON({'a': float('nan')}))")
    assert ran.output == "<IPython.core.display.JSON object>\n"


async def test_sessions_never_see_each_others_names(kernel: Kernel, fresh: Kernel) -> None:
    """Another session has its own process."""
    await run(kernel, "secret = 1")
    assert (await run(fresh, "secret")).status == "error"


async def test_output_comes_while_the_cell_runs(kernel: Kernel) -> None:
    """The first line arrives before the cell goes on to the second, which waits for us."""
    ran = await run(kernel, "print('first', flush=True)\nprint(input())", answers=["second"])
    before = takewhile(lambda event: not isinstance(event, InputRequest), ran.events)
    assert "".join(event.text for event in before if isinstance(event, Stream)) == "first\n"


async def test_what_a_cell_showed_takes_no_memory_afterwards(kernel: Kernel) -> None:
    """Printed text, displays and values leave the kernel's memory for good: sessions last for days."""
    show = "for _ in range(300): print('x' * 100_000)\nfor _ in range(30): display({'x' * 1_000_000: 1})"
    memory = []
    for _ in range(2):
        await run(kernel, show)
        memory.append((await run(kernel, "1")).result.memory)  # the output has left by now
    before, after = memory
    assert before is not None
    assert after is not None
    assert after - before < 20 << 20


async def test_an_interrupt_at_any_moment_of_a_cells_start_stops_it(
    kernel: Kernel,
) -> None:
    """It may arrive before its cell, or as Python starts to wait, in which case it is sent again."""
    await run(kernel, "kept = 1")
    for n in range(40):
        async with kernel.run("import time; time.sleep(600)") as cell:
            told = asyncio.create_task(drained(cell))
            for _ in range(3 + n % 5):
                await asyncio.sleep(0)
            await asyncio.sleep(n % 12 * 0.0003)  # a different moment of the start each time
            await cell.interrupt()
            await told
        assert (cell.result.status, cell.result.restarted) == ("interrupted", None)
    assert await value(kernel, "kept") == "1"


async def drained(cell: Run) -> None:
    """Read a cell's events to the end."""
    async for _ in cell:
        pass


async def test_an_interrupts_traceback_shows_the_persons_code_alone(kernel: Kernel) -> None:
    """It does not show how the signal arrives; code that asks for Python's own handler finds it."""
    code = "import signal\nassert signal.getsignal(2) is signal.default_int_handler\n"
    code += "print(input())\nwhile 1: pass"
    async with kernel.run(code) as cell:
        async for event in cell:
            if isinstance(event, InputRequest):
                cell.answer("on")
            elif isinstance(event, Stream) and "on" in event.text:
                await cell.interrupt()
    assert cell.result.error is not None
    assert "turn.py" not in "".join(cell.result.error.traceback)


async def test_an_interrupt_while_the_kernel_sends_its_question_tears_nothing(kernel: Kernel) -> None:
    """It comes right after the question, 30 times; each cell stops, and the next question is intact."""
    for _ in range(30):
        async with kernel.run("input('first? ')") as cell:
            async for event in cell:
                if isinstance(event, InputRequest):
                    await cell.interrupt()
        assert (cell.result.status, cell.result.restarted) == ("interrupted", None)
        assert cell.result.error is not None
        assert cell.result.error.evalue == "Interrupted by user"  # while it waited, not while it sent
    assert (await run(kernel, "input('second? ')", answers=["yes"])).output.endswith("'yes'\n")


@pytest.mark.parametrize("code", ["def ask(): return input()\nask()", "while True: input()"])
@pytest.mark.parametrize("answer", [None, "\x04"], ids=["interrupted", "end of file"])
async def test_a_traceback_ends_in_the_persons_own_code(
    kernel: Kernel, code: str, answer: str | None
) -> None:
    """It does not show how the kernel asks."""
    async with kernel.run(code) as cell:
        async for event in cell:
            if isinstance(event, InputRequest) and answer is not None:
                cell.answer(answer)
            elif isinstance(event, InputRequest):
                await cell.interrupt()
    assert cell.result.error is not None
    traceback = strip_ansi("".join(cell.result.error.traceback))
    assert "input()" in traceback
    assert "ipykernel/" not in traceback
    assert "program.py" not in traceback


@pytest.mark.parametrize("before", ["", "import asyncio\nawait asyncio.sleep(0)\n"], ids=["plain", "await"])
@pytest.mark.parametrize("kind", ["Exception", "RuntimeError", "OSError"])  # for some of these we say more
async def test_an_error_without_a_text_shows_the_persons_code_alone(
    kernel: Kernel, before: str, kind: str
) -> None:
    """If an exception's `__str__` raises, its traceback says so once, and the next cell works."""
    await run(
        kernel,
        f"class Mute({kind}):\n    filename = property(lambda self: 1 / 0)\n"
        "    def __str__(self):\n        return 1 / 0",
    )
    ran = await run(kernel, f"{before}raise Mute")
    (failure,) = ran.events
    assert isinstance(failure, Failure)
    assert failure == ran.result.error
    assert (ran.status, failure.ename) == ("error", "Mute")
    assert failure.evalue == "[no text: its __str__ raised ZeroDivisionError]"
    told = strip_ansi("".join(failure.traceback))
    assert "raise Mute" in told
    assert failure.evalue in told
    assert "File" not in told
    assert await value(kernel, "7") == "7"


@pytest.mark.parametrize("code", ["import sys; sys.exit()", "import sys\nsys.exit(0)\nprint('never')"])
async def test_a_script_that_ends_well_is_no_failure(kernel: Kernel, code: str) -> None:
    """`sys.exit(0)` ends the cell but not the kernel, and is not mentioned."""
    await run(kernel, "kept = 7")
    ran = await run(kernel, code)
    assert (ran.status, ran.output) == ("ok", "")
    assert (await run(kernel, "kept")).output == "7\n"


async def test_a_script_that_ends_badly_is_a_failure_without_our_advice(kernel: Kernel) -> None:
    """It gives the reason, without advice on how to leave IPython and without IPython's path."""
    for code, reason in (("import sys; sys.exit(3)", "SystemExit: 3"), ("raise SystemExit('why')", "why")):
        ran = await run(kernel, code)
        assert ran.status == "error"
        assert reason in ran.output
        assert "To exit" not in ran.output
        assert "site-packages" not in ran.output


async def test_exit_says_at_once_that_the_variables_go(fresh: Kernel) -> None:
    """The person can still write them to a file, in the same cell."""
    ran = await run(fresh, "kept = 7\nexit()\nprint('still', kept)")
    assert "its variables are lost" in ran.output
    assert ran.output.index("its variables are lost") < ran.output.index("still 7")


WARNING = """import json, warnings
with warnings.catch_warnings(action="always"):
    warnings.warn_explicit("w", UserWarning, json.__file__, 1)"""


async def test_no_path_of_the_machine_is_in_an_error_or_a_warning(kernel: Kernel) -> None:
    """Libraries' paths begin at their package, even within an error's message."""
    for code, words in (
        ("import pandas\npandas.DataFrame()['x']", "File site-packages/pandas/core/frame.py:"),
        ("import json\njson.loads('{')", "File python3.12/json/decoder.py:"),
        ("from numpy import nothing", "(site-packages/numpy/__init__.py)"),
        (
            "import threading\nt = threading.Thread(target=int, args=['x'])\nt.start()\nt.join()",
            'File "python3.12/threading.py", line ',
        ),
        (
            "import json, logging\ntry:\n    json.loads('{')\nexcept Exception:\n    logging.exception('a')",
            'File "python3.12/json/decoder.py", line ',
        ),
        (
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import json; json.loads(1)']);",
            'File "python3.12/json/__init__.py", line ',
        ),
        (
            "import faulthandler\nfaulthandler.dump_traceback()",
            'File "site-packages/ipykernel/ipkernel.py", line ',
        ),
        (
            WARNING,
            "python3.12/json/__init__.py:1",
        ),
    ):
        ran = await run(kernel, code)
        assert words in ran.output.replace("\n", ""), ran.output
        assert list(problems(ran.output)) == []


async def test_a_path_that_a_cell_prints_is_as_it_is(kernel: Kernel) -> None:
    """A person who asks where a library is wants to know."""
    found = await value(kernel, "__import__('json').__file__")
    ran = await run(kernel, "import json\nprint(json.__file__)\nprint('In', repr(json.__file__))")
    assert ran.output == f"{found[1:-1]}\nIn {found}\n"
    assert Path(found[1:-1]).is_absolute()
    sentences.take(over=True)


async def test_a_recursion_without_end_is_summed_up(kernel: Kernel) -> None:
    """As IPython does at a terminal: in a few lines, not three for each of a thousand frames."""
    ran = await run(kernel, "def f(n):\n    return f(n + 1)\nf(0)")
    assert "skipping similar frames" in ran.output
    assert ran.output.count("\n") < 40
    assert ran.output.endswith("RecursionError: maximum recursion depth exceeded\n")
