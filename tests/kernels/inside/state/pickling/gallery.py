"""The values of a session of any kind: the code of each cell, and what prints the same in another kernel.

An expression may change its value: it goes on from where it was.
"""

CELLS: list[tuple[str, list[str]]] = [
    # Python's own
    (
        "n, x, z, big, b, s, ba = 7, 0.1, 1 + 2j, 10**50, b'\\0a', 'ä\\ud800', bytearray(b'abc')",
        ["n, x, z, big, b, s, ba"],
    ),
    ("t = (1, [2, (3,)]); nested = {'a': [t, t]}", ["t, nested['a'][0] is t, nested['a'][1] is t"]),
    ("fs = frozenset({1, 2}); st = {1, 'a'}", ["sorted(fs), sorted(map(str, st))"]),
    ("loop = [1]; loop.append(loop)", ["loop[1] is loop, loop"]),
    ("round_ = {}; round_['me'] = (round_,)", ["round_['me'][0] is round_"]),
    ("one = [1]; other = one; held = [one, one]", ["other is one, held[0] is one, held[1] is other"]),
    ("sl, rg, el, ni = slice(1, 5, 2), range(3, 9, 2), ..., NotImplemented", ["sl, rg, el, ni"]),
    (
        "it = iter([1, 2, 3]); next(it); en = enumerate('ab'); zp = zip([1], [2])",
        ["list(it), list(en), list(zp)"],
    ),
    ("d = {'k': 1}; keys, items = d.keys(), d.items()", ["d.update(new=2), keys, items"]),
    (
        "import types; px = types.MappingProxyType(d); ns = types.SimpleNamespace(a=1)",
        ["px['k'], px.get('new'), ns"],
    ),
    ("append = one.append", ["append(5), one"]),
    ("mv = memoryview(ba)", ["ba.__setitem__(0, 65), bytes(mv), mv.readonly"]),
    (
        "from collections import *; dq = deque([1, 2], maxlen=2); cn = Counter('aab'); od = OrderedDict(b=1, a=2)",
        ["dq, cn, od, list(od.items())"],
    ),
    (
        "dd = defaultdict(lambda: n + 1); dd['x']; cm = ChainMap({'a': 1}, dd)",
        ["dd['y'], cm['a'], cm.maps[1] is dd"],
    ),
    (
        (
            "import datetime as dt, zoneinfo; when = dt.datetime(2026, 3, 29, 2, fold=1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'));"
            "parts = [when.date(), when.timetz(), dt.timedelta(days=1.5), dt.timezone.utc]"
        ),
        ["when.isoformat(), parts"],
    ),
    (
        (
            "import decimal, fractions, uuid, re, pathlib; dec = decimal.Decimal('1.10'); fr = fractions.Fraction(1, 3);"
            "uid = uuid.UUID(int=5); rx = re.compile('a(?P<b>.)', re.I); path = pathlib.Path('a/b.csv')"
        ),
        ["dec, fr, uid, rx, rx.match('AX')['b'], path"],
    ),
    (
        "import random; rnd = random.Random(3); rnd.random(); draw = random.random",
        ["rnd.random(), draw == random.random"],
    ),
    ("import array; ar = array.array('d', [1, 2])", ["ar"]),
    (
        "import io; sio = io.StringIO('abc'); sio.read(1); bio = io.BytesIO(b'xyz'); bio.seek(2)",
        ["sio.read(), bio.read()"],
    ),
    (
        (
            "import weakref; class_ = type('Referred', (), {}); strong = class_(); weak = weakref.ref(strong);"
            "ws = weakref.WeakSet([strong]); wd = weakref.WeakValueDictionary(a=strong); gone = weakref.ref(class_())"
        ),
        ["weak() is strong, strong in ws, wd['a'] is strong, gone()"],
    ),
    ("import logging; log = logging.getLogger('mine')", ["log is logging.getLogger('mine')"]),
    (
        "import sys, os; modules, env, out = sys.modules, os.environ, sys.stdout",
        ["modules is sys.modules, env is os.environ, out is sys.stdout"],
    ),
    (
        "import xml.dom.minidom, os.path as osp; here = globals()",
        ["xml.dom.minidom.__name__, osp.join('a', 'b'), here is globals()"],
    ),
    (
        "made = types.ModuleType('made'); exec('V = 1\\ndef v(): return V', made.__dict__)",
        ["setattr(made, 'V', 9), made.v()"],
    ),
    (
        "env2 = {}; exec('W = 1\\ndef w(): return W', env2); w = env2['w']",
        ["env2.update(W=4), w(), w.__globals__ is env2"],
    ),
    (
        "u = None; spaces = [{}]; exec('U = 1\\ndef u(): return U\\nclass C:\\n def get(self): return U', spaces[0]); u = spaces[0]['u']; uc = spaces[0]['C']()",
        ["spaces[0].update(U=5, more=1), u(), uc.get(), u.__globals__ is spaces[0], list(u.__globals__)[-1]"],
    ),
    (
        "q = None; later = types.ModuleType('later'); exec('Q = 1\\ndef q(): return Q', vars(later)); q = later.q",
        ["setattr(later, 'Q', 7), q(), q.__globals__ is vars(later)"],
    ),
    # A NaN is equal to nothing, but the same one is found again.
    (
        "nan = float('nan'); nans = [nan, [nan], {nan: 1}, {nan}, (nan,)]; import math, numpy; home = [math.nan, numpy.nan]; other_nan = [float('nan')]",
        [
            "nan in nans, nans[1].index(nan), nans[2][nan], nan in nans[3], nan in nans[4], nan in other_nan, home[0] is math.nan, home[1] is numpy.nan"
        ],
    ),
    ("context = decimal.getcontext()", ["context is decimal.getcontext(), context.prec"]),
    (
        "import scipy.special; ufuncs = [numpy.acos, numpy.bitwise_invert, scipy.special.expit]",
        ["ufuncs == [numpy.arccos, numpy.invert, scipy.special.expit]"],
    ),
    # Functions
    (
        "SCALE = 10\ndef f(x, /, y=2, *, k=3):\n    'doc'\n    return x * SCALE + y + k",
        ["f(1), f.__doc__, f.__kwdefaults__, globals().update(SCALE=20), f(1), f.__globals__ is globals()"],
    ),
    (
        "def annotated(a: 'int', b: list[int] = []) -> float: b.append(a); return b\nannotated.tag = 5",
        ["annotated(1), annotated(2), annotated.__annotations__, annotated.tag, annotated.__name__"],
    ),
    (
        "def counter():\n    n = 0\n    def inc():\n        nonlocal n; n += 1; return n\n    def get(): return n\n    return inc, get\ninc, get = counter(); inc()",
        ["inc(), get(), inc(), get()"],
    ),
    ("fact = lambda n: 1 if n < 2 else n * fact(n - 1)", ["fact(5)"]),
    (
        "def outer():\n    def rec(n): return n and n + rec(n - 1)\n    return rec\nadding = outer()",
        ["adding(4)"],
    ),
    (
        "import functools, operator; part = functools.partial(f, 2, k=1); ig = operator.itemgetter(1)",
        ["part(), part.func is f, ig('ab')"],
    ),
    (
        "@functools.lru_cache(maxsize=8)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(10)",
        ["fib(20), fib.cache_parameters(), fib.__name__"],
    ),
    (
        "def deco(g):\n    @functools.wraps(g)\n    def call(*a): return ('called', g(*a))\n    return call\n@deco\ndef plain(x): return x",
        ["plain(3), plain.__name__, plain.__wrapped__(1)"],
    ),
    ("def gen(n):\n    yield from range(n)\nasync def co(): return 5", ["list(gen(3)), co.__name__"]),
    (
        "@functools.singledispatch\ndef kind(x): return 'any'\n@kind.register\ndef _(x: int): return 'int'",
        ["kind(1), kind('a')"],
    ),
    (
        "def typed[T](x: T) -> T: return x\nmethods = [str.upper, 'ab'.upper, [].append, dict.fromkeys, len]",
        [
            "typed(3), typed.__type_params__, methods[0]('a'), methods[1](), methods[3]('a'), methods[4]('abc')"
        ],
    ),
    # Classes
    (
        "class Base:\n    count = 0\n    registry = []\n    def __init_subclass__(cls, **k):\n        super().__init_subclass__(); Base.registry.append(cls)\n    def __init__(self, v=1):\n        self.v = v; type(self).count += 1\n    @property\n    def double(self): return self.v * 2\n    @classmethod\n    def make(cls): return cls(5)\n    @staticmethod\n    def still(): return n\n    def __eq__(self, o): return self.v == o.v\n    def __hash__(self): return hash(self.v)\nclass Child(Base):\n    def __init__(self): super().__init__(3)\n    def both(self): return __class__, super().double\nbase, child = Base(), Child(); seen = {child: 1}",
        [
            "type(child) is Child, isinstance(child, Base), child.both()[0] is Child, child.double, Base.make().v, Base.count, len(Base.registry), Base.registry[0] is Child, seen[child], Child.still(), Child.__mro__"
        ],
    ),
    (
        "bound = child.both; unbound = Child.both",
        ["bound()[1], bound.__self__ is child, unbound is Child.both"],
    ),
    (
        "class Slots:\n    __slots__ = ('a', '__b')\n    def __init__(self): self.a = 1; self.__b = 2\n    def b(self): return self.__b\nslots = Slots()",
        ["slots.a, slots.b(), hasattr(slots, '__dict__'), hasattr(slots, 'c')"],
    ),
    (
        "import enum\nclass Color(enum.Enum):\n    RED = 1; GREEN = 2; CRIMSON = 1\n    def shout(self): return self.name + '!'\nred = Color.RED",
        [
            "red is Color.RED, Color.CRIMSON is red, list(Color), Color(2), red.shout(), Color.__members__, {red: 1}[Color.RED]"
        ],
    ),
    (
        "class Planet(enum.Enum):\n    EARTH = (5.9, 6.3)\n    def __init__(self, mass, radius): self.mass, self.radius = mass, radius\n    @property\n    def ratio(self): return round(self.mass / self.radius, 3)",
        ["Planet.EARTH.mass, Planet.EARTH.ratio, Planet((5.9, 6.3))"],
    ),
    (
        "class Coord(bytes, enum.Enum):\n    def __new__(cls, value, label):\n        made = bytes.__new__(cls, [value]); made._value_ = value; made.label = label; return made\n    PX = (0, 'P.X'); PY = (1, 'P.Y')",
        ["Coord.PY.name, bytes(Coord.PY), Coord.PY.label, Coord(0) is Coord.PX"],
    ),
    (
        "class Perm(enum.Flag):\n    R = enum.auto(); W = enum.auto(); RW = R | W\nclass Num(enum.IntEnum):\n    A = 5\nclass Str(enum.StrEnum):\n    B = enum.auto()\nrw = Perm.R | Perm.W",
        ["rw is Perm.RW, list(rw), Perm.R in rw, Num.A + 1, Str.B == 'b', ~Perm.R"],
    ),
    (
        "import dataclasses as dc\n@dc.dataclass(order=True)\nclass Point:\n    x: int\n    y: list = dc.field(default_factory=list, compare=False)\n    Z: int = dc.field(default=3, kw_only=True)\npoint = Point(1)\n@dc.dataclass(frozen=True, slots=True)\nclass Fixed:\n    a: int = 1\nfixed = Fixed(4)",
        [
            "point, Point(2) > point, dc.replace(point, x=5), dc.fields(Point)[0].default is dc.MISSING, fixed, fixed == Fixed(4), hash(fixed) == hash(Fixed(4)), dc.asdict(point)"
        ],
    ),
    (
        "import typing\nclass Pair(typing.NamedTuple):\n    a: int\n    b: str = 'x'\n    def both(self): return self.a, self.b\npair = Pair(1); Old = namedtuple('Old', 'p q'); old = Old(1, q=2)\nclass TD(typing.TypedDict, total=False):\n    k: int\nT = typing.TypeVar('T'); UserId = typing.NewType('UserId', int)\nclass Box(typing.Generic[T]):\n    def __init__(self, v: T): self.v = v\nbox = Box[int](4)\nclass Likes(typing.Protocol):\n    def go(self) -> int: ...",
        [
            "pair, pair.both(), pair._replace(a=3), type(pair) is Pair, old, old.q, TD(k=1), TD.__annotations__, box.v, box.__orig_class__, Box.__parameters__[0] is T, UserId(3), UserId"
        ],
    ),
    (
        "import abc\nclass Shape(abc.ABC):\n    @abc.abstractmethod\n    def area(self): ...\nclass Square(Shape):\n    def area(self): return 4\nShape.register(Slots); square = Square()",
        [
            "square.area(), isinstance(slots, Shape), sorted(Shape.__abstractmethods__), isinstance(square, Shape)"
        ],
    ),
    (
        "made_classes = []\nclass Meta(type):\n    def __new__(m, name, bases, ns, **k):\n        made = super().__new__(m, name, bases, ns); made_classes.append(name); return made\n    def __call__(cls, *a): return ('made by', cls.__name__)\nclass WithMeta(metaclass=Meta):\n    pass",
        ["made_classes, WithMeta(), type(WithMeta) is Meta"],
    ),
    (
        "class Desc:\n    def __set_name__(self, owner, name): self.calls = getattr(self, 'calls', 0) + 1; self.name = name\n    def __get__(self, o, t): return self.name, self.calls\nclass HasDesc:\n    field = Desc()\n    @functools.cached_property\n    def slow(self): return object()\nhd = HasDesc(); slow = hd.slow",
        ["HasDesc.field, hd.slow is slow"],
    ),
    (
        "class Own:\n    def __init__(self, a, *, b): self.a, self.b = a, b\n    def __getstate__(self): return {'only': self.a}\n    def __setstate__(self, s): self.a, self.b = s['only'], 'set'\nown = Own(1, b=2)",
        ["own.a"],
    ),
    (
        "class MyErr(Exception):\n    def __init__(self, code, text): super().__init__(text); self.code = code\ntry:\n    try: 1 / 0\n    except ZeroDivisionError as cause: raise MyErr(4, 'bad') from cause\nexcept MyErr as error: err = error\ngroup = ExceptionGroup('g', [ValueError(1), err]); oserr = FileNotFoundError(2, 'none', 'f.txt'); err.add_note('note')",
        ["err.code, repr(err.__cause__), group.exceptions[1] is err, oserr, oserr.filename, err.__notes__"],
    ),
    (
        "class D(dict):\n    def __setitem__(self, k, v): super().__setitem__(k, (v, 'set'))\nmydict = D(); mydict['a'] = 1\nclass L(list): tag = 3\nmylist = L([1]); mylist.own = 2",
        ["mylist, mylist.own, mylist.tag"],
    ),
    (
        "class Proxy:\n    def __init__(self, x): self._x = x\n    def __getattr__(self, name): return getattr(self._x, name)\nproxy = Proxy('ab')\nclass Single:\n    made, one = 0, None\n    def __new__(cls, name):\n        if cls.one is None: cls.one = super().__new__(cls); cls.made += 1\n        return cls.one\n    def __init__(self, name): self.name = name\nsingle = Single('s')\nclass Both:\n    __slots__ = ('a', '__dict__')\n    def __getattr__(self, name): return self.a[name]\nboth_ = Both(); both_.a, both_.b = {'c': 3}, 2",
        ["proxy.upper(), single is Single('t'), single.name, Single.made, both_.a, both_.b, both_.c"],
    ),
    # NumPy
    (
        "import numpy as np; a = np.arange(24.).reshape(4, 6); row, cols, rev, tr = a[1], a[:, ::2], a[::-1, 3], a.T; whole = np.zeros(3000)",
        [
            "a.__setitem__((1, 0), 99), row, cols, rev, tr.strides, row.base is a.base, whole.flags.owndata, whole.base"
        ],
    ),
    (
        "own_a = np.ones((2, 3)); v1 = own_a[:1]; v2 = v1[:, 1:]; flat = own_a.reshape(-1); as_int = own_a.view('i8')",
        ["v2.base is own_a, v1.base is own_a, flat.__setitem__(1, 7), v2, as_int[0, 1]"],
    ),
    (
        "large = np.arange(50_000.); half = large[::2]; ro = np.arange(3); ro.flags.writeable = False; rov = large[:3].view(); rov.flags.writeable = False",
        [
            "large.__setitem__(2, -1), half[1], half.base is large, ro.flags.writeable, rov.flags.writeable, rov.base is large"
        ],
    ),
    (
        "fo = np.asfortranarray(np.arange(6).reshape(2, 3)); zero = np.array(5.); empty = np.empty((0, 3)); bc = np.broadcast_to(np.arange(3), (2, 3)); perm = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1).copy(order='K')",
        [
            "fo.flags.f_contiguous, fo, zero, zero.shape, empty.shape, bc, bc.strides, bc.flags.writeable, perm.strides, perm[1, 1, 2]"
        ],
    ),
    (
        "struct = np.zeros(3, [('a', 'f8'), ('b', 'U3')]); field = struct['b']; rec = struct.view(np.recarray); when64 = np.array(['2026-01-01', 'NaT'], 'M8[D]'); cx = np.array([1j], '>c8'); strs = np.array(['a', 'bcd']); sd = np.array(['x'], dtype=np.dtypes.StringDType())",
        [
            "field.__setitem__(0, 'hey'), struct, rec.b, when64, cx, cx.dtype.byteorder, strs, sd, field.base is struct"
        ],
    ),
    (
        "objs = np.array([1, 'a', None, [2]], dtype=object); oview = objs[1:]; objs[3].append(objs)",
        ["oview.__setitem__(0, 'b'), objs[1], objs[3][1] is objs, oview.base is objs"],
    ),
    (
        "class Info(np.ndarray): pass\ninfo = np.arange(3).view(Info); info.note = 'kept'; mat = np.matrix([[1, 2]]); masked = np.ma.masked_array(own_a, own_a > 5)",
        ["info.note, type(info) is Info, mat * mat.T, masked, own_a.__setitem__((0, 0), 4), masked[0, 0]"],
    ),
    (
        "over = np.frombuffer(ba, 'u1'); ro_over = np.frombuffer(b'abcd', 'u2')",
        ["ba.__setitem__(1, 66), over, ro_over, ro_over.flags.writeable"],
    ),
    (
        "mm = np.memmap('mm.bin', 'f4', 'w+', shape=(2, 3)); mm[:] = 3; part_mm = mm[1]",
        ["mm.__setitem__((1, 2), 8), part_mm[2], type(mm).__name__, np.fromfile('mm.bin', 'f4')[0]"],
    ),
    (
        "rng = np.random.default_rng(4); rng.random(); legacy = np.random.RandomState(2); legacy.rand(); np_draw = np.random.rand; both = [rng, np.random.Generator(rng.bit_generator)]",
        ["rng.random(), legacy.rand(), both[1].random(), np_draw == np.random.rand"],
    ),
    (
        "f32, i64, dty, uf, poly = np.float32(1.5), np.int64(3), np.dtype('f4'), np.add, np.polynomial.Polynomial([1, 2])",
        ["f32, type(f32), i64, dty, uf(1, 2), poly(2.)"],
    ),
    # pandas
    (
        "import pandas as pd; df = pd.DataFrame({'a': range(5), 'b': list('vwxyz'), 'c': pd.date_range('2026', periods=5, tz='UTC'), 'd': pd.Categorical(list('aabba')), 'e': [1.5, None, 3, 4, 5]}); df.attrs['k'] = 1; same = df",
        ["df.to_csv(), str(df.dtypes), same is df, df.attrs, str(df.index)"],
    ),
    (
        "col = df['e']; shallow = df.copy(deep=False); part_df = df[['a', 'e']]",
        [
            "col.__setitem__(0, 100.), df['e'][0], shallow.loc.__setitem__((1, 'a'), -1), df.to_csv(), shallow.to_csv(), part_df.to_csv(), col.tolist()"
        ],
    ),
    (
        "ser = pd.Series([1., 2., 3.]); as_index = pd.Index(ser); vals = ser.values; raw = np.arange(4.); wrapped = pd.Series(raw, copy=False)",
        [
            "ser.__setitem__(1, 50.), list(as_index), ser.tolist(), raw.__setitem__(0, 9), wrapped.tolist(), vals.flags.writeable"
        ],
    ),
    (
        "mi = pd.MultiIndex.from_product([[1, 2], ['a', 'b']], names=['n', 's']); mdf = pd.DataFrame({'v': range(4)}, index=mi); iv = pd.interval_range(0, 3); per = pd.period_range('2026-01', periods=2, freq='M'); na = pd.Series([1, None], dtype='Int64'); sp = pd.arrays.SparseArray([0, 0, 1]); gb = df.groupby('d', observed=True)",
        [
            "mdf.loc[(2, 'b')].tolist(), mdf.to_csv(), iv, per, na.to_list(), sp.sum(), gb['a'].sum().to_dict(), pd.NA is na[1], pd.NaT is pd.NaT"
        ],
    ),
    (
        "class MyFrame(pd.DataFrame):\n    @property\n    def _constructor(self): return MyFrame\nmyf = MyFrame({'q': [1]})",
        ["type(myf) is MyFrame, type(myf[['q']]) is MyFrame, myf.q[0]"],
    ),
    # Other libraries
    (
        "import polars as pl, pyarrow as pa; pdf = pl.DataFrame({'a': [1, 2], 'b': ['x', None]}); pex = pl.col('a') + 1; lazy = pdf.lazy().filter(pl.col('a') > 1); tab = pa.table({'c': [1, 2], 'd': ['y', None]}); chunk = tab['c'].slice(1)",
        ["pdf, pdf.with_columns(pex), lazy.collect(), tab.to_pydict(), chunk.to_pylist(), tab.schema"],
    ),
    (
        "import scipy.sparse as sparse, scipy.stats, scipy.interpolate; csr = sparse.csr_array(np.eye(3)); frozen = scipy.stats.norm(2, 3); spline = scipy.interpolate.CubicSpline([0, 1, 2], [0, 1, 4]); kd = scipy.stats.gaussian_kde([1., 2., 4.])",
        ["csr.toarray(), round(frozen.cdf(1), 6), round(float(spline(1.5)), 6), round(float(kd(2)[0]), 6)"],
    ),
    (
        "from sklearn.linear_model import LogisticRegression; from sklearn.tree import DecisionTreeClassifier; from sklearn.pipeline import make_pipeline; from sklearn.preprocessing import StandardScaler, FunctionTransformer; X, y = np.arange(20.).reshape(10, 2), np.arange(10) > 4; model = make_pipeline(FunctionTransformer(lambda v: v * 2), StandardScaler(), LogisticRegression()).fit(X, y); tree = DecisionTreeClassifier(random_state=0).fit(X, y); thresholds = tree.tree_.threshold",
        [
            "model.predict(X), np.round(model.predict_proba(X)[0], 6), tree.predict(X), thresholds, model[1].n_features_in_"
        ],
    ),
    (
        "import networkx as nx, sympy; G = nx.path_graph(4); G.nodes[1]['w'] = [1]; sx, sy = sympy.symbols('x y'); expr = sympy.integrate(sympy.sin(sx) * sy, sx); sf = sympy.lambdify(sx, sx**2)",
        [
            "sorted(G.edges), G.nodes[1], nx.shortest_path(G, 0, 3), expr, sympy.Symbol('x') == sx, sympy.S.One is expr.subs({sx: 0, sy: -1}), sf(3)"
        ],
    ),
    (
        "from PIL import Image; img = Image.new('RGB', (4, 4), 'red'); img.info['dpi'] = 5",
        ["img.getpixel((1, 1)), img.size, img.info"],
    ),
    (
        "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt; fig, axes = plt.subplots(1, 2); line, = axes[0].plot([1, 2], label='l'); fig.suptitle('T')",
        [
            "fig.axes[0] is axes[0], axes[0].lines[0] is line, line.get_label(), fig.get_suptitle(), plt.gcf() is fig, axes[0].figure is fig, plt.rcParams is matplotlib.rcParams"
        ],
    ),
    (
        "import plotly.graph_objects as go; pfig = go.Figure(go.Scatter(x=[1], y=[2])); pfig.update_layout(title='P')",
        ["pfig.data[0].x, pfig.layout.title.text, pfig.to_plotly_json()['data']"],
    ),
    (
        "import statsmodels.api as sm; ols = sm.OLS(np.arange(9.) * 2, sm.add_constant(np.arange(9.))).fit()",
        ["np.round(ols.params, 6)"],
    ),
    (
        "import bs4, requests, yaml, tqdm; soup = bs4.BeautifulSoup('<p>a<b>c</b></p>', 'html.parser'); ses = requests.Session(); ses.headers['k'] = 'v'",
        ["soup.b.text, ses.headers['k'], yaml.dump({'a': 1})"],
    ),
]

