"""The program of a kernel that is an ordinary process.

    python kernels/inside RUN_FOLDER DESCRIPTORS -f CONNECTION_FILE

How it differs from IPython's own kernel is in `program`. `files.stored` adds `load_file`, `file_path` and
`list_files`, which ask over the descriptor "files"; DESCRIPTORS is a JSON object with that descriptor and
those of `last_words`. The kernel ends when its parent does. The kernels' own Python runs this; the person's
code cannot import any of it, since it lies outside `sys.path`.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

PARENT = os.getppid()  # asked for first of all, since the parent may die while we start

sys.path[0] = str(Path(__file__).resolve().parent.parent)
from inside import program  # type: ignore[import-not-found]  # noqa: E402  (the path first)
from inside.confinement import fresh  # type: ignore[import-not-found]  # noqa: E402
from inside.files import stored  # type: ignore[import-not-found]  # noqa: E402
from inside.output import last_words  # type: ignore[import-not-found]  # noqa: E402

del sys.path[0]

PARENT_LOOK = 1.0  # seconds between checks that the parent is still alive
RUN_FOLDER, DESCRIPTORS = Path(sys.argv.pop(1)), json.loads(sys.argv.pop(1))


def _follow_parent() -> None:
    while os.getppid() == PARENT:
        time.sleep(PARENT_LOOK)  # polling is the only way that every system has
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    alive = (RUN_FOLDER / "alive").open("wb")
    fcntl.flock(alive, fcntl.LOCK_EX)  # so that the next pool does not remove the folder of a living kernel
    stored.install(DESCRIPTORS.pop("files"))
    last_words.share(DESCRIPTORS)
    threading.Thread(target=_follow_parent, daemon=True).start()
    kernel = program.create()
    kernel.initialize(sys.argv[1:])
    fresh.arguments()
    program.run(kernel)
