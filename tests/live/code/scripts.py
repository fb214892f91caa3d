# ruff: noqa: E501  a cell in one string is easier to read than in three
"""Cells as scripts, courses and models write them, with what a person expects of each."""

from typing import NamedTuple

__all__ = ["SCRIPTS", "Script"]


class Script(NamedTuple):
    """One cell."""

    name: str
    code: str
    said: str  # a regular expression that the output must match
    answers: tuple[str, ...] = ()
    status: str = "ok"


SCRIPTS = [
    Script(
        "argparse",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int, default=3)\nprint(p.parse_args())",
        r"^Namespace\(n=3\)$",
    ),
    Script("argparse help", "p.parse_args(['-h'])", r"usage: \S+ \[-h\] \[--n N\]"),
    Script("argv", "import sys\nprint(len(sys.argv), sys.argv[1:])", r"^1 \[\]$"),
    Script(
        "unittest",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(1, 1)\nunittest.main(argv=[''], exit=False)",
        r"Ran 1 test in .*\n\nOK",
    ),
    Script("unittest.main", "unittest.main()", r"Ran 1 test in .*\n\nOK"),
    Script("logging", "import logging\nlogging.warning('low on %s', 'fuel')", r"^WARNING:root:low on fuel$"),
    Script(
        "logging basicConfig",
        "logging.basicConfig(level=logging.INFO, force=True, format='%(relativeCreated)d %(message)s', stream=sys.stdout)\n"
        "logging.info('x')\nlogging.basicConfig(force=True)",
        r"^\d{1,6} x$",
    ),
    Script("sys.exit", "sys.exit()", r"^$"),
    Script("sys.exit 0", "if True:\n    sys.exit(0)", r"^$"),
    Script("sys.exit text", "sys.exit('no input')", r"no input", status="error"),
    Script("input", "name = input('who? ')\nprint('hi', name)", r"^who\? ada\nhi ada$", ("ada",)),
    Script("stdin line", "print(repr(sys.stdin.readline()))", r"'4 5\\n'", ("4 5",)),
    Script("stdin lines", "print(sum(int(line) for line in sys.stdin))", r"^6$", ("1", "2", "3", "")),
    Script("stdin all", "print(sys.stdin.read().split())", r"\['1', '2', '3'\]", ("1 2\n3", "")),
    Script("open(0)", "print([line.strip() for line in open(0)])", r"\['a', 'b'\]", ("a", "b", "")),
    Script("stdin end", "print(repr(sys.stdin.readline()))", r"^\n?''$", ("\x04",)),
    Script("main guard", "def main():\n    print('main')\nif __name__ == '__main__':\n    main()", r"^main$"),
    Script(
        "no file",
        "import os\nos.path.dirname(__file__)",
        r"Your working folder is Path\.cwd\(\)",
        status="error",
    ),
    Script("doc", "print(__doc__)", r"IPython interactive environment"),
    Script(
        "Agg",
        "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('a.png')\nplt.show()",
        r"",
    ),
    Script(
        "tqdm.notebook",
        "from tqdm.notebook import tqdm, trange\nfor _ in tqdm(range(3), desc='a'): pass\nfor _ in trange(2): pass",
        r"a: 100%.*3/3(.|\n)*2/2",
    ),
    Script("tqdm.auto", "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass", r"^100%.*3/3.*\n?$"),
    Script(
        "joblib",
        "import joblib, numpy as np\nwide = np.ones(9_000_000)\n"
        "print(sum(joblib.Parallel(2)(joblib.delayed(np.sum)(wide + i) for i in range(2))))",
        r"^27000000\.0$",
    ),
    Script(
        "subprocess",
        "import subprocess\nsubprocess.check_call([sys.executable, '-c', 'print(\"child\")'], stdout=sys.stdout)",
        r"child",
    ),
    Script(
        "subprocess text",
        "print(subprocess.run(['cat'], input='x', capture_output=True, text=True).stdout)",
        r"^x$",
    ),
    Script("shell", "!echo hi", r"^hi$"),
    Script(
        "shell without a terminal",
        "def none(): raise OSError('out of pty devices')\nopenpty, os.openpty = os.openpty, none\n"
        "!echo hi; exit 3\nprint(_exit_code)\nos.openpty = openpty",
        r"^hi\n3$",
    ),
    Script("shell variable", "word = 'there'\n!echo {word} $word", r"^there there$"),
    Script("cd", "%cd /\n%cd -\n%cd\n!pwd", r"^/\n(.+)\n\1\n\1$"),
    Script(
        "pushd", "!mkdir -p sub\n%pushd sub\n%popd\nprint(os.path.basename(os.getcwd()) != 'sub')", r"True"
    ),
    Script("load", "%%writefile part.py\nprint(5)", r"Writing part\.py"),
    Script("load shown", "%load part.py", r"print\(5\)"),
    Script("run", "%run part.py", r"^5$"),
    Script(
        "asyncio.run",
        "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return 7\nprint(asyncio.run(main()))",
        r"^7$",
    ),
    Script("await", "print(await main(), asyncio.run(main()))", r"^7 7$"),
    Script("run_until_complete", "print(asyncio.get_event_loop().run_until_complete(main()))", r"^7$"),
    Script(
        "own loop",
        "loop = asyncio.new_event_loop()\nprint(loop.run_until_complete(main()))\nloop.close()",
        r"^7$",
    ),
    Script(
        "fork",
        "import multiprocessing as mp\ndef double(x): return 2 * x\nwith mp.get_context('fork').Pool(2) as pool:\n    print(pool.map(double, [1, 2]))",
        r"\[2, 4\]",
    ),
    Script(
        "spawn of a cell's own",
        "from concurrent.futures import ProcessPoolExecutor\nimport math\nfactor = 3\n"
        "class Box:\n    def __init__(self, x): self.x = x\n"
        "def thrice(box): return Box(math.floor(factor * box.x))\n"
        "with ProcessPoolExecutor(1, mp_context=mp.get_context('spawn')) as pool:\n"
        "    print([box.x for box in pool.map(thrice, [Box(1.5), Box(2)])])",
        r"^\[4, 6\]$",
    ),
    Script(
        "spawn",
        "with mp.get_context('spawn').Pool(1) as pool:\n    print(pool.map(abs, [-1, 2]))",
        r"^\[1, 2\]$",
    ),
    Script(
        "shared memory",
        "from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=1 << 30)",
        r"no room for 1024 MiB of shared memory: there are",
        status="error",
    ),
    Script(
        "faulthandler",
        "import faulthandler, sys\nfaulthandler.dump_traceback(sys.stderr)",
        r"most recent call first",
    ),
    Script("ctypes", "import ctypes\nctypes.CDLL(None).puts(b'from C')", r"from C"),
    Script(
        "tempfile",
        "import tempfile\nwith tempfile.TemporaryFile() as f:\n    print(f.write(bytes(80 << 20)))",
        r"^83886080$",
    ),
    Script(
        "sqlite",
        "import os, sqlite3\nwith sqlite3.connect('s.db', isolation_level=None) as db:\n    db.execute('create table t as with recursive n(i) as (select 1 union all select i + 1 from n where i < 70) select zeroblob(1 << 20) b, i from n')\n    db.execute('vacuum')\n    print(db.execute('select max(length(b)) from (select b from t order by b, -i limit 69)').fetchone())\ndb.close(); os.unlink('s.db')",
        r"^\(1048576,\)$",
    ),
    Script("umask", "open('f.txt', 'w').close()\nprint(oct(os.stat('f.txt').st_mode))", r"^0o100644$"),
    Script(
        "locale",
        "import locale\nlocale.setlocale(locale.LC_ALL, '')\nprint(locale.getpreferredencoding())",
        r"^[Uu][Tt][Ff]-?8$",
    ),
    Script(
        "time zone",
        "import time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()\nprint(time.tzname[0])",
        r"^JST$",
    ),
    Script("warnings", "import warnings\nwarnings.warn('old way')", r"UserWarning: old way"),
    Script("stdout bytes", "sys.stdout.buffer.write('ä\\n'.encode())\nsys.stdout.flush()", r"^ä$"),
    Script(
        "stdout wrapped",
        "import io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('über')",
        r"^über$",
    ),
    Script(
        "stdout reconfigured",
        "sys.stdout = get_ipython().kernel.own_streams[0]\nsys.stdout.reconfigure(encoding='utf-8')\nprint('ok')",
        r"^ok$",
    ),
    Script("help", "help(len)", r"Return the number of items"),
    Script(
        "breakpoint",
        "def f():\n    y = 3\n    breakpoint()\n    return y\nprint(f())",
        r"ipdb> y\n3\n(.|\n)*\n3$",
        ("y", "c"),
    ),
]
