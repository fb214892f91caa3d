"""The first run of the kernels' environment, so that a person's first cell and first plot are fast.

    .venv-kernels/bin/python -I config/setup/warm.py MATPLOTLIB_FOLDER

Imports every package once (which writes its bytecode: seaborn then takes 1.4 s, not 4.8 s), looks through the
system's fonts, and keeps what it found in MATPLOTLIB_FOLDER beside a matplotlibrc that falls back, glyph by
glyph, to fonts for other scripts. Run by the kernels' own Python; the bot's has none of these packages.
"""

import importlib
import os
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

__all__ = ["choose", "matplotlibrc"]

# What a cell imports, one name a package of the extra `kernels` in setup.cfg.
MODULES = (
    *("bs4", "ipykernel.ipkernel", "joblib", "lxml.etree", "matplotlib.pyplot", "networkx", "numpy"),
    *("openpyxl", "pandas", "PIL.Image", "plotly.express", "polars", "pyarrow.parquet", "pyreadstat"),
    *("requests", "scipy.stats", "seaborn", "sklearn.ensemble", "statsmodels.api", "sympy", "tabulate"),
    *("tqdm", "xlsxwriter", "yaml"),
)

# Comes with matplotlib; has Latin, Greek, Cyrillic, Arabic, Hebrew and many emoji.
FIRST = "DejaVu Sans"
# Families that carry what it lacks. No colour emoji fonts: matplotlib draws outlines only.
FALLBACKS = (
    # Chinese, Japanese and Korean
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "IPAexGothic"),
    *("NanumGothic", "PingFang SC", "PingFang HK", "Hiragino Sans", "Hiragino Sans GB", "Arial Unicode MS"),
    *("Apple SD Gothic Neo",),
    # Arabic
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Amiri", "KacstOne", "Geeza Pro"),
    # emoji and symbols
    *("Noto Emoji", "Symbola", "Noto Sans Symbols 2", "Noto Sans Symbols2", "Apple Symbols"),
)


def choose(installed: Collection[str]) -> list[str]:
    """The families for a plot's text, out of those `installed`: DejaVu Sans, then what carries other scripts.

    Only those that the system has, since matplotlib warns at every plot about one that it does not find.
    """
    return [FIRST, *(family for family in FALLBACKS if family in installed)]


def matplotlibrc(families: Collection[str]) -> str:
    """The settings file for plots whose text is set in `families`."""
    # matplotlib falls back from glyph to glyph over font.family, but takes one font only for a generic name.
    # Type 42 keeps a PDF's text searchable: https://matplotlib.org/stable/users/explain/text/fonts.html
    return f"font.family: {', '.join(families)}\npdf.fonttype: 42\n"


def main(folder: Path) -> None:
    """Imports every package, and fills `folder`, which becomes the kernels' MPLCONFIGDIR."""
    shutil.rmtree(folder, ignore_errors=True)  # matplotlib keeps its list of fonts for ever
    folder.mkdir()
    os.environ |= {"MPLCONFIGDIR": str(folder), "MPLBACKEND": "agg"}
    for module in MODULES:
        importlib.import_module(module)
    fonts = importlib.import_module("matplotlib.font_manager").fontManager
    (folder / "matplotlibrc").write_text(matplotlibrc(choose(fonts.get_font_names())), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
