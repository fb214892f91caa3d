"""What stands in the place of parts that ipykernel looks for and a kernel does not have."""

import sys
import threading
from collections.abc import Mapping
from typing import Any

__all__ = ["NoSubshells", "Unwalked"]


class NoSubshells:
    """In the place of ipykernel's subshell thread, which a cell with `await` asks for its parent."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class Unwalked:
    """`sys` without its modules: the kernel looks at each for a debugger, and so copies 6 MB of them."""

    modules: Mapping[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)
