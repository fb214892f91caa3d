"""Stand-ins for parts that ipykernel expects and that our kernels do without."""

import sys
import threading
from collections.abc import Mapping
from typing import Any

__all__ = ["NoSubshells", "SysWithoutModules"]


class NoSubshells:
    """Instead of ipykernel's thread of subshells: a cell with `await` asks it for the parent thread."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class SysWithoutModules:
    """`sys` without its modules.

    ipykernel looks at each module for a debugger, and so copies 6 MB that the kernel shares with the zygote.
    """

    modules: Mapping[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)
