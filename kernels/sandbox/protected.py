"""Runs a program from a read-only mount, so that no process forked from it can change the program's file.

    python kernels/sandbox/protected.py PROGRAM ARGUMENT...

See `inside.confinement.confine.protect`. The kernels' own Python runs this, as it runs the zygote.
"""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
from inside.confinement import confine  # type: ignore[import-not-found]  # noqa: E402  (the path first)

if __name__ == "__main__":
    confine.protect(sys.argv[1])
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  the program is the interpreter that we run on
