"""What Debian and Ubuntu put into separate packages: installed if we are root, else named to the person.

Standard library only.
"""

import importlib.util
import os
import shutil
import sys

from config.errors import StepFailed
from config.setup import fonts
from config.setup.steps import explain, run, say

__all__ = ["add_cjk_font", "add_venv"]

CJK_FONT = "fonts-wqy-microhei"  # 1.6 MB, the smallest there with Chinese, Japanese and Korean


def add_venv() -> None:
    """Make sure that this Python can create environments; Debian's cannot without a package.

    Raises:
        StepFailed: it cannot, and its output says which package to install.
    """
    if importlib.util.find_spec("ensurepip"):
        return
    package = f"python3.{sys.version_info.minor}-venv"
    if _is_root():
        _install(package)
    else:
        sentence = f"Python's venv module is missing: sudo apt-get install {package}, then try again."
        raise StepFailed("an environment", sentence, 1)


def add_cjk_font() -> None:
    """Add a font for Chinese, Japanese and Korean if there is none and we are root: a test plots them."""
    if fonts.has_cjk() or not _is_root():
        return
    try:
        _install(CJK_FONT)
    except StepFailed as failure:  # the test itself says that there is no such font
        say(f"  {CJK_FONT} is not installed: {explain(failure)}")


def _is_root() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(package: str) -> None:
    install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", package)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(f"apt-get install {package}", *install, env=environment)
    except StepFailed:  # a fresh container has no package lists yet
        run("apt-get update", "apt-get", "update", "-q", env=environment)
        run(f"apt-get install {package}", *install, env=environment)
