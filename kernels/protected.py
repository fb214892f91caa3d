"""Runs a program from a read-only mount, so that nothing forked from it can change the program's own file.

    python kernels/protected.py PROGRAM ARGUMENT...

See `inside.confine.protect`. It is run by the kernels' own Python, as the zygote is.
"""

import os
import sys

from inside import confine  # type: ignore[import-not-found]  # the folder of this file is where Python looks

if __name__ == "__main__":
    confine.protect(sys.argv[1])
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  the program is the interpreter that we run on