# What cannot be kept, and the words for it.
LOST = {
    "a generator": "lost_gen = (i for i in 'ab')",
    "an asynchronous generator": "async def _ag():\n    yield 1\nlost_agen = _ag()",
    "a coroutine": "lost_co = co()",
    "an open file (`text.txt`)": "lost_file = open('text.txt', 'w+')",
    "an open file (`bin.dat`)": "lost_bin = open('bin.dat', 'wb')",
    "an open file (`z.gz`)": "import gzip; lost_gz = gzip.open('z.gz', 'wb')",
    "an open file (`z.zip`)": "import zipfile; lost_zip = zipfile.ZipFile('z.zip', 'w')",
    "a network connection": "import socket; lost_sock = socket.socket()",
    "a database connection": "import sqlite3; lost_conn = sqlite3.connect(':memory:')",
    "a database cursor": "lost_cur = lost_conn.cursor()",
    "a lock": "import threading; lost_lock = threading.Lock()",
    "an event that threads wait for": "lost_event = threading.Event()",
    "a condition that threads wait for": "lost_cond = threading.Condition()",
    "a thread": "lost_thread = threading.Thread(target=print)",
    "a running program (`true`)": "import subprocess; lost_proc = subprocess.Popen(['true']); lost_proc.wait()",
    "a process": "import multiprocessing; lost_mp = multiprocessing.Process(target=print)",
    "a pool of workers": "import concurrent.futures as cf; lost_pool = cf.ThreadPoolExecutor(1)",
    "a result that is being worked on": "lost_future = cf.Future()",
    "an event loop": "import asyncio; lost_loop = asyncio.new_event_loop()",
    "a result that is awaited": "lost_awaited = lost_loop.create_future()",
    "a queue between threads": "import queue; lost_queue = queue.Queue()",
    "a file mapped into memory": "import mmap; lost_mmap = mmap.mmap(-1, 10)",
    "a frame of running code": "lost_frame = sys._getframe()",
    "a traceback": "try: 1 / 0\nexcept Exception as e: lost_tb = e.__traceback__",
    "a match of a regular expression": "lost_match = rx.match('ab')",
    "a temporary folder": "import tempfile; lost_dir = tempfile.TemporaryDirectory(dir='.')",
    "a view of memory that is not a variable's": "lost_view = memoryview(lost_mmap)",
    "an array over memory that it does not own": "lost_over = np.frombuffer(lost_mmap, 'u1')",
    "a weak reference that calls a function in the end": "lost_weak = weakref.ref(strong, print)",
    "a `Fails` (it cannot be pickled: ValueError: not now)": "class Fails:\n    def __reduce__(self): raise ValueError('not\\nnow')\nlost_fails = Fails()",
    "a `Quits` (it cannot be pickled: SystemExit: 3)": "class Quits:\n    def __getstate__(self): raise SystemExit(3)\nlost_quits = Quits()",
    "a `Nothing` (its `__reduce__` gives nothing that can be pickled)": "class Nothing:\n    def __reduce__(self): return 5\nlost_nothing = Nothing()",
    "a `Named` (it cannot be found by its name)": "class Named:\n    def __reduce__(self): return 'nowhere'\nlost_named = Named()",
    "the namespace of a class": "lost_dict = vars(Base)",
}
