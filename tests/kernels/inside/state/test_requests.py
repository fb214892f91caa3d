"""A kernel saves its variables when it is asked, and has them again when a fresh one is."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KERNEL_PYTHON, ROOT

HERE = Path(__file__).parent
NOTHING = {"back": [], "missing": []}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `requests_program.py` printed."""
    done = subprocess.run(
        [KERNEL_PYTHON, HERE / "requests_program.py", HERE, tmp_path_factory.mktemp("workspace")],
        env=os.environ | {"PYTHONPATH": str(ROOT / "kernels")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def outcome(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply, without the time that it took."""
    assert reply["seconds"] >= 0
    return {key: value for key, value in reply.items() if key != "seconds"}


def test_names_are_back_in_their_order_and_still_shared(told: dict[str, Any]) -> None:
    """Those with an underscore, too, and those that IPython hides; the counter goes on."""
    assert outcome(told["none"]) == {"status": "none", "why": ""} | NOTHING
    assert outcome(told["first"]) == outcome(told["second"]) == {"status": "ok", "why": ""}
    assert told["loaded"]["status"] == "ok"
    assert told["loaded"]["back"] == ["b", "a", "_own", "__x__", "get", "Bad", "linspace"]
    assert told["order"] == ["b", "a", "_own", "__x__", "get", "bad", "linspace"]
    assert told["shared"]
    assert told["hidden"]
    assert told["counter"] == 3


def test_names_that_no_program_has_are_told_as_elsewhere(told: dict[str, Any]) -> None:
    """They are back whole, and told as in the list of variables: clipped, and fit to be sent."""
    back, missing, long, half = told["odd"]
    assert (long, half) == ("long", "half")
    assert back == ["a" * 60, "?"]
    assert missing == []


def test_a_name_that_ipython_has_in_cells_can_be_the_persons(told: dict[str, Any]) -> None:
    """IPython's lists of cells, which variables may hold, are those of the new kernel."""
    assert told["named like IPython's"] == [["mine"], {"also": "mine"}, "a year"]
    assert told["and its own"] == [True, True, True]


def test_the_context_of_decimal_numbers_is_the_one_in_a_variable(told: dict[str, Any]) -> None:
    """Who sets its precision there goes on doing so."""
    assert told["context"] == [True, 5]


def test_what_is_lost_is_named_with_its_cell(told: dict[str, Any]) -> None:
    """In what the node keeps, in the answer to a load, and again in the next save."""
    (lost,) = told["meta"]["lost"]
    assert (lost["name"], lost["cell"]) == ("bad", 2)
    assert "`Bad`" in lost["what"]
    assert told["loaded"]["missing"] == told["lost again"] == [lost]


def test_what_fits_is_saved_where_there_is_no_room_for_everything(told: dict[str, Any]) -> None:
    """Small values, then the newest; what the node has already takes room, too. The rest is named."""
    assert told["stored"] == ["numpy", "old", "n", "new"]
    reply, names, lost = told["no room"]
    assert outcome(reply) == {"status": "ok", "why": "left out: old, new"}
    assert names == ["numpy", "n", "newer"]
    assert lost == [
        {"name": "old", "cell": 1, "what": "a `bytes` of 3 MB (left out: your quota has no room for it)"},
        {"name": "new", "cell": 2, "what": "a `ndarray` of 2 MB (left out: your quota has no room for it)"},
    ]
    reply, order, shown, again = told["left out"]
    assert [name for name in order if name in names or name in ("old", "new")] == [
        "numpy",
        "old",
        "n",
        "new",
        "newer",
    ]
    assert reply["back"] == names
    assert reply["missing"] == lost == again
    assert (
        shown
        == f"`old` ({lost[0]['what']}) was not kept with your variables: run the cell that makes it again"
    )
    reply, names = told["room again"]
    assert outcome(reply) == {"status": "ok", "why": ""}
    assert names == ["numpy", "old", "n", "new", "newer"]
    assert told["nothing fits"] == ["too large", 0]


def test_a_value_that_takes_too_much_memory_is_left_out(told: dict[str, Any]) -> None:
    """A list of numbers is copied when it is pickled; the kernel must not be ended for it."""
    reply, names, lost = told["too large"]
    assert reply["status"] == "ok"
    assert names == ["n"]
    what = "a `list` of more than 4 MB (left out: saving it takes too much memory)"
    assert lost == [{"name": "numbers", "cell": 2, "what": what}]


def test_a_value_in_too_many_chunks_is_left_out(told: dict[str, Any]) -> None:
    """The node would refuse the list of them, and everything else with it."""
    reply, names = told["many chunks"]
    assert outcome(reply) == {"status": "ok", "why": "left out: many"}
    assert names == ["numpy", "n"]


def test_a_value_that_took_too_much_is_tried_again_later(told: dict[str, Any]) -> None:
    """Not after each cell, since that takes as long each time; but at once if it has become small."""
    assert {(status, *names) for status, names in told["not tried"]} == {("ok", "n")}
    reply, names = told["tried again"][0]
    assert outcome(reply) == {"status": "ok", "why": ""}
    assert names == ["numbers", "n"]
    assert outcome(told["too large again"]) == {"status": "ok", "why": "left out: numbers"}
    reply, names = told["small"]
    assert outcome(reply) == {"status": "ok", "why": ""}
    assert names == ["numbers", "n"]


def test_a_value_that_takes_too_long_is_left_out(told: dict[str, Any]) -> None:
    """Everything else is saved in the time that is left."""
    reply, names, lost = told["slow"]
    assert outcome(reply) == {"status": "ok", "why": "left out: slow"}
    assert names == ["n", "time", "Slow"]
    assert lost == [{"name": "slow", "cell": 2, "what": "a `Slow` (left out: saving it takes too long)"}]


def test_a_save_that_is_interrupted_is_given_up(told: dict[str, Any]) -> None:
    """Also if the interrupt comes before it begins. The next cell and the next save are not interrupted."""
    assert told["heard"]
    assert outcome(told["interrupted"]) == {"status": "given up", "why": "it was interrupted"}
    assert outcome(told["refused"]) == {"status": "given up", "why": "it was interrupted"}
    assert told["given up"] == 0
    assert told["afterwards"] == "ok"


def test_the_cell_that_bound_a_name_last_is_known(told: dict[str, Any]) -> None:
    """Also from a save that gave way to the next cell, and in another kernel. A wrong cell is never told."""
    cells = {"one": 15, "two": 0, "three": 12, "four": 0, "five": 17}
    assert told["cells"] == cells
    assert told["cells after a load"] == cells | {"five": 18}


def test_a_thread_is_named_as_lost_once(told: dict[str, Any]) -> None:
    """Nothing brings it back, so it is told when it is saved already."""
    name = "the thread `waiting`, which was running"
    assert (
        told["running"] == told["was running"] == [{"name": name, "cell": 0, "what": "it could not be kept"}]
    )


def test_what_ours_stands_for_is_the_persons(told: dict[str, Any]) -> None:
    """A stream, a handler and the garbage collector; an alarm goes on, and is named where it cannot."""
    alarm = "the alarm set by `signal.alarm` or `signal.setitimer`"
    assert told["theirs"] == [[True, False, True, True], [True, False, True, False], [alarm]]


def test_code_that_never_ends_costs_only_what_it_belongs_to(told: dict[str, Any]) -> None:
    """When the surroundings are looked at, and when they are set again."""
    status, lost, reply, value = told["endless"]
    assert (status, value) == ("ok", 8)
    assert reply["status"] == "ok"
    kept_not = ["the arguments in `sys.argv`", "the policy of `asyncio`"]
    assert [one["name"] for one in reply["missing"]] == [*(one["name"] for one in lost), *kept_not]


def test_a_loss_is_told_once(told: dict[str, Any]) -> None:
    """Also if it is found again in what is loaded, in several parts of what is no name, or in its place."""
    lost = [[name, "a lock"] for name in ("x", "y", "Out", "w")]
    assert told["once"] == [*lost, ["z", "a value that could not be made again"]]


def test_other_hashes_of_text_are_named(told: dict[str, Any]) -> None:
    """Values may have kept them, as those of another node."""
    what = "it could not be kept"
    assert told["hashes"] == [[], [{"name": "hashes of text that values had kept", "cell": 0, "what": what}]]


def test_a_child_that_a_value_forks_saves_nothing(told: dict[str, Any]) -> None:
    """There is one save, the kernel's own."""
    assert told["forks"] == ["ok", 1]
    assert set(told["children"]) == {0}


def test_a_save_keeps_no_value_alive(told: dict[str, Any]) -> None:
    """A table that the next cell deletes is gone at once, and an array can change its size."""
    assert told["held"] == {"saved": False, "given up": False}


def test_a_save_leaves_no_trace_and_shows_nothing(told: dict[str, Any]) -> None:
    """Whatever a value prints, changes and asks while it is saved."""
    assert told["loud"] == "ok"
    assert told["trace"] == []
    assert told["shown"] == ""
    assert told["flushed"][-1] == [True, True]
    assert told["loud again"][-1] == "loud"
    assert told["stream"] == "Holding"
    assert told["asked"] == "RuntimeError"


def test_a_state_that_cannot_be_loaded_is_said_with_all_its_names(told: dict[str, Any]) -> None:
    """Another Python would crash on its code; nothing of it is in the kernel then."""
    assert told["other python"]["status"] == told["damaged"]["status"] == "failed"
    assert told["other python"]["why"].startswith("it was saved by Python 3.9.1, and this is Python 3.")
    names = [one["name"] for one in told["other python"]["missing"]]
    assert names[-1] == "loud"
    assert names == [one["name"] for one in told["damaged"]["missing"]]
    assert told["names after"] == []
