"""Makes text as wide as the terminal of the person who reads it.

width.follow(120)       # for pandas, and for what reads COLUMNS (rich, ls ...)
"""

import os
from types import ModuleType

from . import on_import

__all__ = ["OPTION", "columns", "follow"]

LEAST, MOST = 40, 400  # columns
OPTION = "display.width"  # pandas' name for it
FIRST = 80  # columns, pandas' default

_before = _columns = FIRST


def follow(columns: int) -> None:
    """Make tables that wide, unless the person has set another width."""
    global _before, _columns
    _before, _columns = _columns, min(max(int(columns), LEAST), MOST)
    os.environ["COLUMNS"] = str(_columns)
    on_import.change("pandas", _widen)


def columns() -> int:
    """How wide tables are, unless the person has set another width."""
    return _columns


def _widen(pandas: ModuleType) -> None:
    if pandas.get_option(OPTION) in (_before, FIRST):
        pandas.set_option(OPTION, _columns)
