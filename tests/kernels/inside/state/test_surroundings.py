"""The state of a session beyond its variables is in the next kernel what it was, or it is named."""

import json

import pytest

from tests.kernels.inside.kernel_python import run
from tests.kernels.inside.state.sessions import Played, Session, play

CASES = {
    # the interpreter
    "environment": (
        "os.environ['MINE'] = 'yes'; del os.environ['HOME']",
        "os.environ.get('MINE'), os.environ.get('HOME')",
    ),
    "time zone": ("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()", "time.localtime(0).tm_hour, time.tzname"),
    "folder": ("os.mkdir('sub')\n%cd -q sub", "os.path.basename(os.getcwd())"),
    "last folder": ("1;", "shell.history_manager.dir_hist[-1]"),
    "modules": ("sys.path.insert(0, 'lib'); sys.path.remove(''); sys.path.append('end')", "sys.path"),
    "recursion": ("sys.setrecursionlimit(5000)", "sys.getrecursionlimit()"),
    "digits": ("sys.set_int_max_str_digits(0)", "sys.get_int_max_str_digits()"),
    "warnings": (
        "class Odd(UserWarning): pass\nwarnings.filterwarnings('error', category=Odd); warnings.simplefilter('ignore', FutureWarning)",
        "[(one[0], one[2].__name__) for one in warnings.filters]",
    ),
    "signals": (
        "def stop(*_): pass\nsignal.signal(signal.SIGUSR1, stop)",
        "signal.getsignal(signal.SIGUSR1).__name__",
    ),
    "builtins": ("import builtins\nbuiltins.twice = lambda x: 2 * x", "eval('twice(4)')"),
    # logging
    "levels": ("logging.getLogger('a.b').setLevel('DEBUG')", "logging.getLogger('a.b').level"),
    "disabled logging": (
        "logging.disable(5); logging.addLevelName(7, 'SEVEN')",
        "logging.root.manager.disable, logging.getLevelName(7)",
    ),
    "log": (
        "texts = io.StringIO()\nlogging.basicConfig(level=logging.INFO, format='%(levelname)s!%(message)s', stream=texts)",
        "logging.info('hi') or logging.root.handlers[0].stream.getvalue()",
    ),
    "log file": (
        "handler = logging.FileHandler('log.txt', mode='w')\nfor one in 'cd': logging.getLogger(one).addHandler(handler)\n"
        "logging.getLogger('c').warning('first')",
        "[logging.getLogger(one).handlers[0] is logging.getLogger('c').handlers[0] for one in 'cd'],"
        " logging.getLogger('c').error('then'), open(logging.getLogger('c').handlers[0].baseFilename).read()[:11]",
    ),
    # numbers
    "random": ("random.seed(3); random.random()", "random.random()"),
    "numpy's random": ("np.random.seed(3); _ = np.random.normal()", "np.random.normal(), np.random.rand(2)"),
    "decimal": ("decimal.getcontext().prec = 5", "decimal.Decimal(1) / 3"),
    # libraries
    "numpy prints": ("np.set_printoptions(precision=2)", "np.array([1 / 3])"),
    "numpy's errors": ("np.seterr(divide='ignore')", "np.geterr()['divide']"),
    "pandas": (
        "pd.set_option('display.max_rows', 7); pd.options.display.precision = 3",
        "pd.get_option('display.max_rows'), pd.DataFrame([1 / 3])",
    ),
    "polars": (
        "pl.Config.set_tbl_rows(3); pl.Config.set_fmt_float('full')",
        "pl.DataFrame({'a': [1e-9] * 9})",
    ),
    "style": (
        "plt.style.use('ggplot'); plt.rcParams['figure.figsize'] = (3, 2)",
        "plt.rcParams['figure.figsize'], plt.rcParams['axes.facecolor']",
    ),
    "backend": ("matplotlib.use('Agg'); plt.ioff()", "matplotlib.get_backend(), plt.isinteractive()"),
    "picture format": (
        "%config InlineBackend.figure_format = 'svg'",
        "shown('_ = plt.plot([1])\\nplt.show()')",
    ),
    # IPython
    "every value": ("%config InteractiveShell.ast_node_interactivity = 'all'", "shown('1\\n2')"),
    "precision": ("%precision 3", "shown('2 / 3')"),
    "tracebacks": ("%xmode Minimal", "shell.InteractiveTB.mode"),
    "alias": (
        "%alias there echo there %s\n%unalias ls",
        "shell.alias_manager.get_alias('there').cmd, shell.alias_manager.is_alias('ls')",
    ),
    "magic": (
        "from IPython.core.magic import register_line_magic\n@register_line_magic\ndef thrice(line): return line * 3",
        "shown('%thrice ab')",
    ),
    "magics": (
        "from IPython.core.magic import Magics, magics_class, line_magic\n"
        "@magics_class\nclass Counting(Magics):\n    count = 0\n    @line_magic\n    def counted(self, line):\n"
        "        self.count += 1\n        return self.count\nget_ipython().register_magics(Counting)\n_ = get_ipython().run_line_magic('counted', '')",
        "shown('%counted')",
    ),
    "other name": ("%alias_magic te timeit", "'te' in shell.magics_manager.magics['line']"),
    "formatter": (
        "class Point: pass\nget_ipython().display_formatter.formatters['text/plain'].for_type(Point, lambda p, printer, _: printer.text('a point'))",
        "shell.push({'made': next((kind for kind in shell.display_formatter.formatters['text/plain'].type_printers"
        " if kind.__name__ == 'Point'), list)()}) or shown('made')",
    ),
    "extension": (
        "%load_ext autoreload\n%autoreload 2",
        "shell.magics_manager.registry['AutoreloadMagics']._reloader.check_all",
    ),
    "own extension": (
        "open('own_ext.py', 'w').write('def load_ipython_extension(ip): ip.push({\"pushed\": 1})')\nsys.path.append(os.getcwd())\n%load_ext own_ext",
        "'own_ext' in shell.extension_manager.loaded",
    ),
    "before a cell": (
        "def note(info): seen.append(info.raw_cell)\nseen = []\nget_ipython().events.register('pre_run_cell', note)",
        "[one.__name__ for one in shell.events.callbacks['pre_run_cell'] if one.__name__ == 'note']",
    ),
    "lines": (
        "def bang(lines): return [line.replace('!?', '') for line in lines]\nget_ipython().input_transformers_cleanup.append(bang)",
        "shown('5!?')",
    ),
}
IMPORTS = (
    "import decimal, io, logging, os, random, signal, sys, time, warnings\n"
    "import matplotlib, numpy as np, pandas as pd, polars as pl\nimport matplotlib.pyplot as plt"
)
PLT = "import matplotlib.pyplot as plt"
FEW = "import sys\nsys.modules['inside.state.surroundings.history'].MOST = 4"
SESSIONS = {
    "all": Session(
        [IMPORTS, *(setup for setup, _ in CASES.values())],
        {name: look for name, (_, look) in CASES.items()},
        imports=IMPORTS,
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
            "for number in (7, 3, 5): plt.figure(number).subplots().set_title(f'no. {number}')\nplt.figure('named')",
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
