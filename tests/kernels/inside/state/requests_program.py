"""Run by the kernels' own Python: saves and loads the variables of a shell, and prints what came of it.

    python requests_program.py TESTS_FOLDER WORKSPACE

`inside` must be on the path. One JSON line: {"what was tried": ...}.
"""

import asyncio
import contextlib
import gc
import io
import json
import os
import signal
import sys
import threading
import time
import warnings
import weakref

sys.path.insert(0, sys.argv[1])
os.chdir(sys.argv[2])
import stand_in  # noqa: E402  (the path first)
from inside import program  # noqa: E402
from inside.children import forked  # noqa: E402
from inside.files import request_socket  # noqa: E402
from inside.input import standard_input  # noqa: E402
from inside.interrupts import take_interrupts  # noqa: E402
from inside.output import muting  # noqa: E402
from inside.shell import Shell, interrupts  # noqa: E402
from inside.state import graph, loading, placeholder, requests, saving, selection  # noqa: E402

del sys.path[0]
forked._kernel = os.getpid()
program.prepare()
take_interrupts(interrupts.note)
shell = Shell.instance()
told = {}


def cell(code):
    """Run a cell; what it shows is discarded."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = shell.run_cell(code, store_history=True)
    result.raise_error()


def fresh():
    """The same shell as in a kernel that has run nothing."""
    shell.reset()
    made = stand_in.Kernel(shell, requests)
    sys.stdin = standard_input.StandardInput(made.raw_input)
    return made


def interrupt_later(name, seconds=0.1):
    """Interrupt as a node does: by the message's id, from another thread, until it has been heard."""

    def interrupt():
        while not interrupts.is_running(name):
            time.sleep(0.01)
        time.sleep(seconds)
        with interrupts.aimed_at(name) as running:
            told["heard"] = running
            if running:
                os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()


