"""What the libraries of the kernels' environment show, kind by kind, and what becomes of it.

A `Shown` has a name, a cell, and what a stock kernel shows for it: kinds and streams in any order. All kinds
are kept in a notebook except those in `left_out`, each with the reason that takes its place.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["GALLERY", "NAMED_ONLY", "SETUP", "SURROUNDINGS", "Shown"]

ACTIVE, MORE, UNKNOWN = (
    "it had active content",
    "it is more than plain markup",
    "notebooks here do not hold this kind",
)


# For these a message shows only the name of a class, and a picture if there is one.
NAMED_ONLY = {"mpl.anim", "sns.grid", "sk.display", "sym.plot", "nx.graph", "d.geojson", "pil.webp"}


class Shown(NamedTuple):
    """See the module docstring; `scripts` means that HTML is kept without its scripts."""

    name: str
    code: str
    kinds: str
    left_out: Mapping[str, str] = MappingProxyType({})
    scripts: bool = False


SETUP = """
import io, warnings, logging
import numpy as np, pandas as pd, matplotlib as mpl, matplotlib.pyplot as plt, polars as pl
import plotly.express as px, seaborn as sns, sympy, networkx as nx, scipy.sparse, tabulate, ziamath, ziafont
import statsmodels.api as sm
from PIL import Image
import IPython.display as D
from IPython.display import HTML, display
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.compose import ColumnTransformer
from sklearn.svm import SVC
x = sympy.Symbol('x')
df = pd.DataFrame({'k': list('aabb') * 4, 'j': list('xyxy') * 4, 'c': list('ppppqqqq') * 2})
df['d'], df['v'], df['w'] = list('mmmmmmmmnnnnnnnn'), np.arange(16.0), np.arange(16) ** 2
res = sm.OLS(df.w, sm.add_constant(df.v)).fit()
"""
# Each line that it prints is what a library found out about the environment it runs in.
SURROUNDINGS = """
import os, shutil, sys
from pandas._config.config import _global_config
from pandas.io.formats import console
from polars._utils.various import _in_notebook
from pip._vendor.rich.console import Console, _is_jupyter
with __import__("warnings").catch_warnings(action="ignore"):  # a stock kernel advises to install widgets
    from tqdm import auto, autonotebook
import plotly.io as pio
ip = get_ipython()

def options(found, before=""):
    for key, value in found.items():
        if isinstance(value, dict):
            yield from options(value, before + key + ".")
        else:
            yield before + key, value

