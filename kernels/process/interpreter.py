"""Whether a Python can run kernels: it is asked before any kernel is started with it.

    missing = ask(python, ["numpy", "pandas"])      # modules that it does not have; raises Misconfigured

Otherwise the first sign of a wrong one is a kernel that does not start, which can have many other reasons.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kernels.errors import Misconfigured

__all__ = ["ask"]

OLDEST = (3, 12)
ANSWERING = 60.0  # seconds; usually 0.05, but many on a loaded machine
NEEDED = "ipykernel"
# This has to run on any Python, also one that is too old for the rest of our code.
QUESTION = """
import json, sys
try:
    from importlib.util import find_spec
except ImportError:
    find_spec = lambda name: None
names = sys.argv[1:]
print(json.dumps([list(sys.version_info[:2]), [name for name in names if find_spec(name) is None]]))
"""


def ask(python: Path, modules: Sequence[str] = ()) -> list[str]:
    """Those of `modules` whose packages this Python does not have.

    Raises: Misconfigured, with a sentence, if no kernel can run on it.
    """
    names = [name.partition(".")[0] for name in modules]
    try:
        asked = subprocess.run(
            [str(python), "-I", "-c", QUESTION, NEEDED, *names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWERING,
            check=False,
        )
    except OSError as error:
        raise Misconfigured(f"KERNEL_PYTHON is {python}, which cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise Misconfigured(f"KERNEL_PYTHON is {python}, which does not answer as a Python does") from None
    try:
        version, missing = json.loads(asked.stdout)
        found = tuple(map(int, version))
        absent = {str(name) for name in missing}
    except (ValueError, TypeError):
        raise Misconfigured(f"KERNEL_PYTHON is {python}, which is no Python that works") from None
    if found < OLDEST:
        told, needed = (".".join(map(str, each)) for each in (found, OLDEST))
        raise Misconfigured(
            f"KERNEL_PYTHON is {python}, which is Python {told}: kernels need {needed} or newer"
        )
    if NEEDED in absent:
        raise Misconfigured(
            f"KERNEL_PYTHON is {python}, which has no {NEEDED}: install it there, or name another Python"
        )
    return [module for module, name in zip(modules, names, strict=True) if name in absent]
