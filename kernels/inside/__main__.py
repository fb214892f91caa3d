"""The program of a person's kernel: IPython's own, with six differences.

    python kernels/inside RUN_FOLDER -f CONNECTION_FILE

1. The iopub socket waits for a slow reader instead of dropping messages (`XPUB_NODROP`).
2. What threads and child processes write arrives before their cell ends, or under their own cell (`streams`).
3. Each reply carries a list of the person's variables, so that no second question is needed (`variables`).
4. `load_file`, `file_path` and `list_files` are there without an import (`files`).
5. Text that UTF-8 cannot hold is sent all the same, and costs no other its way (`packing`).
6. It ends when its parent does, unless it was detached: the file `detached` stands in RUN_FOLDER.

Run by the kernels' own Python. Nothing of it can be imported by the person: it lives outside `sys.path`.
"""

import atexit
import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

PARENT = os.getppid()  # at once, since it may die while we start

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
from inside import files, streams, variables  # type: ignore[import-not-found]  # noqa: E402  (the path first)

del sys.path[0]

import zmq  # noqa: E402
from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402

PARENT_LOOK = 1.0  # seconds between looks whether the parent still lives


class NoSubshells:
    """In the place of ipykernel's subshell thread, which a cell with `await` asks for its parent."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class Kernel(IPythonKernel):  # type: ignore[misc]
    """IPython's kernel, which also tells what variables there are."""

    _supports_kernel_subshells = False
    _execute_sleep = 0  # ipykernel waits 0.5 ms here against lost output; `streams.settle` knows instead

    def finish_metadata(
        self, parent: Any, metadata: dict[str, Any], reply_content: dict[str, Any]
    ) -> dict[str, Any]:
        """Add the variables to what goes with each reply."""
        metadata = dict(super().finish_metadata(parent, metadata, reply_content))
        metadata["kernelcord"] = {"variables": variables.describe(self.shell)}
        return metadata

    async def do_execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run the cell, and let what it has written through."""
        reply = await super().do_execute(*args, **kwargs)
        streams.settle(self.own_streams)
        return reply

    def _input_request(self, prompt: str, ident: Any, parent: Any, **options: Any) -> Any:
        """Ask, after a mark among the output: the question goes another way, and could overtake it."""
        streams.settle(self.own_streams)
        for stream in self.own_streams:
            stream.flush()
        self.session.send(self.iopub_socket, "kernelcord_question", {}, parent)
        return super()._input_request(prompt, ident, parent, **options)

    async def interrupt_request(self, *args: Any) -> None:
        """Interrupt the cell; a loop in which it awaits something would sleep through the signal."""
        await super().interrupt_request(*args)
        self.io_loop.add_callback(lambda: None)


class Program(IPKernelApp):  # type: ignore[misc]
    """IPython's kernel program, started for one person."""

    def _bind_socket(self, socket: zmq.Socket[bytes], port: int) -> Any:
        if socket.type == zmq.XPUB:
            socket.setsockopt(zmq.XPUB_NODROP, 1)
        return super()._bind_socket(socket, port)

    def init_control(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Leave subshells out: cells of one person run one by one, and their thread costs 0.4 ms a cell."""
        super().init_control(context)
        self.shell_channel_thread = NoSubshells()

    def init_heartbeat(self) -> None:
        """Leave the heartbeat out: nobody listens, and it costs a thread and a context."""

    def init_poller(self) -> None:
        """Follow our parent by our own rule."""
        threading.Thread(target=_follow_parent, daemon=True).start()

    def init_path(self) -> None:
        """Find the person's own modules after Python's: a `random.py` must not break the kernel."""
        packages = next(
            (place for place, path in enumerate(sys.path) if "site-packages" in path), len(sys.path)
        )
        sys.path.insert(packages, "")

    def init_io(self) -> None:
        """Make the streams."""
        super().init_io()
        streams.silence_originals()

    def init_kernel(self) -> None:
        """Make the kernel, which knows its own streams."""
        super().init_kernel()
        self.kernel.own_streams = sys.stdout, sys.stderr


def _follow_parent() -> None:
    while os.getppid() == PARENT:
        time.sleep(PARENT_LOOK)  # the one way to see this that every system has
    if not (RUN_FOLDER / "detached").exists():
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


RUN_FOLDER = Path(sys.argv.pop(1))

if __name__ == "__main__":
    alive = (RUN_FOLDER / "alive").open("wb")
    fcntl.flock(alive, fcntl.LOCK_EX)  # for the next pool, which must not take a living kernel's folder away
    files.install(str(RUN_FOLDER / "files.sock"))
    program = Program.instance(kernel_class=Kernel, outstream_class="inside.streams.Output")
    program.config.HistoryManager.enabled = False  # a database nobody reads, 1 ms a cell
    program.config.Session.packer = "inside.packing.pack"
    program.initialize(sys.argv[1:])
    streams.follow_threads()  # from now on: the kernel's own threads belong to no cell
    program.start()
    atexit.unregister(program.close)  # it can sit 10 s in a flush that nobody reads any more
