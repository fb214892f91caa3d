"""The process that reads and writes notebooks for `conversion`, with limits and without rights.

    python -m kernels.notebooks.converter read  <a.ipynb  >lines
    python -m kernels.notebooks.converter write <lines    >a.ipynb

Its exit code is 3, with a sentence, when the notebook is refused; 4 when it takes too much memory; and 5,
with the number of the error, when its output cannot be written.
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
from kernels.sandbox import seccomp
from kernels.sandbox.policy import HANDLED, SCOPED

__all__: list[str] = []

MEMORY = 768 << 20  # bytes of address space; a notebook of 50 MB, all in one text with an emoji, takes 650 MB
TIME = {"read": 20, "write": 60}  # seconds of processor time
LARGEST = 1 << 30  # bytes of what is written; a character can take several
NICE = 5  # others go first
UNSURE = () if sys.platform == "linux" else (OSError, ValueError)  # macOS does not take all limits
UNUSED = ("arrow", "isoduration", "rfc3987_syntax")  # jsonschema's, for formats that no notebook has
OLD = b'{"nbformat":3,"worksheets":[{"cells":[{"cell_type":"code","input":"x","outputs":[]}]}]}'


def main(verb: str) -> int:
    """Do it; the exit code."""
    for name in UNUSED:  # they take a second to import
        sys.modules[name] = None  # type: ignore[assignment]
    from kernels.notebooks import notebook

    notebook.read(notebook.write(notebook.read(OLD).cells))  # what is imported late is imported now
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

    gc.disable()  # it would look again and again at millions of values, none of which is garbage
    found = notebook.read(sys.stdin.buffer.read(notebook.MAX_SIZE + 1))
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
    """Limit this process for good: it opens nothing any more, and where the system can, it has no rights."""
    try:
        program = base64.b64encode(seccomp.assemble(alone=False, counted=False)).decode()
        confine.seal({"landlock": [[HANDLED, SCOPED]], "seccomp": program})
    except (AttributeError, OSError, SandboxUnavailable):  # another system, or an older one: the limits hold
        pass
    os.nice(NICE)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, LARGEST),
        (resource.RLIMIT_CORE, 1),  # for 0 the machine would run its program for crashes, as root
        (resource.RLIMIT_NOFILE, 0),  # what is open stays so
    ):
        hard = resource.getrlimit(limit)[1]
        lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(*UNSURE):
            resource.setrlimit(limit, (lower, lower))


if __name__ == "__main__":
    ended = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(ended)  # an ordinary end would try to write once more what could not be written
