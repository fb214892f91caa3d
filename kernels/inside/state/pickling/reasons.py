"""What cannot be kept by its nature, in words that a person understands.

reason(connection)          # "a database connection"
reason([1, 2])              # None: nothing speaks against it
failed(value, told(error))  # "a `Model` (it cannot be pickled: ValueError: not fitted)"
"""

import os
from collections.abc import Callable
from typing import Any

from ...characters import one_line
from .reduction import is_ours

__all__ = ["MOST", "broken", "failed", "kind", "reason", "told"]

MOST = 200  # characters of a reason
LONGEST_NAME = 60  # characters of a name of a type or a file


def _file(obj: Any) -> str:
    name = getattr(obj, "name", None) or getattr(obj, "filename", None)
    if isinstance(name, bytes | os.PathLike):
        name = os.fsdecode(name)
    if not isinstance(name, str) or name.startswith("<"):
        return "an open file"
    return f"an open file (`{_short(os.path.basename(name))}`)"


def _program(obj: Any) -> str:
    args = obj.args
    first = args if isinstance(args, str) else args[0]
    return f"a running program (`{_short(os.path.basename(os.fsdecode(first).partition(' ')[0]))}`)"


# By the full name of a class, of which the value may be an instance of a subclass.
NATURES: dict[str, str | Callable[[Any], str]] = {
    "builtins.generator": "a generator",
    "builtins.async_generator": "an asynchronous generator",
    "builtins.coroutine": "a coroutine",
    "builtins.coroutine_wrapper": "a coroutine",
    "builtins.frame": "a frame of running code",
    "builtins.traceback": "a traceback",
    "_io.FileIO": _file,
    "_io._BufferedIOBase": _file,
    "_io.TextIOWrapper": _file,
    "_io.BytesIO": "",
    "gzip.GzipFile": _file,
    "bz2.BZ2File": _file,
    "lzma.LZMAFile": _file,
    "zipfile.ZipFile": _file,
    "tarfile.TarFile": _file,
    "tempfile._TemporaryFileWrapper": _file,
    "tempfile.TemporaryDirectory": "a temporary folder",
    "h5py._hl.files.File": _file,
    "pyarrow.lib.NativeFile": _file,
    "posix.ScandirIterator": "a listing of a folder",
    "mmap.mmap": "a file mapped into memory",
    "multiprocessing.shared_memory.SharedMemory": "shared memory",
    "_socket.socket": "a network connection",
    "zmq.backend.cython._zmq.Socket": "a network connection",
    "urllib3.connectionpool.ConnectionPool": "network connections",
    "http.client.HTTPConnection": "a network connection",
    "http.client.HTTPResponse": "the answer of a network connection",
    "sqlite3.Connection": "a database connection",
    "sqlite3.Cursor": "a database cursor",
    "sqlite3.Blob": "an open value of a database",
    "sqlalchemy.engine.base.Engine": "a database connection",
    "sqlalchemy.engine.base.Connection": "a database connection",
    "duckdb.DuckDBPyConnection": "a database connection",
    "_duckdb.DuckDBPyConnection": "a database connection",
    "_thread.lock": "a lock",
    "_thread.RLock": "a lock",
    "threading.Condition": "a condition that threads wait for",
    "threading.Event": "an event that threads wait for",
    "threading.Semaphore": "a semaphore",
    "threading.Barrier": "a barrier for threads",
    "threading.Thread": "a thread",
    "_thread._local": "values that belong to one thread each",
    "queue.Queue": "a queue between threads",
    "_queue.SimpleQueue": "a queue between threads",
    "multiprocessing.process.BaseProcess": "a process",
    "multiprocessing.pool.Pool": "a pool of processes",
    "multiprocessing.queues.Queue": "a queue between processes",
    "multiprocessing.queues.SimpleQueue": "a queue between processes",
    "multiprocessing.connection._ConnectionBase": "a connection between processes",
    "multiprocessing.synchronize.SemLock": "a lock between processes",
    "multiprocessing.managers.BaseManager": "a process that shares values",
    "subprocess.Popen": _program,
    "concurrent.futures._base.Executor": "a pool of workers",
    "concurrent.futures._base.Future": "a result that is being worked on",
    "_asyncio.Task": "a running task",
    "_asyncio.Future": "a result that is awaited",
    "asyncio.events.AbstractEventLoop": "an event loop",
    "asyncio.mixins._LoopBoundMixin": "a part of an event loop",
    "asyncio.streams.StreamReader": "a network connection",
    "asyncio.streams.StreamWriter": "a network connection",
    "_contextvars.Context": "a context of variables",
    "_contextvars.ContextVar": "a context variable",
    "contextlib._GeneratorContextManager": "a `with` block that is being used",
    "select.epoll": "a wait for descriptors",
    "selectors.BaseSelector": "a wait for descriptors",
    "logging.Handler": "a destination of log messages",
    "re.Match": "a match of a regular expression",
    "re.Scanner": "a search by a regular expression",
    "_csv.reader": "a reader of an open file",
    "_csv.writer": "a writer to an open file",
    "_ctypes._Pointer": "a pointer into memory",
    "_ctypes.CFuncPtr": "a function of a C library",
    "ctypes.CDLL": "a C library",
    "traitlets.config.configurable.Configurable": "a part of the kernel",
    "_lsprof.Profiler": "a profiler",
    "_hashlib.HASH": "a hash that is being computed",
    "zlib.Compress": "a compression in progress",
    "zlib.Decompress": "a decompression in progress",
}


def reason(obj: object) -> str | None:
    """Why the value cannot be kept, or None if nothing is known that speaks against it.

    The classes are named and not imported: a library that nobody uses stays out of memory.
    """
    for cls in type.mro(type(obj)):
        if (known := NATURES.get(f"{cls.__module__}.{cls.__qualname__}")) is not None:
            return (known if isinstance(known, str) else _in_words(known, obj)) or None
    return None


def _in_words(words: Callable[[Any], str], obj: object) -> str:
    try:
        return words(obj)
    except Exception:  # noqa: BLE001  a file that is half open or a subclass can raise anything when it is asked
        return kind(obj)


def kind(obj: object) -> str:
    """The value's type in words: "a `Model`"."""
    name = _name(type(obj))
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def failed(obj: object, why: str) -> str:
    """Why a value whose own code failed when it was asked for its content was not kept."""
    return f"{kind(obj)} (it cannot be pickled: {why})"[:MOST]


def broken(words: str, error: BaseException) -> str:
    """Why a value that was kept could not be made again."""
    return f"{words} (it could not be made again: {told(error)})"[:MOST]


def told(error: BaseException) -> str:
    """An error in words."""
    name = _name(type(error))
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    try:
        text = one_line(str(error), " ")
    except BaseException as other:  # the person's own error class can raise anything
        if is_ours(other):
            raise
        text = ""
    return f"{name}: {text}" if text else name


def _name(cls: type) -> str:
    return _short(type.__dict__["__name__"].__get__(cls))  # past what a metaclass does


def _short(text: str) -> str:
    return one_line(text[:LONGEST_NAME]).encode(errors="replace").decode()
