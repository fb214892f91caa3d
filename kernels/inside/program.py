"""IPython's own kernel program for one person, with a few differences.

1. The iopub socket waits for a slow reader instead of dropping messages (`XPUB_NODROP`).
2. What threads and child processes write arrives before their cell ends, or under their own cell (`streams`).
3. Each reply carries a list of the person's variables (`variables`). On the output channel, where our own
   client gets the reply, it also marks the end of the output.
4. Text that UTF-8 cannot encode is sent all the same, and other text with it is not lost (`packing`).
5. It saves the person's variables when it is asked, and has them again when a new kernel is (`state`).
6. No history, heartbeat, debugger or subshells: nobody uses them, and each costs time at every cell or start.

    program = prepare()                           # once, in the process that is forked
    serve(program, connection, listening)         # in the child
"""

import asyncio
import atexit
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import zmq
from ipykernel import ipkernel, kernelapp
from ipykernel.compiler import XCachingCompiler
from ipykernel.control import ControlThread
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client import jsonutil

from . import memory, variables
from .absent import NoSubshells, SysWithoutModules
from .children import forked, reaping, spawned
from .confinement import fresh, reserve
from .files import elsewhere, open_files
from .heartbeat import ListeningHeartbeat
from .input import questions, standard_input
from .interrupts import take_interrupts
from .libraries import attributes, bars, cores, figures, nested_asyncio, shared_memory, width
from .output import clip, last_words, streams
from .shell import Shell, interrupts
from .state import requests

# A cell combines them 50 times; as enumerations that takes 0.1 ms.
for name in ("POLLIN", "POLLOUT", "SNDMORE"):
    setattr(zmq, name, int(getattr(zmq, name)))
# It reads the date of each request: dateutil takes 8 us for it, and Python itself 0.2.
jsonutil._dateutil_parse = datetime.fromisoformat  # type: ignore[attr-defined]
kernelapp.IOPubThread = streams.Sender  # there is no setting for it
# Messages that may be on their way; then the kernel waits for its reader, to hold no more in memory.
SENDING = 16

__all__ = ["InsideKernel", "Program", "create", "in_cell", "prepare", "run", "serve"]


