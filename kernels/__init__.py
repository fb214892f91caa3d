"""Run people's code in Jupyter kernels; `kernels.pool` is where to begin."""

import sys
from typing import Any

# A check of addresses that no notebook has. jsonschema, which nbformat and Jupyter Server use, takes it where
# it is, and its grammar is built at import, in 2.5 s.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("rfc3987_syntax", None)
