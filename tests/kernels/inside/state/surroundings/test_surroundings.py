"""The state of a session beyond its variables is in the next kernel what it was, or it is named."""

import json

import pytest

from tests.kernels.inside.kernel_python import run
from tests.kernels.inside.state.surroundings.cases import CASES
from tests.kernels.inside.state.surroundings.sessions import Played, Session, play

IMPORTS = (
    "import asyncio, decimal, gc, io, logging, os, random, signal, socket, sys, threading, time, warnings\n"
    "import matplotlib, numpy as np, pandas as pd, polars as pl\nimport matplotlib.pyplot as plt"
)
PLT = "import matplotlib.pyplot as plt"
FEW = "import sys\nsys.modules['inside.state.surroundings.history'].MOST = 4"
SESSIONS = {
    "all": Session(
        [IMPORTS, *(setup for setup, _ in CASES.values())],
        {name: look for name, (_, look) in CASES.items()},
        imports=IMPORTS,
        fresh=True,
    ),
    "history": Session(
        ["made = [1]; made", "'text'", "_ = 'own'", "Out[1].append(Out) or 5", "x = 3;"],
        {
            "count": "shell.execution_count",
            "shown": "shown('len(In), In[2], sorted(Out), _, __, _2, _i, _ii, _i1')",
            "same": "Out[1] is _1 and Out[1][1] is Out and shell.history_manager.output_hist is Out",
            "%history": "shown('%history -o -n 1-2')",
        },
    ),
    "long": Session(
        [FEW, *(f"'the {number}'" for number in range(2, 9))],
        {"count": "shell.execution_count", "in": "In[5:9], _8, _i8", "out": "Out[8], 2 in Out, In[2]"},
    ),
    "figures": Session(
        [
            f"{PLT}\nplt.plot([1]);",
            "plt.ioff();",
            "for number in (7, 3, 5): plt.figure(number).subplots().set_title(f'no. {number}')",
            "plt.figure('named')",
            "plt.figure(3)\n_ = plt.title('third')",
        ],
        {
            "current": "plt.gcf().number, plt.gcf().axes[0].get_title()",
            "numbers": "[(number, plt.figure(number).get_label()) for number in plt.get_fignums()]",
            "not again": "shown('1')",
            "then": "shown('plt.show()')",
            "still": "plt.get_fignums()",
        },
        imports=PLT,
    ),
    "shown": Session(
        [f"{PLT}\nplt.rcParams['svg.fonttype'] = 'none'", "plt.plot([1])\nplt.title('the title');"],
        {"saved": "plt.savefig('a.svg') or 'the title' in open('a.svg').read()"},
        imports=PLT,
        fresh=True,
    ),
    "later": Session(
        [
            IMPORTS,
            "plt.plot([1])",
            *(CASES[name][0] for name in ("pandas", "numpy prints", "style", "backend")),
        ],
        {
            "imported": "'pandas' in __import__('sys').modules",
            "then": "shown('import pandas as pd, numpy as np\\npd.DataFrame([[1 / 3]]), np.array([1 / 3])')",
            "style": f"shown('{PLT}\\nplt.isinteractive(), plt.rcParams[\"axes.facecolor\"]')",
        },
        bare=True,
    ),
    "sympy": Session(
        ["import sympy; sympy.init_printing(use_unicode=True)"],
        {"shown": "shown('sympy.Symbol(\"x\") ** 2')"},
        imports="import sympy",
        fresh=True,
    ),
    "running": Session(
        [
            "import threading\ndone = threading.Event()\ndef wait(): done.wait(60)",
            "threading.Thread(target=wait, name='mine', daemon=True).start()",
            "threading.Thread(target=done.wait, name='a library', args=(60,), daemon=True).start()",
            "import random; random.getstate = None",
        ],
    ),
    "nothing": Session([]),
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """All sessions."""
    return play(tmp_path_factory.mktemp("sessions"), SESSIONS)


@pytest.mark.parametrize("name", CASES)
def test_what_was_set_is_set_again(played: dict[str, Played], name: str) -> None:
    """It is found as in the session that goes on, and not as in a fresh kernel."""
    found = played["all"]
    assert found.after[name] == found.before[name]
    assert found.fresh[name] != found.before[name]
    assert found.told == []


def test_a_fresh_kernel_has_nothing_to_keep(played: dict[str, Played]) -> None:
    """Whatever it has imported."""
    assert (played["nothing"].kept, played["nothing"].told) == ([], [])


def test_earlier_results_are_there(played: dict[str, Played]) -> None:
    """The counter goes on, a value is still the same object under all its names, and `_` can be one's own."""
    found = played["history"]
    assert found.after == found.before
    assert (found.before["count"], found.before["same"], found.told) == ("6", "True", [])
    assert "own" in found.before["shown"]


def test_only_the_last_cells_are_kept(played: dict[str, Played]) -> None:
    """The rest is named; the numbers of the cells stay."""
    before, after = played["long"].before, played["long"].after
    assert (after["count"], after["in"]) == (before["count"], before["in"])
    assert (before["out"], after["out"]) == ("('the 8', True, \"'the 2'\")", "('the 8', False, '')")
    assert played["long"].told == ["the code of cells 1 to 4 (`In`)", "their values (`Out`)"]


def test_open_figures_are_open_again(played: dict[str, Played]) -> None:
    """With their numbers, the same one is the current one, and nothing is shown that was not asked for."""
    found = played["figures"]
    assert found.after == found.before
    assert found.told == []
    assert found.before["current"] == "(3, 'third')"
    assert found.before["then"].count("image/png") == 3


def test_a_figure_that_was_shown_can_still_be_saved(played: dict[str, Played]) -> None:
    """As in the cell after the one that has shown it."""
    found = played["shown"]
    assert [each["saved"] for each in (found.before, found.fresh, found.after)] == ["True", "False", "True"]


def test_expressions_are_shown_as_before(played: dict[str, Played]) -> None:
    """By functions that sympy makes when it is asked to."""
    found = played["sympy"]
    assert found.after == found.before != found.fresh
    assert "image/png" in found.after["shown"]


def test_libraries_that_are_imported_later_have_their_options_then(played: dict[str, Played]) -> None:
    """Nothing is imported to set them, and they are kept meanwhile."""
    found = played["later"]
    assert found.after == found.before | {"imported": "False"}
    assert {"pandas", "numpy", "matplotlib", "backend"} <= set(found.kept)


def test_what_was_running_is_named(played: dict[str, Played]) -> None:
    """If it is the person's own code, and still runs; and what cannot be looked at is named too."""
    told = ["the thread `mine`, which was running", "the random numbers of `random`"]
    assert played["running"].told == told


LOST = {
    "{'matplotlib': lost, 'random': None}": ["matplotlib's style", "the random numbers of `random`"],
    "{'random': (1, 2, 3), 'unknown': 4}": ["the random numbers of `random`"],
    "{'folder': 'nowhere'}": ["the working folder (`nowhere` is gone)"],
    "{'settings': {'the locale': 'xx_XX'}}": ["the locale (xx_XX)"],
    "{'hooks': {'sys.stderr': lost}, 'policy': (lost, {})}": [
        "`sys.stderr`, which you had replaced",
        "the policy of `asyncio`",
    ],
    "{'added': {'gc.callbacks': [lost]}}": ["what you had added to `gc.callbacks`"],
    "{'traced': ['the function that you had set by `sys.settrace`']}": [
        "the function that you had set by `sys.settrace`"
    ],
    "{'magics': [('line', 'a', None, lost), ('cell', 'b', lost, {})]}": ["the magic `%a`", "the magic `%%b`"],
    "{'extensions': {'loaded': ['no_such'], 'reloading': {}}}": ["the extension `no_such`"],
    "{'printers': [('text/plain', 'type_printers', int, lost)]}": ["how values are shown as text/plain"],
    "{'signals': {10: lost}, 'builtins': {'f': lost}}": ["the handler of SIGUSR1", "the builtin `f`"],
    "{'logging': {'loggers': {'a': (0, True, False, [0], [])}, 'handlers': [(type, {'stream': lost})]}}": [
        "a handler of the logger `a`"
    ],
}
PUT = """
import json, sys
from inside import program
from inside.shell import Shell
from inside.state import surroundings

class Placeholder:
    def __getattr__(self, name):
        raise RuntimeError

Placeholder.__module__ = "inside.state.placeholder"
program.prepare()
shell = Shell.instance()
surroundings.begin(shell)
names = {"lost": Placeholder()}
print(json.dumps([surroundings.put(shell, eval(values, names)) for values in json.loads(sys.argv[1])]))
"""


def test_what_cannot_be_set_is_told() -> None:
    """In words; anything else is set all the same."""
    assert json.loads(run(PUT, json.dumps(list(LOST)))) == list(LOST.values())
