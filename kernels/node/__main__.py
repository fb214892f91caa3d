"""`python -m kernels.node`: a node, which reads its settings (`NodeSettings` as JSON) from standard input.

    python -m kernels.node < node.json              # runs until it is ended
    python -m kernels.node --detach < node.json     # in the background; prints a line once it is up

A node needs no environment variables, and passes none on to kernels: start it with as few as possible.
"""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from kernels.descriptors import raise_limit
from kernels.errors import Misconfigured
from kernels.node.logging import configure
from kernels.node.record import retire
from kernels.node.settings import ALIVE, NodeSettings
from kernels.process import interpreter

JUPYTER = "jupyter"  # in the node's folder, used by Jupyter in place of the machine's own folders
ENDING, LOOK = 35.0, 0.1  # seconds that the previous node may take to end, and between two looks
READY = "ready"  # the line that a detached node prints
NODE_HOME = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


def main() -> int:
    """The program; its exit status is 0, 1 if another node has the folder, 2 for settings that are wrong."""
    try:
        settings = NodeSettings.from_json(sys.stdin.read())
    except ValueError as error:
        print(f"the node's settings cannot be used: {error}", file=sys.stderr)
        return 2
    if "--detach" in sys.argv and os.fork():
        return 0
    if "--detach" not in sys.argv:  # a bot that starts us detached has checked it
        try:
            interpreter.ask(settings.python)
        except Misconfigured as error:
            print(error, file=sys.stderr)
            return 2
    raise_limit()
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configure(settings, to_file="--detach" in sys.argv)
    with (settings.folder / ALIVE).open("wb") as alive:
        if not _locked(alive):
            print(f"another node has the folder {settings.folder}", file=sys.stderr)
            return 1
        _clear(settings.folder)
        _at_home(settings.folder)
        from kernels.node.server import serve

        serve(settings, _ready)
    return 0


def _locked(file: BinaryIO) -> bool:
    """Lock it, which takes a while if the previous node is just ending."""
    for _ in range(int(ENDING / LOOK)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK)  # waiting for the lock itself would have no time-out
        else:
            return True
    return False


def _clear(folder: Path) -> None:
    """Take away what a killed node has left: its record, and Jupyter's files about a running server."""
    retire(folder)
    shutil.rmtree(folder / JUPYTER, ignore_errors=True)


def _at_home(folder: Path) -> None:
    """Keep away from this machine's Jupyter, with its configuration and its files."""
    from jupyter_core.paths import jupyter_config_dir

    os.environ["JUPYTER_NO_CONFIG"] = "1"
    for name in NODE_HOME:
        os.environ[name] = str(folder / JUPYTER)
    (folder / JUPYTER).mkdir(mode=0o700, exist_ok=True)
    # Without a configuration Jupyter makes an empty temporary folder, once in a process, and leaves it there.
    before, tempfile.tempdir = tempfile.tempdir, str(folder / JUPYTER)
    jupyter_config_dir()
    tempfile.tempdir = before


def _ready() -> None:
    """Say so, and close the pipes to the program that has started us."""
    if "--detach" in sys.argv:
        with suppress(BrokenPipeError):  # it has given up, and the next one finds us
            print(READY, flush=True)
        with open(os.devnull, "rb+", buffering=0) as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(nothing.fileno(), 1)


if __name__ == "__main__":
    sys.exit(main())
