"""The environment variables of a kernel's process, and of the zygote that kernels are forked from.

    environment(python, ipython_folder, os.environ)

They are built from an allow-list and never copied: a stock kernel finds the bot's tokens in its `os.environ`.
"""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["environment"]

PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")  # what of the operator's environment a kernel may know


def environment(
    python: Path, ipython: Path, outside: Mapping[str, str], *, hash_seed: int | None = None
) -> dict[str, str]:
    """The variables for any kernel of the interpreter `python`, whoever it is for.

    `ipython` is the folder for IPython's settings. Of `outside`, our own environment, only the language and
    the time zone are passed on. With a `hash_seed`, hashes of text are the same in each process that has it.
    """
    packages = python.parent.parent
    seed = {} if hash_seed is None else {"PYTHONHASHSEED": str(hash_seed)}
    return (
        {name: outside[name] for name in PASSED_ON if name in outside}
        | seed
        | {
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
    )
