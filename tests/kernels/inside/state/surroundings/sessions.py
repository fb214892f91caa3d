"""Sessions that go on in another kernel: what one kernel keeps of its surroundings, another one puts.

    played = play(folder, {"folder": Session(cells=["%cd -q sub"], looks={"folder": "os.getcwd()"})})
    played["folder"].before["folder"]       # also `fresh`, `after` and `told`

`looks` are expressions, by name; what comes back is their values as text. In them `shown(code)` runs a cell
and returns what it displays. All kernels are forked from one process, as a zygote's are.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.kernels.inside.kernel_python import run

__all__ = ["Played", "Session", "play"]

LIBRARIES = "import matplotlib.pyplot as plt, matplotlib, numpy as np, pandas as pd, polars as pl, sympy"
# What the first picture takes in each process that has drawn none; no trace of it is left in pyplot.
DRAWING = """
import io, matplotlib_inline.backend_inline
from IPython.core import pylabtools
from matplotlib.figure import Figure
drawn = Figure()
drawn.subplots().set_title("a title")
pylabtools.print_figure(drawn, "png")
drawn.savefig(io.BytesIO(), format="svg")
plt.rcParams["figure.dpi"] = 20
"""


@dataclass(frozen=True)
class Session:
    """Cells that run in one kernel, and expressions that are evaluated in it and in the next.

    `imports` is a cell that runs in the next before anything is put. After a `bare` one, the next has no
    libraries imported. Only of a session with `fresh` it is told what is found where nothing is put.
    """

    cells: list[str]
    looks: dict[str, str] = field(default_factory=dict)
    imports: str = ""
    bare: bool = False
    fresh: bool = False


@dataclass(frozen=True)
class Played:
    """The looks' values in the kernel that goes on, in a fresh one, and in one in which everything is put."""

    before: dict[str, str]
    fresh: dict[str, str]
    after: dict[str, str]
    told: list[str]  # what could not be put
    kept: list[str]  # the parts that the last kernel would keep


CODE = """
import contextlib, io, json, os, pickle, sys, traceback, types
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads whose locks a fork could inherit
import cloudpickle
from jupyter_client.session import Session
from inside import program
from inside.children import forked
from inside.shell import Shell
from inside.state import surroundings

program.prepare()
shell = Shell.instance()
displayed = []

class Showing(Session):
    def send(self, stream, kind, content=None, *args, **kwargs):
        kind, content = (kind["msg_type"], kind["content"]) if isinstance(kind, dict) else (kind, content)
        data = content["data"]
        pictures = [mime for mime in data if mime.startswith("image")]
        displayed.append(pictures[0] if pictures else data["text/plain"])
    def msg(self, kind, content, **kwargs):
        return {"msg_type": kind, "content": content}

for shows in (shell.displayhook, shell.display_pub):
    shows.session, shows.pub_socket, shows.parent_header = Showing(), types.SimpleNamespace(), {}
shell.kernel = types.SimpleNamespace(own_streams=(), is_ours=lambda: False)
shell._showtraceback = lambda kind, value, trace: displayed.append(f"Error: {kind.__name__}: {value}")
MARKED = {"shell": shell, "names": shell.user_ns, "Out": shell.user_ns["Out"]}
MARKED |= {"stdout": sys.stdout, "stderr": sys.stderr}

class Marking(cloudpickle.Pickler):
    def persistent_id(self, value):
        return next((name for name, one in MARKED.items() if one is value), None)

class Finding(pickle.Unpickler):
    def persistent_load(self, name):
        return MARKED[name]

def shown(code):
    displayed.clear()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        shell.run_cell(code, store_history=True)
        shell.forget()
    return [*printed.getvalue().split(chr(10)), *displayed]

def run(code):
    failed = [text for text in shown(code) if text.startswith("Error")]
    assert not failed, failed

def look(expression):
    try:
        return str(eval(expression, shell.user_ns | {"shown": shown, "shell": shell}))
    except Exception as error:
        return repr(error)

def before(session):
    for code in session["cells"]:
        run(code)
    saved = [io.BytesIO(), io.BytesIO()]
    for file, part in zip(saved, surroundings.split(surroundings.take(shell, shell.user_ns))):
        Marking(file).dump(part)
    looked = {name: look(each) for name, each in session["looks"].items()}
    return looked, [file.getvalue() for file in saved]

def fresh(session):
    run(session["imports"])
    return {name: look(each) for name, each in session["looks"].items()}

def after(session, saved):
    run(session["imports"])
    told = [each for data in saved for each in surroundings.put(shell, Finding(io.BytesIO(data)).load())]
    kept = list(surroundings.take(shell, shell.user_ns))
    return {name: look(each) for name, each in session["looks"].items()}, told, kept

def in_kernel(act, *given):
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            forked._kernel = os.getpid()
            surroundings.begin(shell)
            with open(writing, "wb") as told:
                pickle.dump(act(*given), told)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            sys.__stderr__.flush()
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as told:
        data = told.read()
    os.wait()
    return pickle.loads(data)

def in_folder(name):
    os.makedirs(os.path.join(sys.argv[1], name), exist_ok=True)
    os.chdir(os.path.join(sys.argv[1], name))

def bare(name, session):
    # A kernel that has imported nothing, and waits for what is to be put.
    (reading, given), (told, writing) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(given), os.close(told)
        with open(reading, "rb") as source:
            saved = pickle.load(source)
        in_folder(name)
        with open(writing, "wb") as target:
            pickle.dump(in_kernel(after, session, saved), target)
        os._exit(0)
    os.close(reading), os.close(writing)
    def go_on(saved):
        with open(given, "wb") as target:
            pickle.dump(saved, target)
        with open(told, "rb") as source:
            result = pickle.load(source)
        os.wait()
        return result
    return go_on

def played(name, session):
    in_folder(name)
    looked, saved = in_kernel(before, session)
    found = in_kernel(fresh, session) if session["fresh"] else {}
    then = waiting[name](saved) if session["bare"] else in_kernel(after, session, saved)
    return looked, found, *then

with open(sys.argv[2]) as file:
    sessions = json.load(file)
waiting = {name: bare(name, session) for name, session in sessions.items() if session["bare"]}
exec(sys.argv[3])
results = {name: played(name, session) for name, session in sessions.items()}
print(json.dumps(results))
"""


def play(folder: Path, sessions: Mapping[str, Session]) -> dict[str, Played]:
    """What came of each session, which has a folder of its own below this one."""
    described = folder / "sessions.json"
    described.write_text(json.dumps({name: asdict(session) for name, session in sessions.items()}))
    found = json.loads(run(CODE, str(folder), str(described), LIBRARIES + DRAWING))
    return {name: Played(*values) for name, values in found.items()}
