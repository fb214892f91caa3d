"""The process that reads and writes notebooks for `conversion`, with limits and without privileges.

    python -m kernels.notebooks.converter read  <a.ipynb  >lines
    python -m kernels.notebooks.converter write <lines    >a.ipynb

Its exit code is 3 if the notebook is refused, with the reason on stderr; 4 if it takes too much memory; and 5
if the output cannot be written, with the number of the error on stderr.
"""

import base64
import gc
import json
import os
import resource
import sys
from contextlib import suppress

from kernels.errors import SandboxUnavailable
from kernels.inside.confinement import confine
from kernels.notebooks.cell_lines import NO_MEMORY, NO_ROOM, REFUSED, cells, line, to_lines
from kernels.notebooks.cells import NotebookError
from kernels.notebooks.reading import MAX_SIZE
from kernels.sandbox import seccomp
from kernels.sandbox.policy import HANDLED, SCOPED

__all__: list[str] = []

MEMORY = 768 << 20  # bytes of address space; a notebook of 50 MB in a single text with an emoji takes 650 MB
TIME = {"read": 20, "write": 60}  # seconds of processor time
LARGEST = 1 << 30  # bytes of output; a character can take several
NICE = 5  # so that other processes go first
UNSURE = () if sys.platform == "linux" else (OSError, ValueError)  # macOS does not accept all limits
UNUSED = ("arrow", "isoduration")  # jsonschema imports them for formats that no notebook has
OLD = b'{"nbformat":3,"worksheets":[{"cells":[{"cell_type":"code","input":"x","outputs":[]}]}]}'


def main(verb: str) -> int:
    """Read or write a notebook; returns the exit code."""
    for name in UNUSED:  # importing them would take a second
        sys.modules[name] = None  # type: ignore[assignment]
    from kernels.notebooks import notebook

    notebook.read(notebook.write(notebook.read(OLD).cells))  # now, so that all modules are imported
    _give_up_rights(TIME[verb])
    try:
        if verb == "read":
            _read()
        else:
            _write()
        sys.stdout.buffer.flush()
    except NotebookError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except MemoryError:
        return NO_MEMORY
    except OSError as error:
        print(error.errno, file=sys.stderr)
        return NO_ROOM
    return 0


def _read() -> None:
    from kernels.notebooks import notebook

    gc.disable()  # it would look at millions of values again and again, none of which is garbage
    found = notebook.read(sys.stdin.buffer.read(MAX_SIZE + 1))
    output = sys.stdout.buffer
    output.write(line({"notes": found.notes, "code_cells": found.code_cells, "metadata": found.metadata}))
    for cell in found.cells:
        output.writelines(to_lines(cell))


def _write() -> None:
    from kernels.notebooks import notebook

    lines = sys.stdin.buffer
    about = json.loads(next(lines))
    for piece in notebook.written(cells(lines), packages=about["packages"], about=about["about"]):
        sys.stdout.buffer.write(piece.encode())


def _give_up_rights(seconds: int) -> None:
    """Limit this process for good: it can open nothing and, where the system allows it, has no privileges."""
    # On another system, or an old one, the limits still apply.
    with suppress(AttributeError, OSError, SandboxUnavailable):
        program = base64.b64encode(seccomp.assemble(alone=False, counted=False)).decode()
        confine.seal({"landlock": [[HANDLED, SCOPED]], "seccomp": program})
    os.nice(NICE)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, LARGEST),
        (resource.RLIMIT_CORE, 1),  # with 0 the system would run its crash handler, as root
        (resource.RLIMIT_NOFILE, 0),  # files that are open stay open
    ):
        hard = resource.getrlimit(limit)[1]
        lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(*UNSURE):
            resource.setrlimit(limit, (lower, lower))


if __name__ == "__main__":
    ended = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(ended)  # an ordinary exit would try again to write what could not be written