RC = {"font.family", "pdf.fonttype"}  # the fonts of other scripts, which a stock kernel has not
answers = {
    "shell": [type(ip).__module__, type(ip).__name__, "zmq" in str(type(ip)).lower()],
    "kernel": [hasattr(ip, "kernel"), "IPKernelApp" in ip.config, ip.has_trait("kernel")],
    "modules": [name in sys.modules for name in ("ipykernel", "ipykernel.zmqshell", "IPython", "comm")],
    "interactive": [__IPYTHON__, hasattr(sys.modules["__main__"], "__file__"), __name__, __doc__],
    "streams": [stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "terminal": tuple(shutil.get_terminal_size()),
    "environment": [os.environ.get(name) for name in ("TERM", "FORCE_COLOR", "CLICOLOR", "PAGER", "NO_COLOR")],
    "pandas": [console.in_ipython_frontend(), console.in_interactive_session(), console.get_console_size()],
    "polars": [_in_notebook(), pl.Config.state()],
    "plotly": [str(pio.renderers.default), pio.renderers.render_on_display],
    "rich": [_is_jupyter(), Console().is_jupyter, Console().width, Console().color_system],
    "tqdm": [auto.tqdm.__module__, autonotebook.tqdm.__module__],
    "matplotlib": [mpl.get_backend(), mpl.is_interactive(), str(plt._REPL_DISPLAYHOOK)],
    "seaborn": [sns.utils.get_color_cycle()[0], sns.plotting_context()["font.size"]],
    "sympy": [sorted(ip.display_formatter.format(sympy.sqrt(x))[0]), sympy.interactive.printing.NO_GLOBAL],
    "scikit-learn": __import__("sklearn").get_config()["display"],
    "formatters": {kind: len(made.type_printers) for kind, made in ip.display_formatter.formatters.items()},
    "events": {name: len(called) for name, called in ip.events.callbacks.items()},
    **{f"pandas {key}": value for key, value in options(_global_config) if key != "display.encoding"},
    **{f"matplotlib {key}": mpl.rcParams[key] for key in mpl.rcParams if key not in RC and "path" not in key},
}
for name, answer in answers.items():
    print(name, answer)
display(repr(pd.DataFrame([[1.5 * n for n in range(40)]] * 3)), repr(pd.Categorical(list("abcdefghijklmnop") * 3)))
"""
GALLERY = [
    Shown("pd.frame", "pd.DataFrame({'a':[1,2],'b':['x','<y>']})", "text/plain text/html"),
    Shown("pd.agg", "df.groupby('k').agg({'v':['mean','max'],'w':['sum']})", "text/plain text/html"),
    Shown(
        "pd.pivot",
        "df.pivot_table(index=['k','j'], columns=['c','d'], values=['v','w'], aggfunc=['mean','sum'])",
        "text/plain text/html",
    ),
    Shown("pd.describe", "df.groupby('k')[['v','w']].describe()", "text/plain text/html"),
    Shown(
        "pd.unstack",
        "df.set_index(['k','j','c'])[['v']].groupby(['k','j','c']).sum().unstack()",
        "text/plain text/html",
    ),
    Shown("pd.crosstab", "pd.crosstab(df.k, [df.c, df.d], margins=True)", "text/plain text/html"),
    Shown(
        "pd.styler",
        "df.style.background_gradient().bar(subset=['v']).set_caption('c').format(precision=2)",
        "text/plain text/html",
    ),
    Shown(
        "pd.styler2",
        "df.style.highlight_max(axis=0).set_table_styles([{'selector':'th','props':'color:red;'}]).hide(axis='index')",
        "text/plain text/html",
    ),
    Shown(
        "pd.styler.links",
        "pd.DataFrame({'u':['https://example.org/a?b=1&c=2']}).style.format(hyperlinks='html')",
        "text/plain text/html",
    ),
    Shown(
        "pd.links",
        "HTML(pd.DataFrame({'u':['https://example.org']}).to_html(render_links=True, escape=False))",
        "text/plain text/html",
    ),
    Shown("pd.series", "df.v", "text/plain"),
    Shown("pd.cat", "pd.Categorical(list('abc'))", "text/plain"),
    Shown(
        "pd.schema",
        "pd.options.display.html.table_schema=True; display(df.head(2)); pd.options.display.html.table_schema=False",
        "text/plain text/html application/vnd.dataresource+json",
    ),
    Shown("pd.info", "df.info()", "stdout"),
    Shown(
        "pd.latexrepr",
        "pd.options.styler.render.repr='latex'; display(df.style); pd.options.styler.render.repr='html'",
        "text/plain text/latex",
    ),
    Shown("pl.frame", "pl.DataFrame({'a':[1,2],'b':['x','<y>'],'c':[[1],[2]]})", "text/plain text/html"),
    Shown("pl.series", "pl.Series('a',[1,2])", "text/plain text/html"),
    Shown("pl.lazy", "pl.DataFrame({'a':[1]}).lazy().filter(pl.col('a')>0)", "text/plain text/html"),
    Shown("pl.expr", "pl.col('a').sum()+1", "text/plain text/html"),
    Shown("plotly.fig", "px.line(x=[1,2],y=[1,2])", "application/vnd.plotly.v1+json"),
    Shown("plotly.show", "px.line(x=[1,2],y=[1,2]).show()", "application/vnd.plotly.v1+json"),
    Shown(
        "plotly.html",
        "HTML(px.line(x=[1,2],y=[1,2]).to_html(include_plotlyjs='cdn'))",
        "text/plain",
        {"text/html": ACTIVE},
    ),
    Shown("mpl.fig", "plt.plot([1,2]); plt.show()", "text/plain image/png"),
    Shown("mpl.value", "plt.plot([1,2])", "text/plain text/plain image/png"),
    Shown("mpl.cmap", "mpl.colormaps['viridis']", "text/plain text/html image/png"),
    Shown("mpl.bivar", "mpl.bivar_colormaps['BiPeak']", "text/plain text/html image/png"),
    Shown("mpl.multivar", "mpl.multivar_colormaps['2VarAddA']", "text/plain text/html image/png"),
    Shown(
        "mpl.fontentry",
        "next(font for font in mpl.font_manager.fontManager.ttflist if font.fname.endswith('DejaVuSans.ttf'))",
        "text/plain text/html image/png",
    ),
    Shown(
        "mpl.jshtml",
        "from matplotlib.animation import FuncAnimation\nf,a=plt.subplots(); l,=a.plot([0,1]); an=FuncAnimation(f,lambda i:[l],frames=2); plt.close(f); HTML(an.to_jshtml())",
        "text/plain",
        {"text/html": ACTIVE},
    ),
    Shown("mpl.anim", "an", "text/plain"),
    Shown("mpl.cycler", "plt.rcParams['axes.prop_cycle']", "text/plain text/html"),
    Shown("sns.palette", "sns.color_palette('muted')", "text/plain text/html"),
    Shown("sns.cmap", "sns.color_palette('rocket', as_cmap=True)", "text/plain text/html image/png"),
    Shown(
        "sns.plot",
        "import seaborn.objects as so\nso.Plot(df, x='v', y='w').add(so.Dot())",
        "text/plain image/png",
    ),
    Shown("sns.plotconfig", "so.Plot.config.theme", "text/plain", {"text/html": MORE}),
    Shown(
        "sns.grid",
        "sns.pairplot(df[['v','w']])",
        "text/plain image/png",
    ),
    Shown("sk.est", "LinearRegression()", "text/plain text/html", scripts=True),
    Shown("sk.fit", "LinearRegression().fit(df[['v']], df.w)", "text/plain text/html", scripts=True),
    Shown(
        "sk.pipe",
        "make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=5))",
        "text/plain text/html",
        scripts=True,
    ),
    Shown(
        "sk.grid",
        "GridSearchCV(make_pipeline(StandardScaler(), SVC()), {'svc__C':[1,2]})",
        "text/plain text/html",
        scripts=True,
    ),
    Shown(
        "sk.ct",
        "ColumnTransformer([('a',StandardScaler(),['v']),('b','passthrough',['w'])])",
        "text/plain text/html",
        scripts=True,
    ),
    Shown(
        "sk.display",
        "from sklearn.metrics import ConfusionMatrixDisplay\nConfusionMatrixDisplay(np.eye(2)).plot()",
        "text/plain image/png",
    ),
    Shown("sm.summary", "res.summary()", "text/plain text/html text/latex"),
    Shown("sm.summary2", "res.summary2()", "text/plain text/html text/latex"),
    Shown("sm.table", "res.summary().tables[0]", "text/plain text/html text/latex"),
    Shown("sym.expr", "sympy.sqrt(x)/2", "text/plain text/latex"),
    Shown("sym.matrix", "sympy.Matrix([[x,1],[0,x**2]])", "text/plain text/latex"),
    Shown("sym.geo", "sympy.Point(1,2), sympy.Circle((0,0),2)", "text/plain"),
    Shown("sym.circle", "sympy.Circle((0,0),2)", "text/plain image/svg+xml text/latex"),
    Shown("sym.poly", "sympy.Polygon((0,0),(1,0),(0,1))", "text/plain image/svg+xml text/latex"),
    Shown(
        "sym.plot",
        "sympy.plot(x**2)",
        "text/plain image/png",
    ),
    Shown(
        "nx.draw",
        "nx.draw(nx.path_graph(3))",
        "text/plain image/png",
    ),
    Shown("nx.graph", "nx.path_graph(3)", "text/plain"),
    Shown("np.poly", "np.polynomial.Polynomial([1,2,3])", "text/plain text/latex"),
    Shown("np.array", "np.eye(2)", "text/plain"),
    Shown("sp.sparse", "scipy.sparse.eye(2)", "text/plain"),
    Shown("pil", "Image.new('RGB',(2,2))", "text/plain image/png image/jpeg"),
    Shown(
        "pil.webp",
        "import io\nb=io.BytesIO(); Image.new('RGB',(2,2)).save(b,'WEBP'); D.Image(b.getvalue())",
        "image/webp text/plain",
    ),
    Shown(
        "pil.gif",
        "b=io.BytesIO(); Image.new('RGB',(2,2)).save(b,'GIF'); D.Image(b.getvalue())",
        "image/gif text/plain",
    ),
    Shown(
        "pil.jpeg",
        "b=io.BytesIO(); Image.new('RGB',(2,2)).save(b,'JPEG'); D.Image(b.getvalue(), width=10)",
        "image/jpeg text/plain",
    ),
    Shown("d.imgurl", "D.Image(url='https://example.org/x.png', width=10)", "text/html text/plain"),
    Shown("d.html", "HTML('<b>x</b>')", "text/plain text/html"),
    Shown("d.md", "D.Markdown('# x\\n* y')", "text/plain text/markdown"),
    Shown("d.latex", "D.Latex('$x$')", "text/plain text/latex"),
    Shown("d.math", "D.Math('x^2')", "text/plain text/latex"),
    Shown(
        "d.svg",
        'D.SVG(\'<svg xmlns="http://www.w3.org/2000/svg"><circle r="5"/></svg>\')',
        "text/plain image/svg+xml",
    ),
    Shown(
        "d.svg2", 'D.SVG(\'<svg width="10" height="10"><circle r="5"/></svg>\')', "text/plain image/svg+xml"
    ),
    Shown(
        "d.htmlsvg",
        'HTML(\'<svg width="10" height="10"><rect x="0" y="0" width="5" height="5" style="fill:#4878d0;stroke-width:2"/></svg>\')',
        "text/plain text/html",
    ),
    Shown(
        "d.mathml",
        "HTML('<math display=\"block\"><mfrac><mi>x</mi><mn>2</mn></mfrac></math>')",
        "text/plain text/html",
    ),
    Shown("d.details", "HTML('<details open><summary>x</summary>y</details>')", "text/plain text/html"),
    Shown("d.json", "D.JSON({'a':[1]})", "text/plain application/json"),
    Shown(
        "d.geojson",
        "D.GeoJSON({'type':'Point','coordinates':[1,2]})",
        "text/plain",
        {"application/geo+json": "notebooks here do not hold this kind"},
    ),
    Shown("d.js", "D.Javascript('1')", "text/plain", {"application/javascript": ACTIVE}),
    Shown("d.audio", "D.Audio(np.zeros(10), rate=8000)", "stderr text/plain text/html"),
    Shown("d.video2", "D.Video(b'abc', embed=True, mimetype='video/mp4')", "text/plain text/html"),
    Shown("d.iframe", "D.IFrame('https://example.org', 10, 10)", "text/plain", {"text/html": ACTIVE}),
    Shown("d.youtube", "D.YouTubeVideo('abc')", "text/plain", {"text/html": ACTIVE}),
    Shown("d.filelink", "open('x.csv','w').write('a'); D.FileLink('x.csv')", "text/plain text/html"),
    Shown("d.code", "D.Code('x = 1', language='python')", "text/plain text/html text/latex"),
    Shown("d.pretty", "D.Pretty('x')", "text/plain"),
    Shown(
        "d.progress",
        "display(D.ProgressBar(3))\nfor _ in D.ProgressBar(3): pass",
        "text/plain text/html text/plain text/html",
    ),
    Shown("d.handle", "h=display('a', display_id=True); h.update('b')", "text/plain text/plain"),
    Shown("d.mime", "display({'application/pdf':'JVBERi0='}, raw=True)", "application/pdf"),
    Shown(
        "d.vega",
        "display({'application/vnd.vegalite.v5+json':{'mark':'bar'},'text/plain':'x'}, raw=True)",
        "text/plain",
        {
            "application/vnd.vegalite.v5+json": (
                "such a chart can run scripts; display it as a picture to keep it"
            )
        },
    ),
    Shown("tab.html", "tabulate.tabulate([[1,2]], tablefmt='html')", "text/plain text/html"),
    Shown("tab.unsafe", "tabulate.tabulate([[1,'<b>x</b>']], tablefmt='unsafehtml')", "text/plain text/html"),
    Shown("tab.text", "print(tabulate.tabulate([[1,2]]))", "stdout"),
    Shown("zm", "ziamath.Latex('x^2')", "text/plain image/svg+xml"),
    Shown("zm.font", "import ziafont; ziafont.Font().glyph('a')", "text/plain image/svg+xml"),
    Shown("zm.describe", "ziafont.Font().glyph('a').describe()", "text/plain text/html"),
    Shown(
        "mathml",
        "import latex2mathml.converter\nHTML(latex2mathml.converter.convert('x^2'))",
        "text/plain text/html",
    ),
    Shown("magics", "%lsmagic", "text/plain"),
    Shown("m.html", "%%html\n<i>x</i>", "text/plain text/html"),
    Shown("m.latex", "%%latex\n$x$", "text/plain text/latex"),
    Shown(
        "m.svg",
        "%%svg\n<svg xmlns='http://www.w3.org/2000/svg'><circle r='5'/></svg>",
        "text/plain image/svg+xml",
    ),
    Shown("m.md", "%%markdown\n# x", "text/plain text/markdown"),
    Shown("m.js", "%%javascript\n1", "text/plain", {"application/javascript": ACTIVE}),
    Shown("m.timeit", "%timeit -n1 -r1 1", "stdout"),
    Shown("m.time", "%time 1", "stdout text/plain"),
    Shown("m.bash", "%%bash\necho x; echo y >&2", "stdout stderr"),
    Shown("m.capture", "%%capture c\nprint('x'); display(HTML('<b>a</b>'))", ""),
    Shown("m.captured", "c.show(); c.outputs[0]", "stdout text/plain text/html text/plain text/html"),
    Shown("m.help", "len?", ""),
    Shown("m.psearch", "%psearch nothinghere*", ""),
    Shown("m.doc", "print(__doc__)", "stdout"),
    Shown("tqdm", "from tqdm import tqdm\nfor _ in tqdm(range(3)): pass", "stderr stderr stderr"),
    Shown(
        "tqdm.pandas", "tqdm.pandas()\ndf.v.progress_apply(lambda v: v)", "stderr stderr stderr text/plain"
    ),
    Shown("warn", "import warnings; warnings.warn('w')", "stderr"),
    Shown("logging", "import logging; logging.warning('w')", "stderr"),
    Shown("err", "1/0", "error"),
    Shown("syntax", "x = = 1", "error"),
    Shown("pa", "import pyarrow as pa; pa.table({'a':[1]})", "text/plain"),
    Shown("nw", "import narwhals as nw; nw.from_native(df)", "text/plain"),
    Shown("form", "import formulaic; formulaic.model_matrix('v ~ w', df.head(3))", "text/plain"),
    Shown("form2", "formulaic.Formula('v ~ w')", "text/plain"),
    Shown("patsy", "import patsy; patsy.dmatrix('w', df.head(3))", "text/plain"),
    Shown("soup", "from bs4 import BeautifulSoup; BeautifulSoup('<b>x</b>','html.parser')", "text/plain"),
    Shown("lxml", "from lxml import html; html.fromstring('<b>x</b>')", "text/plain"),
    Shown("yaml", "import yaml; yaml.safe_load('a: 1')", "text/plain"),
    Shown(
        "joblib",
        "import joblib; joblib.Parallel(n_jobs=1)(joblib.delayed(abs)(i) for i in [1,-2])",
        "text/plain",
    ),
    Shown("markup", "from markupsafe import Markup; Markup('<b>x</b>')", "text/plain"),
    Shown(
        "pygm",
        "import pygments, pygments.lexers, pygments.formatters\nHTML(pygments.highlight('x = 1', pygments.lexers.PythonLexer(), pygments.formatters.HtmlFormatter(full=True)))",
        "text/plain",
        {"text/html": ACTIVE},
    ),
    Shown(
        "pygm2",
        "HTML(pygments.highlight('x = 1', pygments.lexers.PythonLexer(), pygments.formatters.HtmlFormatter(linenos=True, noclasses=True)))",
        "text/plain text/html",
    ),
    Shown(
        "kmeans",
        "from sklearn.cluster import KMeans\nKMeans(2, n_init=1, random_state=0).fit(df[['v']])",
        "text/plain text/html",
        scripts=True,
    ),
    Shown(
        "mpl.formats",
        "from matplotlib_inline.backend_inline import set_matplotlib_formats as set_formats\n"
        "set_formats('svg', 'pdf', 'jpeg'); plt.plot([1, 2]); plt.show(); set_formats('png')",
        "text/plain image/svg+xml application/pdf image/jpeg",
    ),
    Shown(
        "raw",
        "display({'text/plain': 't', 'text/x-rust': 'y', 'application/vnd.foo+json': {'a': 1}}, raw=True)",
        "text/plain text/x-rust application/vnd.foo+json",
        {"text/x-rust": UNKNOWN, "application/vnd.foo+json": UNKNOWN},
    ),
    Shown(
        "tree",
        "from sklearn.tree import DecisionTreeClassifier, export_text, plot_tree\n"
        "tree = DecisionTreeClassifier().fit([[0], [1]], [0, 1]); print(export_text(tree)); _ = plot_tree(tree)",
        "stdout text/plain image/png",
    ),
    Shown(
        "rich", "from pip._vendor.rich import print as rprint\nrprint('[red]x[/red]')", "text/plain text/html"
    ),
]
