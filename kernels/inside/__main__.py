"""The program of a person's kernel: IPython's own, with five differences.

    python kernels/inside RUN_FOLDER -f CONNECTION_FILE

1. The iopub socket waits for a slow reader instead of dropping messages (`XPUB_NODROP`).
2. What threads and child processes write arrives before their cell ends, or under their own cell (`streams`).
3. Each reply carries a list of the person's variables, so that no second question is needed (`variables`).
4. `load_file`, `file_path` and `list_files` are there without an import (`files`).
5. It ends when its parent does, unless it was detached: the file `detached` stands in RUN_FOLDER.

Run by the kernels' own Python. Nothing of it can be imported by the person: it lives outside `sys.path`.
"""

import os
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
from inside import files, streams, variables  # noqa: E402  (the path must be set first)

del sys.path[0]

import zmq  # noqa: E402
from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402

PARENT_LOOK = 1.0  # seconds between looks whether the parent still lives


class Kernel(IPythonKernel):
    """IPython's kernel, which also tells what variables there are."""

    _execute_sleep = 0  # ipykernel waits 0.5 ms here against lost output; `streams.settle` knows instead

    def finish_metadata(self, parent, metadata, reply_content):
        metadata = super().finish_metadata(parent, metadata, reply_content)
        metadata["kernelcord"] = {
            "variables": variables.describe(self.shell.user_ns, self.shell.user_ns_hidden)
        }
        return metadata

    async def do_execute(self, *args, **kwargs):
        reply = await super().do_execute(*args, **kwargs)
        streams.settle()
        return reply


class Program(IPKernelApp):
    """IPython's kernel program, started for one person."""

    def _bind_socket(self, socket, port):
        if socket.type == zmq.XPUB:
            socket.setsockopt(zmq.XPUB_NODROP, 1)
        return super()._bind_socket(socket, port)

    def init_heartbeat(self):
        """Leave the heartbeat out: nobody listens, and it costs a thread and a context."""

    def init_poller(self):
        threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()

    def init_path(self):
        """Let the person's own modules be found, but after Python's: a `random.py` must not break the kernel."""
        packages = next(
            (place for place, path in enumerate(sys.path) if "site-packages" in path), len(sys.path)
        )
        sys.path.insert(packages, "")

    def init_io(self):
        super().init_io()
        streams.silence_originals()


def _follow_parent(parent):
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK)  # the one way to see this that every system has
    if not (RUN_FOLDER / "detached").exists():
        os._exit(1)


RUN_FOLDER = Path(sys.argv.pop(1))

if __name__ == "__main__":
    files.install(str(RUN_FOLDER / "files.sock"))
    program = Program.instance(kernel_class=Kernel, outstream_class="inside.streams.Output")
    program.config.HistoryManager.enabled = False  # a database nobody reads, 1 ms a cell
    program.initialize(sys.argv[1:])
    streams.follow_threads()  # from now on: the kernel's own threads belong to no cell
    program.start()