class InsideKernel(IPythonKernel):  # type: ignore[misc]
    """IPython's kernel, with a list of the person's variables in its replies."""

    shell_class = Shell
    msg_types = (*IPythonKernel.msg_types, "columns_request", "save_request", "load_request")
    _supports_kernel_subshells = False
    # ipykernel sleeps 0.5 ms here lest output be lost; `streams.settle` makes sure instead.
    _execute_sleep = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._open_files = open_files.OpenFiles()
        self._elsewhere = elsewhere.TemporaryFiles(elsewhere.temporary(), os.getcwd())
        self._questions = questions.InputQuestions(self.session, self.stdin_socket, _may_ask)
        self._variables = variables.Variables(self.shell)
        self.state = requests.StateRequests(self)
        self.own_streams: Any = (sys.stdout, sys.stderr)
        self.shell.kernel = self  # a forked kernel's shell is older than the kernel

    def _publish_status(self, status: str, channel: str, parent: Any = None) -> None:
        if not _asked_by_us(parent or self.get_parent(channel)):
            super()._publish_status(status, channel, parent)

    def _publish_execute_input(self, code: str, parent: Any, execution_count: int) -> None:
        if not _asked_by_us(parent):
            super()._publish_execute_input(code, parent, execution_count)

    def set_parent(self, ident: Any, parent: Any, channel: str = "shell") -> None:
        """Note which request is being worked on.

        A request between two cells does not count: what child processes write stays under the last cell.
        """
        if _asked_by_us(parent) and parent["header"]["msg_type"] != "execute_request":
            super(IPythonKernel, self).set_parent(ident, parent, channel)
        else:
            super().set_parent(ident, parent, channel)

    async def execute_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Run a cell. Our own client gets the reply after the output, on the same channel."""
        if _asked_by_us(parent):
            stream, ident = self.iopub_socket, self._topic("execute_reply")
        try:
            await super().execute_request(stream, ident, parent)
        except BaseException as error:  # noqa: BLE001  raised by what the person left behind: a stream, a payload
            name, text = type(error).__name__, "the cell has run, but not what it left for its end"
            told = {"ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
            self.session.send(self.iopub_socket, "error", told, parent)
            self.session.send(stream, "execute_reply", self._failed(name, text), parent, ident=ident)

    def is_ours(self) -> bool:
        """Whether our own client has asked for what runs now."""
        return _asked_by_us(self.get_parent("shell"))

    def _failed(self, name: str, text: str) -> dict[str, Any]:
        """The reply for a cell that got as far as no reply of its own."""
        told = {"status": "error", "ename": name, "evalue": text, "traceback": []}
        return told | {"user_expressions": {}, "payload": [], "execution_count": self.shell.execution_count}

    def _send_abort_reply(self, stream: Any, msg: Any, idents: Any) -> None:
        if _asked_by_us(msg):
            stream, idents = self.iopub_socket, self._topic("execute_reply")
        super()._send_abort_reply(stream, msg, idents)

    def finish_metadata(
        self, parent: Any, metadata: dict[str, Any], reply_content: dict[str, Any]
    ) -> dict[str, Any]:
        """Add the variables and the memory they take to the metadata of each reply."""
        metadata = dict(super().finish_metadata(parent, metadata, reply_content))
        metadata["kernelcord"] = {
            "variables": self._variables.describe(),
            "memory": memory.used(),
            "elsewhere": self._elsewhere.written(),
        }
        return metadata

    async def columns_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Make tables as wide as the client's terminal."""
        width.follow(parent["content"]["cursor_pos"])
        self.session.send(
            stream, "inspect_reply", {"status": "ok", "found": False, "data": {}}, parent, ident
        )

    async def save_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Save the person's variables."""
        if _asked_by_us(parent):
            self.session.send(stream, "save_reply", self.state.save(parent), parent, ident)

    async def load_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Put saved variables into this kernel."""
        if _asked_by_us(parent):
            self.session.send(stream, "load_reply", self.state.load(parent), parent, ident)

    def pre_handler_hook(self) -> None:
        """Note interrupts for the cell that they are meant for; see `interrupts`."""
        self.saved_sigint_handler = take_interrupts(interrupts.note)

    def post_handler_hook(self) -> None:
        """Restore the handler from before."""
        take_interrupts(self.saved_sigint_handler)

    async def do_execute(self, code: str, *args: Any, **kwargs: Any) -> Any:
        """Run the cell, and wait until all that it has written is on its way."""
        try:
            parent = self.get_parent("shell")
            reaping.reap()
            interrupts.begin_cell(parent["header"]["msg_id"])
            last_words.displays.begin_cell()
            for stream in self.own_streams:  # a stream that the person has wrapped around ours may not do it
                stream.set_parent(parent)
            self.shell.coming = code
            self._open_files.begin_cell()
            self._elsewhere.begin_cell()
            reply = await super().do_execute(code, *args, **kwargs)
            self._open_files.flush()
            self.shell.forget()
            streams.settle(self.own_streams)
            reaping.reap()
        except KeyboardInterrupt:  # interrupted before it began: the cell does not run
            reply = self._failed("KeyboardInterrupt", "")
        finally:
            interrupts.end_cell()
        if reply["status"] == "error":
            self.shell_stream.flush()  # reads the cells that wait now, which are aborted; see `_abort_queues`
        return reply

    def _abort_queues(self, subshell_id: str | None = None) -> None:  # noqa: ARG002  ipykernel passes it
        """Abort the cells that were waiting when one failed, but none that arrives after its reply.

        ipykernel looks for waiting cells after it has sent the reply: it aborted one of six cells that a
        client sent only then.
        """
        self._aborting = True
        self.io_loop.add_callback(self._go_on)

    async def _go_on(self) -> None:
        async with self._main_asyncio_lock:  # after the cells that wait for it
            self._aborting = False

    def _input_request(self, prompt: str, ident: Any, parent: Any, password: bool = False) -> str:
        """Ask the person. A mark goes out with the output first, which the question could overtake."""

        def mark() -> None:
            streams.settle(self.own_streams)
            for stream in self.own_streams:
                stream.flush()
            self.session.send(self.iopub_socket, "kernelcord_question", {}, parent)

        answer: str = self._questions.ask(parent, ident, prompt, password=password, before=mark)
        return answer

    def _send_interrupt_children(self) -> None:
        """Send the signal to all processes of a cell; what it left running has nothing to do with a save."""
        if self.state.busy:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            super()._send_interrupt_children()

    async def interrupt_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Interrupt the cell that is named, or else the one that is running.

        The event loop is woken too: a cell that awaits something would not notice the signal.
        """
        cell = parent["content"].get("cell", "")
        with interrupts.aimed_at(cell) as running:
            if running:
                await super().interrupt_request(stream, ident, parent)
                self.io_loop.add_callback(lambda: None)
                self._insisting = asyncio.ensure_future(
                    interrupts.insist(cell, self._send_interrupt_children)
                )
            else:
                told = {"status": "ok", "running": False}
                self.session.send(stream, "interrupt_reply", told, parent, ident=ident)


