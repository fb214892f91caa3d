"""Shortens paths in errors and warnings, so that they show no path of the machine.

shortened('File "/opt/kernelcord/.venv-kernels/lib/python3.12/site-packages/pandas/core/frame.py"')
# 'File "site-packages/pandas/core/frame.py"'
in_tracebacks(text)         # the same, but only in the lines of tracebacks, by `faulthandler` or `traceback`
warnings.formatwarning = warning
"""

import os
import re
import sys
import sysconfig
import warnings

__all__ = ["FRAME", "in_tracebacks", "shortened", "warning"]

_LIBRARY = f"python{sys.version_info.major}.{sys.version_info.minor}"
# The longest come first: packages lie below the standard library.
_SHORT = {
    **{f"{sysconfig.get_path(name)}/": "site-packages/" for name in ("purelib", "platlib")},
    f"{sysconfig.get_path('stdlib')}/": f"{_LIBRARY}/",
    f"{sys.prefix}/lib/": "lib/",
    f"{sys.base_prefix}/lib/": "lib/",
    f"{os.path.abspath(__file__).rpartition('/inside/')[0]}/": "kernelcord/",
}
LONGEST = 4096  # characters of a path, as in Linux (PATH_MAX)
FRAME = '  File "/'  # the beginning of a frame's line, where the path of the file is absolute
_FRAME = re.compile(rf'^([ |]*{FRAME[:-1]})(/[^"\n]{{1,{LONGEST}}})(?=", line \d)', re.MULTILINE)
# Where a library's own path begins, whichever Python it belongs to; what lies in the workspace is the
# person's own. It is only matched at the start of a path: a search would take quadratic time.
_OF_A_LIBRARY = re.compile(r"/(?!workspace/)(?:.*?/(?=(?:site|dist)-packages/)|.*/(?=python3\.\d+/))")

_format = warnings.formatwarning


def shortened(text: str) -> str:
    """The text, in which each path of a library begins at its package."""
    for path, short in _SHORT.items():
        text = text.replace(path, short)
    return text


def in_tracebacks(text: str) -> str:
    """The text with libraries' paths shortened in the lines of tracebacks, of whatever process."""
    return _FRAME.sub(_short_frame, text) if FRAME in text else text


def _short_frame(line: re.Match[str]) -> str:
    path = line[2]
    short = shortened(path)
    if short == path and (before := _OF_A_LIBRARY.match(path)):
        short = path[before.end() :]
    return line[1] + short


def warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """`warnings.formatwarning` with a short path; the line of code is still read by the whole path."""
    return shortened(_format(message, category, filename, lineno, line))
