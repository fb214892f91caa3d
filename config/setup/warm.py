"""The first run of the kernels' environment, so that a person's first cell and first plot are fast.

    .venv-kernels/bin/python -I config/setup/warm.py MATPLOTLIB_FOLDER

Imports every package once (which writes its bytecode, so that seaborn takes 1.4 s instead of 4.8 s), looks
through the system's fonts, and writes what it found to MATPLOTLIB_FOLDER, with a matplotlibrc that falls back
to fonts for other scripts glyph by glyph. Run by the kernels' own Python; the bot's has none of these
packages.
"""

import importlib
import os
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

__all__ = ["choose", "matplotlibrc"]

# What cells import: one name for each package of the extra `kernels` in setup.cfg.
MODULES = (
    *("bs4", "ipykernel.ipkernel", "joblib", "lxml.etree", "matplotlib.pyplot", "networkx", "numpy"),
    *("openpyxl", "pandas", "PIL.Image", "plotly.express", "polars", "pyarrow.parquet", "pyreadstat"),
    *("requests", "scipy.stats", "seaborn", "sklearn.ensemble", "statsmodels.api", "sympy", "tabulate"),
    *("tqdm", "xlsxwriter", "yaml"),
)

# Comes with matplotlib; has Latin, Greek, Cyrillic, Arabic, Hebrew and many emoji.
FIRST = "DejaVu Sans"
# Families that have what it lacks. No fonts of coloured emoji: matplotlib draws only outlines.
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
    """The families for a plot's text, of those `installed`: DejaVu Sans, then fonts for other scripts.

    Only fonts that the system has, because matplotlib warns about a missing one at every plot.
    """
    return [FIRST, *(family for family in FALLBACKS if family in installed)]


def matplotlibrc(families: Collection[str]) -> str:
    """The settings file for plots with text in these families."""
    # matplotlib falls back glyph by glyph in font.family, but takes only one font for a generic name.
    # Type 42 keeps a PDF's text searchable: https://matplotlib.org/stable/users/explain/text/fonts.html
    return f"font.family: {', '.join(families)}\npdf.fonttype: 42\n"


def main(folder: Path) -> None:
    """Import every package, and fill `folder`, which becomes the kernels' MPLCONFIGDIR."""
    shutil.rmtree(folder, ignore_errors=True)  # matplotlib never refreshes its list of fonts
    folder.mkdir()
    os.environ |= {"MPLCONFIGDIR": str(folder), "MPLBACKEND": "agg"}
    for module in MODULES:
        importlib.import_module(module)
    fonts = importlib.import_module("matplotlib.font_manager").fontManager
    (folder / "matplotlibrc").write_text(matplotlibrc(choose(fonts.get_font_names())), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
