"""IPython's kernel program as we prepare it, before it has a connection."""

import json
from typing import Any

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import json, os, sys, threading
before = set(threading.enumerate())
from inside import program

made = program.prepare()
shell = made.kernel_class.shell_class.instance()
told = {
    "threads": len(set(threading.enumerate()) - before),
    "kernel": made.kernel_class.__name__,
    "history": shell.history_manager.enabled,
    "packer": made.session.packer,
    "key": len(made.session.key),
    "outside": __import__("IPython").get_ipython() is None,
    "messages": {"columns_request", "save_request", "load_request"} <= {*program.InsideKernel.msg_types},
}

import asyncio
from types import SimpleNamespace
state = SimpleNamespace(save=lambda parent: "saved", load=lambda parent: "loaded")
replies = []
session = SimpleNamespace(send=lambda stream, *reply: replies.append(reply))
kernel = SimpleNamespace(state=state, session=session)
for metadata in ({}, {"kernelcord": True}):
    for request in (program.InsideKernel.save_request, program.InsideKernel.load_request):
        asyncio.run(request(kernel, None, b"ident", {"metadata": metadata}))
signals = []
os.getpid = os.getpgid = lambda *_: 5
os.killpg = lambda group, _: signals.append(("killpg", group))
os.kill = lambda process, _: signals.append(("kill", process))
for busy in (False, True):
    kernel = program.InsideKernel.__new__(program.InsideKernel)
    kernel.state = SimpleNamespace(busy=busy)
    kernel._send_interrupt_children()
told["interrupted"] = signals
told["replies"] = [(kind, content, ident.decode()) for kind, content, _, ident in replies]

with program.in_cell():
    told["in cell"] = get_ipython() is shell
sys.path.remove("")  # which `python -c` puts first
made.init_path()
told["first"] = sys.path.index("") > sys.path.index(os.path.dirname(os.__file__))
told["before packages"] = "site-packages" in sys.path[sys.path.index("") + 1]
surrogate = made.session.pack({"text": "half of \\ud83d"})
told["sent"] = json.loads(surrogate)["text"] == "half of \\ud83d"

called = []
def note(frame, event, _):
    if event == "call":
        called.append(frame.f_code.co_name)
DATES = ("2026-11-30T11:16:58Z", "2026-11-30T11:16:58.25Z", "2026-11-30T11:16:58.123456+05:30")
sys.setprofile(note)
read = [program.jsonutil.parse_date(date) for date in DATES]
sys.setprofile(None)
told["calls for a date"] = len(called) / len(DATES)
from dateutil.parser import isoparse
told["dates"] = read == [isoparse(date) for date in DATES]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the code above reports, from the kernels' own Python."""
    found: dict[str, Any] = json.loads(run(CODE))
    return found


def test_what_is_forked_later_starts_no_thread_and_has_no_key(told: dict[str, Any]) -> None:
    """A thread would be missing in the children, and all of them would share a key."""
    assert told["threads"] == 0
    assert told["key"] == 0


def test_the_program_differs_from_ipythons_as_it_says(told: dict[str, Any]) -> None:
    """It has our kernel, no history, and messages of text that UTF-8 cannot encode."""
    assert told["kernel"] == "InsideKernel"
    assert told["history"] is False
    assert told["packer"] == "inside.output.packing.pack"
    assert told["messages"]
    assert told["sent"]


def test_only_our_client_saves_and_loads_variables(told: dict[str, Any]) -> None:
    """A stock client gets no answer."""
    assert told["replies"] == [["save_reply", "saved", "ident"], ["load_reply", "loaded", "ident"]]


def test_an_interrupt_of_a_save_is_for_the_kernel_alone(told: dict[str, Any]) -> None:
    """A cell's interrupt is for all processes; what it left running goes on while it is saved."""
    assert told["interrupted"] == [["killpg", 5], ["kill", 5]]


def test_the_persons_own_modules_come_behind_pythons(told: dict[str, Any]) -> None:
    """A `random.py` of theirs does not break the kernel, but does come before installed packages."""
    assert told["first"]
    assert told["before packages"]


def test_modules_see_a_cell_around_them_only_while_entered(told: dict[str, Any]) -> None:
    """They see it through `get_ipython`, as in Jupyter."""
    assert told["in cell"]


def test_dates_of_requests_are_read_by_python_itself(told: dict[str, Any]) -> None:
    """They are the same moments as dateutil's, which calls ten functions for each."""
    assert told["dates"]
    assert told["calls for a date"] == 2  # `parse_date`, and the look whether there is a time zone
