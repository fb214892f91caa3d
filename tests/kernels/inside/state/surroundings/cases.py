"""What a person can set beside variables: a cell that sets it, and an expression that finds it set."""

__all__ = ["CASES"]

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
    "arguments": ("sys.argv = ['train.py', '--rate', '1']", "sys.argv"),
    "file mode": ("_ = os.umask(0o77)", "open('secret', 'w').close() or oct(os.stat('secret').st_mode)"),
    "garbage": (
        "gc.disable(); gc.set_threshold(7, 8, 9)\ndef swept(*_): pass\ngc.callbacks.append(swept)",
        "gc.isenabled(), gc.get_threshold(), [one for one in gc.callbacks if one.__name__ == 'swept'] != []",
    ),
    "limits": (
        "socket.setdefaulttimeout(7.5); sys.tracebacklimit = 3",
        "socket.getdefaulttimeout(), sys.tracebacklimit",
    ),
    "stream": (
        (
            "class Tee:\n    def __init__(self, *streams): self.streams = streams\n"
            "    def write(self, text): return [one.write(text) for one in self.streams][0]\n"
            "    def flush(self): pass\nlines = io.StringIO(); sys.stderr = Tee(sys.stderr, lines)"
        ),
        "sys.stderr.write('a line') and sys.stderr.streams[1].getvalue()",
    ),
    "hooks": (
        "def hook(*_): pass\nsys.unraisablehook = threading.excepthook = hook",
        "[one.__name__ for one in (sys.unraisablehook, threading.excepthook)]",
    ),
    "finder": (
        (
            "import importlib.machinery\nclass Finds:\n    @staticmethod\n    def find_spec(name, *_):\n"
            "        if name == 'from_nowhere': return importlib.machinery.ModuleSpec(name, Finds)\n"
            "    create_module = exec_module = staticmethod(lambda _: None)\nsys.meta_path.append(Finds)"
        ),
        "__import__('from_nowhere').__name__",
    ),
    "first finder": (
        (
            "asked = []\nclass Sees:\n    @staticmethod\n    def find_spec(name, *_): asked.append(name)\n"
            "sys.meta_path.insert(0, Sees)"
        ),
        "[one.__name__ for one in sys.meta_path if one.__module__ == '__main__'], sys.meta_path[0].__name__",
    ),
    "event loops": (
        (
            "class Policy(asyncio.DefaultEventLoopPolicy):\n    def new_event_loop(self): return self.loop\n"
            "policy = Policy(); policy.loop = 'a loop'; asyncio.set_event_loop_policy(policy)"
        ),
        "asyncio.new_event_loop()",
    ),
    "digits": ("sys.set_int_max_str_digits(0)", "sys.get_int_max_str_digits()"),
    "warnings": (
        (
            "class Odd(UserWarning): pass\nwarnings.filterwarnings('error', category=Odd)\n"
            "warnings.simplefilter('ignore', FutureWarning)"
        ),
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
        (
            "texts = io.StringIO()\n"
            "logging.basicConfig(level=logging.INFO, format='%(levelname)s!%(message)s', stream=texts)"
        ),
        "logging.info('hi') or logging.root.handlers[0].stream.getvalue()",
    ),
    "log file": (
        (
            "handler = logging.FileHandler('log.txt', mode='w')\n"
            "for one in 'cd': logging.getLogger(one).addHandler(handler)\n"
            "logging.getLogger('c').warning('first')"
        ),
        (
            "[logging.getLogger(one).handlers[0] is logging.getLogger('c').handlers[0] for one in 'cd'],"
            " logging.getLogger('c').error('then'),"
            " open(logging.getLogger('c').handlers[0].baseFilename).read()[:11]"
        ),
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
        (
            "from IPython.core.magic import register_line_magic\n"
            "@register_line_magic\ndef thrice(line): return line * 3"
        ),
        "shown('%thrice ab')",
    ),
    "magics": (
        (
            "from IPython.core.magic import Magics, magics_class, line_magic\n"
            "@magics_class\nclass Counting(Magics):\n    count = 0\n    @line_magic\n"
            "    def counted(self, line):\n"
            "        self.count += 1\n        return self.count\n"
            "get_ipython().register_magics(Counting)\n_ = get_ipython().run_line_magic('counted', '')"
        ),
        "shown('%counted')",
    ),
    "other name": ("%alias_magic te timeit", "'te' in shell.magics_manager.magics['line']"),
    "formatter": (
        (
            "class Point: pass\nplain = get_ipython().display_formatter.formatters['text/plain']\n"
            "plain.for_type(Point, lambda point, printer, _: printer.text('a point'))"
        ),
        (
            "shell.push({'plain': shell.display_formatter.formatters['text/plain'].type_printers}) or"
            " shown('next((kind for kind in plain if kind.__name__ == \"Point\"), list)()')"
        ),
    ),
    "extension": (
        "%load_ext autoreload\n%autoreload 2",
        "shell.magics_manager.registry['AutoreloadMagics']._reloader.check_all",
    ),
    "own extension": (
        (
            "import pathlib\npathlib.Path('own_ext.py').write_text('load_ipython_extension = id')\n"
            "sys.path.append(os.getcwd())\n%load_ext own_ext"
        ),
        "'own_ext' in shell.extension_manager.loaded",
    ),
    "before a cell": (
        (
            "def note(info): seen.append(info.raw_cell)\nseen = []\n"
            "get_ipython().events.register('pre_run_cell', note)"
        ),
        "[one.__name__ for one in shell.events.callbacks['pre_run_cell'] if one.__name__ == 'note']",
    ),
    "lines": (
        (
            "def bang(lines): return [line.replace('!?', '') for line in lines]\n"
            "get_ipython().input_transformers_cleanup.append(bang)"
        ),
        "shown('5!?')",
    ),
}
