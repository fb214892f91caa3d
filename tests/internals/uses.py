"""What the product overrides, calls or patches of libraries that their documentation does not promise.

Each entry: where it is in the library, its names, our file, and why we need it. The tests fail when an
installed version no longer has one of them, and when the product uses one that is not in this list.
"""

from typing import NamedTuple

__all__ = ["USES", "Use"]


class Use(NamedTuple):
    """Attributes of `owner`, a module or "module:Class", that `file` uses for `reason`."""

    owner: str
    names: str  # separated by spaces
    file: str
    reason: str
    optional: bool = False  # whether a version may lack it


USES = (
    # ipykernel's kernel: its requests, and what it publishes
    Use(
        "ipykernel.ipkernel:IPythonKernel",
        "shell_class msg_types _supports_kernel_subshells _execute_sleep",
        "kernels/inside/program.py",
        "a shell and a request of our own; no subshells (a thread, 0.4 ms a cell), and no sleep after a cell",
    ),
    Use(
        "ipykernel.ipkernel:IPythonKernel",
        "_publish_status _publish_execute_input",
        "kernels/inside/program.py",
        "our client knows what it has sent and when its cell runs, and is not told again",
    ),
    Use(
        "ipykernel.ipkernel:IPythonKernel",
        "set_parent execute_request finish_metadata _send_abort_reply _topic do_execute",
        "kernels/inside/program.py",
        "a cell's reply follows its output in the same channel, with the variables and memory that there are",
    ),
    Use(
        "ipykernel.ipkernel:IPythonKernel",
        "_abort_queues _aborting _main_asyncio_lock",
        "kernels/inside/program.py",
        "cells that waited when one failed are given up, but none that was sent after its reply",
    ),
    Use(
        "ipykernel.ipkernel:IPythonKernel",
        "pre_handler_hook post_handler_hook saved_sigint_handler interrupt_request _send_interrupt_children",
        "kernels/inside/program.py",
        "an interrupt is for the cell that it names, and is repeated until it is raised",
    ),
    Use(
        "ipykernel.ipkernel:IPythonKernel",
        "_input_request",
        "kernels/inside/program.py",
        "a question is asked after a mark in the output, or it could overtake what was printed before it",
    ),
    Use(
        "ipykernel.kernelbase:Kernel",
        "_allow_stdin",
        "kernels/inside/children/forked.py",
        "a child that a cell has forked cannot ask, and `input()` would wait for ever",
    ),
    Use(
        "ipykernel.kernelbase:Kernel",
        "_allow_stdin",
        "kernels/inside/state/apart.py",
        "what a value's code asks while it is saved would get no answer",
    ),
    # ipykernel's program, with its sockets
    Use(
        "ipykernel.kernelapp:IPKernelApp",
        "_bind_socket init_heartbeat init_control control_thread shell_channel_thread debugpy_socket"
        " debug_shell_socket",
        "kernels/inside/program.py",
        "a confined kernel gets sockets that listen already, and needs no debugger, subshells or heartbeat",
    ),
    Use(
        "ipykernel.kernelapp:IPKernelApp",
        "init_io init_kernel init_path init_poller",
        "kernels/inside/program.py",
        "the streams and the kernel are ours; a person's modules come after Python's",
    ),
    Use(
        "ipykernel.kernelapp:IPKernelApp",
        "init_pdb init_sockets init_signal init_shell init_gui_pylab init_extensions init_code",
        "kernels/inside/program.py",
        "the zygote does the first half of `initialize`, and each forked kernel the second",
    ),
    Use(
        "ipykernel.kernelapp",
        "IOPubThread",
        "kernels/inside/program.py",
        "replaced by our thread of output: there is no setting for it",
    ),
    Use(
        "ipykernel.ipkernel",
        "sys",
        "kernels/inside/program.py",
        "replaced while the kernel is made, which looks through all modules for a thread that must have none",
    ),
    Use(
        "ipykernel.heartbeat:Heartbeat",
        "__init__ _bind_socket",
        "kernels/inside/heartbeat.py",
        "the heartbeat's socket listens already, on a descriptor that the kernel inherits",
    ),
    # ipykernel's output
    Use(
        "ipykernel.iostream:IOPubThread",
        "_setup_event_pipe _setup_pipe_in schedule send_multipart",
        "kernels/inside/output/streams.py",
        "the thread is woken as its loop is; forked children send through a relay of ours",
    ),
    Use(
        "ipykernel.iostream:IOPubThread",
        "_really_send _is_master_process _handle_subscription closed socket",
        "kernels/inside/output/streams.py",
        "a subscription that comes while a message is sent must not be missed",
    ),
    Use(
        "ipykernel.iostream:OutStream",
        "__init__ write flush fileno detach _flush _flush_pending _subprocess_flush_pending _buffers"
        " _buffer_lock _rotate_buffers _hooks _is_master_process",
        "kernels/inside/output/streams.py",
        "each message says how much of its stream was sent, so that a dead kernel's last words can be told",
    ),
    Use(
        "ipykernel.iostream:OutStream",
        "_setup_stream_redirects _watch_pipe_fd watch_fd_thread _should_watch _fid _exc"
        " _original_stdstream_fd _original_stdstream_copy",
        "kernels/inside/output/streams.py",
        "the pipe behind descriptors 1 and 2 outlives the kernel; what is in it comes before later prints",
    ),
    # IPython
    Use(
        "ipykernel.zmqshell:ZMQInteractiveShell",
        "_get_exc_info _showtraceback showtraceback",
        "kernels/inside/shell.py",
        "tracebacks without our own frames and paths, and with advice; none for `sys.exit` in a forked child",
    ),
    Use(
        "ipykernel.zmqshell:ZMQInteractiveShell",
        "run_ast_nodes run_code run_cell_async transform_cell",
        "kernels/inside/shell.py",
        "interrupts are raised in the person's code only; a forked child ends with its cell",
    ),
    Use(
        "ipykernel.zmqshell:ZMQInteractiveShell",
        "_tee",
        "kernels/inside/shell.py",
        "IPython would keep everything that is printed",
    ),
    Use(
        "ipykernel.zmqshell:ZMQInteractiveShell",
        "init_user_ns enable_matplotlib set_next_input ask_exit",
        "kernels/inside/shell.py",
        "`open(0)` asks, figures are always pictures, `%load` prints, and `exit()` says what is lost",
    ),
    Use(
        "ipykernel.zmqshell:ZMQInteractiveShell",
        "init_environment init_pushd_popd_magic starting_dir ipython_dir",
        "kernels/inside/confinement/fresh.py",
        "the shell was made in the zygote, in another folder and environment",
    ),
    Use(
        "ipykernel.zmqshell:ZMQInteractiveShell",
        "init_display_formatter display_formatter configurables",
        "kernels/inside/shell.py",
        "values that can only be text are not looked up in ten formatters",
    ),
    Use(
        "IPython.core.formatters:DisplayFormatter",
        "format formatters mimebundle_formatter",
        "kernels/inside/output/formats.py",
        "the same: 30 us a cell",
    ),
    Use(
        "ipykernel.zmqshell",
        "system",
        "kernels/inside/shell.py",
        "`!command` runs without a terminal where there can be none",
    ),
    Use(
        "IPython.core.interactiveshell",
        "warn",
        "kernels/inside/shell.py",
        "after `sys.exit()` IPython would advise to leave by other ways",
    ),
    Use(
        "IPython.core.ultratb",
        "get_line_number_of_frame",
        "kernels/inside/shell.py",
        "the source of a cell is in no file, and IPython would not shorten a recursion there",
    ),
    Use(
        "IPython.core.profiledir:ProfileDir",
        "_location_isset",
        "kernels/inside/program.py",
        "the zygote's folder for IPython's settings is out of a kernel's reach, and can be set once only",
    ),
    Use(
        "matplotlib_inline.backend_inline",
        "_fetch_figure_metadata configure_inline_support",
        "kernels/inside/libraries/figures.py",
        "a figure that was also saved says so, so that it is not shown twice",
    ),
    # the state of a session beyond its variables
    Use(
        "matplotlib_inline.backend_inline:show",
        "_to_draw _draw_called",
        "kernels/inside/state/surroundings/options.py",
        "a figure that is open again in another kernel was shown already",
    ),
    Use(
        "matplotlib.pyplot",
        "_backend_mod _pylab_helpers",
        "kernels/inside/state/surroundings/options.py",
        "whether there is a backend, which sets settings when it is loaded, and which figures are open",
    ),
    Use(
        "matplotlib._pylab_helpers:Gcf",
        "_set_new_active_manager",
        "kernels/inside/state/surroundings/options.py",
        "an open figure keeps its number in another kernel",
    ),
    Use(
        "pandas._config.config",
        "_global_config",
        "kernels/inside/state/surroundings/options.py",
        "all options in one step: asking for each takes 0.4 ms after every cell",
    ),
    Use(
        "IPython.extensions.autoreload:AutoreloadMagics",
        "_reloader",
        "kernels/inside/state/surroundings/tools.py",
        "what `%autoreload` was told, in another kernel",
    ),
    Use(
        "threading:Thread",
        "_target",
        "kernels/inside/state/surroundings/interpreter.py",
        "a thread that runs the person's own function is named when its kernel has ended",
    ),
    Use(
        "parso.cache",
        "_default_cache_path _get_default_cache_path",
        "kernels/inside/confinement/fresh.py",
        "found out in the zygote, in whose folder a kernel cannot write",
    ),
    # jupyter_client, jupyter_server and Tornado
    Use(
        "jupyter_client.jsonutil",
        "_dateutil_parse",
        "kernels/inside/program.py",
        "the date of each request is read by Python itself, in a fortieth of the time",
    ),
    Use(
        "jupyter_client.manager:AsyncKernelManager",
        "_connect_control_socket _kernel_spec",
        "kernels/process/launchers.py",
        "nobody reads the manager's connection, and a kernel could fill it; our kernel spec is in no folder",
    ),
    Use(
        "jupyter_server.auth.identity:PasswordIdentityProvider",
        "_get_user",
        "kernels/node/connection_limits.py",
        "the server has to know which connections have shown the token",
    ),
    Use(
        "jupyter_server.extension.application:ExtensionApp",
        "_start_jupyter_server_extension",
        "kernels/node/server.py",
        "the one hook that is awaited before the server answers",
    ),
    Use(
        "jupyter_server.serverapp:ServerApp",
        "_signal_stop",
        "kernels/node/server.py",
        "SIGINT and SIGHUP end the node as SIGTERM does, without a question",
    ),
    Use(
        "tornado.tcpserver:TCPServer",
        "_sockets _handlers _handle_connection",
        "kernels/node/connection_limits.py",
        "a listening socket rests where no connection can be accepted, or Tornado would log without end",
    ),
    Use(
        "tornado.web:RequestHandler",
        "_reason",
        "kernels/node/requests.py",
        "an error's answer is its code and reason as plain text",
    ),
    # nextcord
    Use(
        "nextcord:Client",
        "_connection _closed _ready",
        "bot/discord/client.py",
        "the client is opened again after a connection failed, with its commands and buttons",
    ),
    Use(
        "nextcord.state:ConnectionState",
        "parsers _application_commands _application_command_signatures _application_command_ids",
        "bot/discord/connections.py",
        "commands stay when Discord begins a new session",
    ),
    Use(
        "nextcord.http:HTTPClient",
        "_buckets ws_connect recreate",
        "bot/discord/client.py",
        "rate limits of old channels are forgotten, connections are paced, and none is made after the end",
    ),
    # Python itself
    Use(
        "asyncio",
        "_get_running_loop _set_running_loop",
        "kernels/inside/libraries/nested_asyncio.py",
        "`asyncio.run` works in a cell: the kernel's loop steps aside",
    ),
    Use(
        "asyncio.tasks",
        "_enter_task _leave_task",
        "kernels/inside/libraries/nested_asyncio.py",
        "`asyncio.run` works in a cell: the kernel's task steps aside",
    ),
    Use(
        "asyncio.selector_events:BaseSelectorEventLoop",
        "_ready _selector",
        "kernels/inside/children/forked.py",
        "a forked child ends where its copy of the kernel's loop would go on",
    ),
    Use(
        "subprocess:Popen",
        "_internal_poll",
        "kernels/inside/children/reaping.py",
        "it has a reference of its own to `os.waitpid`, and must know the statuses that were kept",
    ),
    Use(
        "subprocess",
        "_del_safe",
        "kernels/inside/children/reaping.py",
        "likewise, in some versions of Python",
        optional=True,
    ),
    Use(
        "multiprocessing.heap:Arena",
        "_choose_dir",
        "kernels/inside/libraries/shared_memory.py",
        "arrays that are shared lie in the temporary folder where /dev/shm cannot be written",
    ),
    Use(
        "multiprocessing.shared_memory:SharedMemory",
        "_fd",
        "kernels/inside/libraries/shared_memory.py",
        "the memory is reserved when it is made, or a full /dev/shm would kill the kernel later",
    ),
    Use(
        "threading:Thread",
        "_target",
        "kernels/inside/output/streams.py",
        "the threads of a pool of multiprocessing work for many cells, and keep no cell's context",
    ),
    Use(
        "logging",
        "_startTime",
        "kernels/inside/confinement/fresh.py",
        "times in a person's log are relative to the kernel's start, not to the zygote's",
    ),
    Use(
        "aiohttp.payload:IOBasePayload",
        "_close",
        "kernels/client/node.py",
        "a file that is sent to a node stays open: it is the caller's, and is sent again when a node changes",
    ),
    # What saved variables need of pickling
    Use(
        "cloudpickle.cloudpickle",
        (
            "_DYNAMIC_CLASS_TRACKER_BY_ID _class_getstate _class_reduce _get_or_create_tracker_id"
            " _lookup_class_or_track _should_pickle_by_reference"
        ),
        "kernels/inside/state/pickling/classes.py",
        "a class of a cell is made again once, and its effects on others are not had twice",
    ),
    Use(
        "enum:Enum",
        "_name_ _value_",
        "kernels/inside/state/pickling/classes.py",
        "the members of an enumeration are made again with any `__new__` of its own",
        optional=True,  # each member has them
    ),
    Use(
        "cloudpickle.cloudpickle",
        "_code_reduce _extract_code_globals _getset_descriptor_reduce _should_pickle_by_reference",
        "kernels/inside/state/pickling/functions.py",
        "a function of a cell goes on using the person's variables, where cloudpickle would copy them",
    ),
    Use(
        "functools",
        "_lru_cache_wrapper",
        "kernels/inside/state/pickling/functions.py",
        "a function with a cache is made again with an empty one",
    ),
    Use(
        "cloudpickle.cloudpickle",
        "_should_pickle_by_reference",
        "kernels/inside/state/pickling/instances.py",
        "whether another kernel can import what a value is an instance of",
    ),
    Use(
        "cloudpickle.cloudpickle",
        "_should_pickle_by_reference _whichmodule",
        "kernels/inside/state/pickling/reducers.py",
        "whether another kernel can import a value, and from where",
    ),
    Use(
        "pickle",
        "_Pickler",
        "kernels/inside/state/pickling/picklers.py",
        "values that are nested too deeply for C are written by Python",
    ),
    Use(
        "pickle",
        "_Unpickler",
        "kernels/inside/state/pickling/tolerance.py",
        "where a value cannot be made, a placeholder stands in its place",
    ),
    Use(
        "IPython.core.interactiveshell:InteractiveShell",
        "_instance",
        "kernels/inside/state/pickling/marks.py",
        "the shell, if there is one, without making one",
    ),
    Use(
        "numpy:memmap",
        "_mmap",
        "kernels/inside/state/pickling/arrays.py",
        "whether an array still is a view of its file",
        optional=True,  # each array has it
    ),
    Use(
        "pandas:Index",
        "_references",
        "kernels/inside/state/pickling/frames.py",
        "an index that two tables share is copied when one of them is written to, as before",
        optional=True,  # each index has it
    ),
)
