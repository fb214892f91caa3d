"""Errors and warnings that a person reads name no path of the machine: a library's begins at its package.

shortened('File "/opt/kernelcord/.venv-kernels/lib/python3.12/site-packages/pandas/core/frame.py"')
# 'File "site-packages/pandas/core/frame.py"'
traced(text)                            # the same, in what a cell prints: only in the lines of tracebacks
warnings.formatwarning = warning
"""

import os
import sys
import sysconfig
import warnings

__all__ = ["shortened", "traced", "warning"]

_LIBRARY = f"python{sys.version_info.major}.{sys.version_info.minor}"
# The longest first: packages lie below the standard library.
_SHORT = {
    **{f"{sysconfig.get_path(name)}/": "site-packages/" for name in ("purelib", "platlib")},
    f"{sysconfig.get_path('stdlib')}/": f"{_LIBRARY}/",
    f"{sys.prefix}/lib/": "lib/",
    f"{sys.base_prefix}/lib/": "lib/",
    f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/": "kernels/",
}
_FILE = 'File "'  # before the path, in a line of a traceback

_format = warnings.formatwarning


def shortened(text: str) -> str:
    """The text without what stands before a library's own path."""
    for path, short in _SHORT.items():
        text = text.replace(path, short)
    return text


def traced(text: str) -> str:
    """The text with short paths in tracebacks: of threads, of children, of what is logged, of `faulthandler`.

    Any other path that a cell prints is what the person wants to see.
    """
    if _FILE in text:
        for path, short in _SHORT.items():
            text = text.replace(f"{_FILE}{path}", f"{_FILE}{short}")
    return text


def warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """`warnings.formatwarning`, with a short path. The line of code is read where the file is."""
    return shortened(_format(message, category, filename, lineno, line))
