"""Errors and warnings that a person reads name no path of the machine: a library's begins at its package.

shortened('File "/opt/kernelcord/.venv-kernels/lib/python3.12/site-packages/pandas/core/frame.py"')
# 'File "site-packages/pandas/core/frame.py"'
warnings.formatwarning = warning
"""

import sys
import sysconfig
import warnings

__all__ = ["shortened", "warning"]

_LIBRARY = f"python{sys.version_info.major}.{sys.version_info.minor}"
# The longest first: packages lie below the standard library.
_SHORT = {
    **{f"{sysconfig.get_path(name)}/": "site-packages/" for name in ("purelib", "platlib")},
    f"{sysconfig.get_path('stdlib')}/": f"{_LIBRARY}/",
    f"{sys.prefix}/lib/": "lib/",
    f"{sys.base_prefix}/lib/": "lib/",
}

_format = warnings.formatwarning


def shortened(text: str) -> str:
    """The text without what stands before a library's own path."""
    for path, short in _SHORT.items():
        text = text.replace(path, short)
    return text


def warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """`warnings.formatwarning`, with a short path. The line of code is read where the file is."""
    return shortened(_format(message, category, filename, lineno, line))