with stand_in.Node(request_socket) as node:
    # What is saved comes back, in the old order, with its cells.
    kernel = fresh()
    told["none"] = kernel.load()
    own = shell.user_ns
    own |= {"a" * 200: "long", "\ud83d": "half"}
    kernel.save(1)
    kernel = fresh()
    reply = kernel.load()
    told["odd"] = reply["back"], reply["missing"], own["a" * 200], own["\ud83d"]
    node.saves.clear()
    kernel = fresh()
    cell("b = [1, 2]; a = b; _own = b; __x__ = 1")
    told["first"] = kernel.save(1)
    cell("def get(): return b\nclass Bad:\n def __reduce__(self): raise ValueError('no')\nbad = Bad()")
    shell.push({"linspace": len}, interactive=False)
    told["second"] = kernel.save(2)
    told["meta"] = node.saves[-1].meta
    kernel = fresh()
    told["loaded"] = kernel.load()
    told["order"] = [name for name in own if name in ("a", "b", "_own", "__x__", "get", "bad", "linspace")]
    told["shared"] = own["a"] is own["b"] is own["_own"] is own["get"]()
    told["hidden"] = own["linspace"] is shell.user_ns_hidden["linspace"]
    told["counter"] = shell.execution_count
    told["sent after a load"] = kernel.save(3)["status"], sum(len(one.buffers) for one in node.saves[-1:])
    told["lost again"] = node.saves[-1].meta["lost"]

    # A variable with a name that IPython has in cells stays the person's own.
    kernel = fresh()
    cell("In = ['mine']; Out = {'also': 'mine'}; held = [In, Out, _ih]; _2024 = 'a year'")
    cell("import decimal; context = decimal.getcontext(); context.prec = 5")
    kernel.save(1)
    kernel = fresh()
    kernel.load()
    held = own["held"]
    told["named like IPython's"] = own["In"], own["Out"], own["_2024"]
    told["and its own"] = held[0] is own["In"], held[1] is own["Out"], held[2] is own["_ih"]
    told["context"] = own["context"] is own["decimal"].getcontext(), own["context"].prec

    # Where there is no room, what fits is saved, and the rest named.
    kernel = fresh()
    cell("import numpy; old = numpy.random.default_rng(1).bytes(3 << 20); n = 5")
    kernel.save(1)
    cell("new = numpy.random.default_rng(2).random(1 << 18)")
    kernel.save(2)
    told["stored"] = node.saves[-1].meta["names"]
    cell("newer = numpy.random.default_rng(3).random(1 << 18)")
    node.room = 5 << 19
    told["no room"] = kernel.save(3), node.saves[-1].meta["names"], node.saves[-1].meta["lost"]
    before, kernel = dict(own), fresh()
    told["left out"] = kernel.load(), list(own), repr(own["old"])
    kernel.save(3)
    told["left out"] += (node.saves.pop().meta["lost"],)
    node.room = 1 << 30
    kernel = fresh()
    own |= {name: before[name] for name in ("numpy", "old", "n", "new", "newer")}
    kernel.save(3)
    told["room again"] = kernel.save(4), node.saves[-1].meta["names"]
    node.room = 10
    node.chunks.clear()
    kernel = fresh()
    before = len(node.saves)
    told["nothing fits"] = kernel.save(1)["status"], len(node.saves) - before
    node.room = 1 << 30
    requests.spare_memory = lambda: 4 << 20
    cell("numbers = list(map(float, range(1_000_000))); n = 5")
    told["too large"] = kernel.save(2), node.saves[-1].meta["names"], node.saves[-1].meta["lost"]
    requests.spare_memory = lambda: 256 << 20
    told["not tried"] = [
        (kernel.save(3)["status"], node.saves[-1].meta["names"]) for _ in range(saving.AGAIN)
    ]
    told["tried again"] = [(kernel.save(4), node.saves[-1].meta["names"]) for _ in range(2)]
    now = kernel.state._saving
    now._some, now._refused[selection.marked("numbers", own["numbers"])] = True, ("too large", saving.AGAIN)
    told["too large again"] = kernel.save(5)
    del own["numbers"][1:]
    told["small"] = kernel.save(6), node.saves[-1].meta["names"]

    # What takes too long is left out; an interrupt ends a save, and the one before stays.
    kernel = fresh()
    cell("n = 6")
    kernel.save(1)
    cell("import time\nclass Slow:\n def __reduce__(self):\n  while True: time.sleep(60)\nslow = Slow()")
    whole, alone = saving.WHOLE, saving.ALONE
    saving.WHOLE, saving.ALONE = 0.02, 0.01
    told["slow"] = kernel.save(2), node.saves[-1].meta["names"], node.saves[-1].meta["lost"]
    saving.WHOLE, saving.ALONE = whole, alone
    before = len(node.saves)
    cell("slow = Slow()")
    interrupt_later("mine")
    told["interrupted"] = kernel.save(3, name="mine")
    with interrupts.aimed_at("late"):  # before it begins
        pass
    told["refused"] = kernel.save(4, name="late")
    told["given up"] = len(node.saves) - before
    cell("n = 7")  # an interrupt that came late is not for the next cell
    cell("del slow")
    told["afterwards"] = kernel.save(5)["status"]

    # The cell that made a name is known, if the node has asked for a save after each.
    kernel = fresh()
    cell("one = [1]; two = [2]")
    kernel.save(11)
    cell("two = [3]; three = [3]")
    with interrupts.aimed_at("refused"):
        pass
    kernel.save(12, name="refused")
    cell("one = [4]")
    kernel.save(15)
    cell("two = [5]; four = [5]")
    cell("five = [6]")
    kernel.save(17)
    told["cells"] = kernel.state._saving._cells.all()
    kernel = fresh()
    kernel.load()
    cell("five = [7]")
    kernel.save(18)
    told["cells after a load"] = kernel.state._saving._cells.all()

    # A thread ends with its kernel, which is known when it is saved.
    kernel = fresh()
    cell("import threading\nending = threading.Event()\ndef waits(): ending.wait()")
    cell("threading.Thread(target=waits, name='waiting').start()")
    kernel.save(1)
    told["running"] = [one for one in node.saves[-1].meta["lost"] if "waiting" in one["name"]]
    cell("ending.set()")
    told["was running"] = [one for one in kernel.load()["missing"] if "waiting" in one["name"]]

    # What something of ours stands for meanwhile is theirs again, and goes with the state.
    kernel = fresh()
    cell("import gc, io, signal, sys\nsys.stderr = err = io.StringIO()\ngc.disable()")
    cell("def alarmed(*_): pass\nsignal.signal(signal.SIGALRM, alarmed); _ = signal.alarm(1000)")
    look = lambda: [  # noqa: E731
        sys.stderr is own.get("err"),
        gc.isenabled(),
        signal.getsignal(signal.SIGALRM) is own.get("alarmed"),
        signal.alarm(1000) > 900,
    ]
    kernel.save(1)
    told["theirs"] = [look()]
    signal.alarm(0), signal.signal(signal.SIGALRM, signal.SIG_DFL), gc.enable()
    sys.stderr = sys.__stderr__
    kernel = fresh()
    missing = kernel.load()["missing"]
    told["theirs"] += [look(), [one["name"] for one in missing]]
    signal.alarm(0), signal.signal(signal.SIGALRM, signal.SIG_DFL), gc.enable()
    sys.stderr = sys.__stderr__

    # Code that never ends costs only what it belongs to, when it is looked at and when it is set.
    kernel = fresh()
    cell("import asyncio, sys, time\nclass Ends:\n def __eq__(self, other):\n  while True: time.sleep(60)")
    arguments, sys.argv = sys.argv, [own["Ends"]()] * len(sys.argv)
    code = "class Policy(asyncio.DefaultEventLoopPolicy):\n def __init__(self):\n  super().__init__()"
    cell(f"{code}\n  while made: time.sleep(60)\nmade = []; asyncio.set_event_loop_policy(Policy())")
    cell("made.append(asyncio.get_event_loop_policy()); n = 8")
    saving.PART = loading.PART = 0.01
    told["endless"] = [kernel.save(1)["status"], node.saves[-1].meta["lost"]]
    sys.argv = arguments
    asyncio.set_event_loop_policy(None)
    kernel = fresh()
    told["endless"] += [kernel.load(), own["n"]]
    cell("made.clear()")

    # One loss is told once, wherever it was found.
    known = {"lost": [{"name": "x", "cell": 3, "what": "a lock"}], "names": ["x", "y", "z"]}
    lost = [graph.Lost(name, "a lock") for name in ("x", "y", saving.OWN, saving.PLACE)]
    found = {name: placeholder.Placeholder("a lock", name) for name in "xyw"}
    told["once"] = [(one["name"], one["what"]) for one in loading._missing(known, found, lost, {})]

    # Where hashes of text are others, those that values had kept are named.
    kernel = fresh()
    cell("kept = hash('text')")
    kernel.save(1)
    kernel = fresh()
    told["hashes"] = [kernel.load()["missing"]]
    loading.text_hash = lambda: 5
    kernel = fresh()
    told["hashes"] += [kernel.load()["missing"]]
    loading.text_hash = saving.text_hash

    # A child that a value forks does not go on with it.
    kernel = fresh()
    code = "import os\nclass Forks:\n def __reduce__(self):\n  children.append(os.fork()); return Forks, ()"
    cell(f"{code}\nforks, children = Forks(), []")
    before = len(node.saves)
    told["forks"] = kernel.save(1)["status"], len(node.saves) - before
    told["children"] = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in own["children"]]

    # Nothing that has been saved lives on for it, whatever becomes of the save.
    HELD = """
import numpy
class Held: pass
held = Held()
class Fails:
    def __reduce__(self): raise ValueError(held)
class Slow:
    def __reduce__(self):
        while True: pass
values = {"held": held, "fails": Fails()}
array = numpy.zeros(100_000)
"""
    told["held"] = {}
    for how, code in {"saved": "", "given up": "values['slow'] = Slow()"}.items():
        kernel = fresh()
        cell(HELD + code)
        kernel.save(1, seconds=0.3 if code else 30)
        held = weakref.ref(own["held"])
        gc.disable()
        own["array"].resize(200_000)  # which an array refuses that somebody else has
        del own["values"], own["held"]
        told["held"][how] = held() is not None
        gc.enable()

    # The node takes so many chunks and no more.
    kernel = fresh()
    cell("import numpy; many = [numpy.arange(i, i + 8192) for i in range(9)]; n = 1")
    saving.MOST_CHUNKS, most = 8, saving.MOST_CHUNKS
    told["many chunks"] = kernel.save(1), node.saves[-1].meta["names"]
    saving.MOST_CHUNKS = most

    # Nothing is left behind or shown.
    os.makedirs("elsewhere", exist_ok=True)
    flushed = []

    class Holding(io.StringIO):
        """A stream of the person's around the kernel's, which holds what is written until it is flushed."""

        def flush(self):
            flushed.append((muting.is_muted(), sys.stdout is None))  # whether before or after it was replaced

    LOUD = """
import gc, os, sys, time, warnings
class Loud:
    def __init__(self, asked=""): self.asked = asked
    def __reduce__(self):
        try: asked = input("asked?")
        except Exception as error: asked = type(error).__name__
        print("printed"); os.write(1, b"written"); os.write(2, b"written")
        warnings.warn("warned"); os.chdir("elsewhere"); gc.enable(); sys.stdout = sys.stderr = None
        return Loud, (asked,)
loud = Loud()
"""
    kernel = fresh()
    cell(LOUD)
    warnings.simplefilter("default")
    filters = list(warnings.filters)
    alarms = signal.signal(signal.SIGALRM, lambda *_: None)
    mine = signal.getsignal(signal.SIGALRM)
    reading, writing = os.pipe()
    kept = os.dup(1), os.dup(2)
    os.dup2(writing, 1), os.dup2(writing, 2)
    state = lambda: [  # noqa: E731
        gc.isenabled(),
        os.getcwd(),
        id(sys.stdout),
        id(sys.stderr),
        id(sys.stdin),
        shell.execution_count,
        list(warnings.filters) == filters,
        signal.getsignal(signal.SIGALRM) is mine,
        kernel._allow_stdin,
        signal.getitimer(signal.ITIMER_REAL),
        threading.active_count(),
        [key for key in own.get("__warningregistry__", ()) if key != "version"],
        sorted(os.listdir("/proc/self/fd")),
    ]
    kernel.state._apart._own_threads.update(threading.enumerate())
    sys.stdout, ours = Holding(), sys.stdout
    with node.serving:
        before = state()
    told["loud"] = kernel.save(1)["status"]
    with node.serving:  # its end of the connection is in this process, too
        pass
    told["flushed"] = flushed
    told["trace"] = [pair for pair in zip(before, state(), strict=True) if pair[0] != pair[1]]
    sys.stdout = ours
    os.dup2(kept[0], 1), os.dup2(kept[1], 2)
    os.close(writing)
    told["shown"] = os.read(reading, 1000).decode()
    kernel = fresh()
    told["loud again"] = kernel.load()["back"]
    told["stream"], sys.stdout = type(sys.stdout).__name__, ours
    told["asked"] = own["loud"].asked
    signal.signal(signal.SIGALRM, alarms)

    # What cannot be loaded is said.
    kernel = fresh()
    node.saves[-1].meta["libraries"]["python"] = "3.9.1"
    told["other python"] = kernel.load()
    told["names after"] = sorted(name for name in own if name == "loud")
    node.chunks = {digest: bytes(len(data)) for digest, data in node.chunks.items()}
    node.saves[-1].meta["libraries"]["python"] = ".".join(map(str, sys.version_info[:3]))
    told["damaged"] = kernel.load()

print(json.dumps(told))
