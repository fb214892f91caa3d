"""How wide text may be: as the terminal of whoever reads it, who has told.

width.follow(120)       # pandas, and what reads COLUMNS (rich, ls ...)
"""

import os
from types import ModuleType

from . import on_import

__all__ = ["follow"]

LEAST, MOST = 40, 400  # columns
OPTION = "display.width"
FIRST = 80  # columns, which pandas begins with

_before = _columns = FIRST


def follow(columns: int) -> None:
    """Have tables of that width, unless the person has set another one."""
    global _before, _columns
    _before, _columns = _columns, min(max(int(columns), LEAST), MOST)
    os.environ["COLUMNS"] = str(_columns)
    on_import.change("pandas", _widen)


def _widen(pandas: ModuleType) -> None:
    if pandas.get_option(OPTION) in (_before, FIRST):
        pandas.set_option(OPTION, _columns)
