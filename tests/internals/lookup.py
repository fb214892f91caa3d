"""Whether a library has an attribute: imported by the tests, and run by them in the kernels' own Python.

python tests/internals/lookup.py < '[["ipykernel.iostream:OutStream", "_flush"]]'      # prints [true]
"""

import importlib
import inspect
import json
import re
import sys
from functools import cache


@cache
def has(owner: str, name: str) -> bool:
    """Whether `owner`, a module or "module:Class", has the attribute, or sets it as `self.name`."""
    module, _, path = owner.partition(":")
    try:
        found = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return hasattr(found, name) or any(_sets(base, name) for base in getattr(found, "__mro__", ()))


def _sets(kind: type, name: str) -> bool:
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # it is not written in Python
        return False
    return re.search(rf"\bself\.{name}\b[^=\n]*=[^=]|^\s+{name}\s*:", source, re.MULTILINE) is not None


if __name__ == "__main__":
    print(json.dumps([has(owner, name) for owner, name in json.load(sys.stdin)]))