def _asked_by_us(request: Any) -> bool:
    """Whether a request comes from our own client, which keeps track of its cells by itself."""
    return "kernelcord" in request.get("metadata", ())


def _may_ask(cell: Any) -> bool:
    """Whether this cell may ask a question: our client answers only the cell that is running."""
    return interrupts.is_running(cell["header"]["msg_id"]) if _asked_by_us(cell) else True


class Program(IPKernelApp):  # type: ignore[misc]
    """IPython's kernel program, started for one person."""

    listening: Mapping[int, int] = {}  # descriptors that are listening already, by their port numbers

    def _bind_socket(self, socket: zmq.Socket[bytes], port: int) -> Any:
        if socket.type == zmq.XPUB:
            socket.setsockopt(zmq.XPUB_NODROP, 1)
            socket.sndhwm = SENDING
        if port not in self.listening:
            return super()._bind_socket(socket, port)
        socket.setsockopt(zmq.USE_FD, self.listening[port])
        socket.bind(f"ipc://{self.ip}-{port}")
        return port

    def init_control(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Make the control channel, without debugger and subshells (a thread, and 0.4 ms a cell)."""
        self.control_socket = context.socket(zmq.ROUTER)
        self.control_socket.linger = 1000  # ms, as ipykernel's own
        self.control_socket.router_handover = 1
        self._bind_socket(self.control_socket, self.control_port)
        self.debugpy_socket, self.debug_shell_socket = context.socket(zmq.STREAM), context.socket(zmq.DEALER)
        self.control_thread = ControlThread(daemon=True)
        self.shell_channel_thread = NoSubshells()

    def init_heartbeat(self) -> None:
        """Start a heartbeat for a stock client only: ours needs none, and it takes a thread and a context."""
        if self.hb_port in self.listening:
            self.heartbeat = ListeningHeartbeat(zmq.Context(), self.listening[self.hb_port])
            self.heartbeat.start()

    def init_poller(self) -> None:
        """Do not poll for the parent's end as ipykernel does: an init or a thread of ours does that."""

    def init_path(self) -> None:
        """Put the person's own modules behind Python's: a `random.py` must not break the kernel."""
        before_packages = (index for index, path in enumerate(sys.path) if "site-packages" in path)
        sys.path.insert(next(before_packages, len(sys.path)), "")

    def init_io(self) -> None:
        """Make stdout and stderr."""
        super().init_io()
        streams.silence_originals()
        streams.follow_buffers()

    def init_kernel(self) -> None:
        """Make the kernel, which knows its own streams and keeps its messages to a size."""
        clip.session(self.session)
        # To send a large message without copying it, pyzmq starts a thread, and waits for it in vain where
        # the person's code has left no room for another thread.
        self.session.copy_threshold = sys.maxsize
        ipkernel.sys = SysWithoutModules()
        try:
            super().init_kernel()
        finally:
            ipkernel.sys = sys
        sys.stdin = standard_input.StandardInput(self.kernel.raw_input)
        nested_asyncio.allow(lambda: self.kernel.io_loop.asyncio_loop)
        attributes.follow()
        reaping.install()
        forked.watch(self.kernel)
        reserve.fill()


def create() -> Program:
    """The program, configured as the module's text says."""
    program: Program = Program.instance(
        kernel_class=InsideKernel, outstream_class="inside.output.streams.Output"
    )
    program.config.HistoryManager.enabled = False  # nobody reads its database, which takes 1 ms a cell
    program.config.IPCompleter.use_jedi = False  # it takes 10 to 300 ms for a name, IPython's own 2 to 10
    program.config.Session.packer = "inside.output.packing.pack"
    figures.follow()
    bars.follow()
    shared_memory.follow()
    spawned.follow()
    # Otherwise the logger makes 4 records a cell, all of which its handlers then drop.
    program.log.setLevel(program.log_level)
    return program


def prepare() -> Program:
    """The program with its shell, as far as they can be set up without a connection. Starts no thread."""
    program = create()
    super(IPKernelApp, program).initialize([])
    program.init_pdb()
    program.session.key = b""  # made here, filled by each child
    Shell.instance(parent=program, profile_dir=program.profile_dir, compiler_class=XCachingCompiler)
    return program


def in_cell() -> AbstractContextManager[object]:
    """While entered, modules that are imported see a kernel's cell around them, by `get_ipython`."""
    trap: AbstractContextManager[object] = Shell.instance().builtin_trap
    return trap


def serve(
    program: Program,
    connection: Mapping[str, Any],
    listening: Mapping[str, int],
    before_cells: Callable[[], None] = lambda: None,
) -> None:
    """Run cells until the kernel is told to end. `listening` has a descriptor a channel of `connection`.

    `before_cells` is called before there is a second thread. What Landlock takes away, it takes from the
    thread that asks for it and from those that this one starts later; a person's code reaches all of them.
    """
    session = program.session
    session.pid = os.getpid()  # with the parent's it would drop every message
    session.session = os.urandom(8).hex()
    session.key = str(connection["key"]).encode()
    program.transport, program.ip = "ipc", str(connection["ip"])
    program.listening = {connection[f"{channel}_port"]: fd for channel, fd in listening.items()}
    for channel in ("shell", "iopub", "stdin", "control", "hb"):
        setattr(program, f"{channel}_port", connection[f"{channel}_port"])
    _settle(program, Path(os.environ["IPYTHONDIR"], "profile_default"))
    before_cells()
    program.init_sockets()
    program.init_heartbeat()
    program.init_io()
    program.init_signal()
    program.init_kernel()
    program.init_shell()
    program.init_gui_pylab()
    program.init_extensions()
    program.init_code()
    sys.stdout.flush()
    sys.stderr.flush()
    program.init_path()  # only now: a person's file could have the name of an extension that IPython imports
    memory.begin()
    run(program)


def _settle(program: Program, profile: Path) -> None:
    """Have IPython keep its files in the folder `profile`: the zygote's is out of reach."""
    (profile / "db").mkdir(parents=True, exist_ok=True)
    program.profile_dir._location_isset = False  # it can be set once a process, and this is a new one
    program.profile_dir.location = str(profile)
    Shell.instance().db.root = profile / "db"
    fresh.shell(Shell.instance())


def run(program: Program) -> None:
    """Run cells until the kernel is told to end."""
    cores.install()
    program.kernel.state.begin()
    streams.follow_threads()  # only now: the kernel's own threads belong to no cell
    program.start()
    atexit.unregister(program.close)  # it can wait 10 s to flush output that nobody reads any more
