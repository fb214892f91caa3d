"""The program of a kernel that is an ordinary process.

    python kernels/inside RUN_FOLDER DESCRIPTORS -f CONNECTION_FILE

What differs from IPython's own is in `program`; `files` puts in `load_file`, `file_path` and `list_files`,
which ask over the descriptor "files". DESCRIPTORS are a JSON object, with those of `last_words` too. It ends
when its parent does, unless it was detached: the file `detached` stands in RUN_FOLDER. Run by the kernels'
own Python. Nothing of it can be imported by the person: it lives outside `sys.path`.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

PARENT = os.getppid()  # at once, since it may die while we start

sys.path[0] = str(Path(__file__).resolve().parent.parent)
from inside import program  # type: ignore[import-not-found]  # noqa: E402  (the path first)
from inside.confinement import fresh  # type: ignore[import-not-found]  # noqa: E402
from inside.files import stored  # type: ignore[import-not-found]  # noqa: E402
from inside.output import last_words  # type: ignore[import-not-found]  # noqa: E402

del sys.path[0]

PARENT_LOOK = 1.0  # seconds between looks whether the parent still lives
RUN_FOLDER, DESCRIPTORS = Path(sys.argv.pop(1)), json.loads(sys.argv.pop(1))


def _follow_parent() -> None:
    while os.getppid() == PARENT:
        time.sleep(PARENT_LOOK)  # the one way to see this that every system has
    if not (RUN_FOLDER / "detached").exists():
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


if __name__ == "__main__":
    alive = (RUN_FOLDER / "alive").open("wb")
    fcntl.flock(alive, fcntl.LOCK_EX)  # for the next pool, which must not take a living kernel's folder away
    stored.install(DESCRIPTORS.pop("files"))
    last_words.share(DESCRIPTORS)
    threading.Thread(target=_follow_parent, daemon=True).start()
    kernel = program.create()
    kernel.initialize(sys.argv[1:])
    fresh.arguments()
    program.run(kernel)
