"""The environment variables of a kernel's process, and of the zygote that kernels are forked from.

    environment(python, ipython_folder, os.environ)

They are built from an allow-list and never copied: a stock kernel finds the bot's tokens in its `os.environ`.
"""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["environment"]

PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")  # what of the operator's environment a kernel may know


def environment(python: Path, ipython: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """The variables for any kernel of the interpreter `python`, whoever it is for.

    `ipython` is the folder for IPython's settings. Of `outside`, our own environment, only the language and
    the time zone are passed on.
    """
    packages = python.parent.parent
    return {name: outside[name] for name in PASSED_ON if name in outside} | {
        "HOME": "/",
        "IPYTHONDIR": str(ipython),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(packages / "matplotlib"),
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "USER": "person",
        "VIRTUAL_ENV": str(packages),
    }
