"""Run people's code in Jupyter kernels; `kernels.pool` is where to begin."""

import sys
from typing import Any

# jsonschema, which nbformat and Jupyter Server use, imports this if it is installed. That takes 2.5 s, for
# checking a kind of address that no notebook has.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("rfc3987_syntax", None)
