"""`load_file`, `file_path` and `list_files` in a person's kernel, without an import.

    install(descriptor)       # of the request socket; see `kernels.broker`

They are builtins: they do not appear in `%who`, and `%reset` does not remove them. Each call asks over the
request socket for a connection to the broker, which knows whose kernel this is, and gets an answer: a file's
bytes, or a refusal.
"""

import builtins
import functools
import io
import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from ..characters import one_line
from . import elsewhere, request_socket
from .sqlite_log import SQLITE

ID = re.compile("[23456789abcdefghjkmnpqrstuvwxyz]{10}", re.IGNORECASE)  # as `filestore.names` draws them
CHUNK = 256 * 1024  # bytes


def install(descriptor: int | None) -> None:
    """Put the three functions into `builtins`; the working folder of this moment is the workspace.

    Without a request socket, in a kernel of Jupyter's own programs, there are none.
    """
    if descriptor is None:
        return
    files = _StoredFiles(descriptor, os.getcwd())
    request_socket.keep(files._request_socket)
    for function in (files.load_file, files.file_path, files.list_files):
        setattr(builtins, function.__name__, _bordered(function))


def _bordered[**P, T](function: Callable[P, T]) -> Callable[P, T]:
    """`function` with tracebacks that end here: frames of our own code help nobody."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  any: it is raised again, without our frames
            raise error.with_traceback(None) from None

    return call


class _StoredFiles:
    def __init__(self, descriptor: int, workspace: str) -> None:
        self._request_socket = request_socket.opened(descriptor)
        self._workspace = workspace

    def load_file(self, id_or_name: "str | os.PathLike[str]", *, raw: bool = False, **options: Any) -> Any:
        """Load a file as its natural object: a stored one by its id or name, or one of the workspace.

        A table (csv, tsv, xlsx, parquet, feather, json records, sav, dta, sas7bdat) is a DataFrame; npy and
        npz are arrays, pickle and joblib the object, json, yaml and toml dicts and lists, text and code a
        str, pictures PIL images, sqlite a connection to a copy, and anything else bytes. `raw=True` always
        gives bytes. What had to be assumed is printed, with the options that change it; options are passed
        to the reader: `load_file("k7m3q9x2va", encoding="cp1251", sep=";", decimal=",")`.
        """
        filename, call, data = self._bytes(id_or_name)
        if raw:
            return data
        from .. import loading  # only here, so that it costs nothing in a kernel that loads no file

        try:
            loaded = loading.load(data, filename, options)
        except loading.NotLoaded as problem:
            told = f"{one_line(filename)} {problem} ({call[:-1]}, raw=True) gives its bytes)"
            raise ValueError(one_line(told, " ")) from None
        if told := loaded.told(call):
            print(f"[{one_line(filename)}: {told}]", file=sys.stderr)
        return loaded.value

    def file_path(self, id_or_name: "str | os.PathLike[str]") -> str:
        """The path of a file by its id or its name; a stored one is copied into the working folder first."""
        if path := self._in_workspace(id_or_name):
            return path
        answer, _ = self._ask("path", id_or_name)
        return os.path.join(self._workspace, answer["name"])

    def _bytes(self, wanted: "str | os.PathLike[str]") -> tuple[str, str, bytes]:
        """A file's name, the call that loads it, and its bytes."""
        path = self._in_workspace(wanted)
        if not path:
            try:
                opened, data = self._ask("open", wanted)
                return opened["filename"], f"load_file({opened['file_id']!r})", data
            except FileNotFoundError:
                path = self._in_workspace(wanted, any_name=True)
                if not path:
                    raise
        return os.path.basename(path), f"load_file({os.fspath(wanted)!r})", _content(path)

    def _in_workspace(self, wanted: "str | os.PathLike[str]", *, any_name: bool = False) -> str | None:
        """The path of a file that is in the workspace now, which may be newer than the stored one.

        This very cell may have written it, and files are stored when a cell ends. A name that looks like an
        id is asked for first, and looked for here only with `any_name`.
        """
        if not isinstance(wanted, str | os.PathLike):
            return None
        path = os.fspath(wanted)
        if not any_name and ID.fullmatch(path.strip()):
            return None
        candidates = [os.path.join(self._workspace, path), path]
        if inside := elsewhere.in_workspace(path):
            candidates.append(os.path.join(self._workspace, inside))
        return next((one for one in candidates if "\0" not in one and os.path.isfile(one)), None)

    def list_files(self) -> Any:
        """The files that can be loaded, newest first, as a table."""
        answer, _ = self._ask("list")
        rows = [_row(file) for file in answer["files"]]
        try:
            pandas = import_module("pandas")
        except ImportError:
            return rows
        return _shown_whole(pandas)(rows, columns=["id", "name", "type", "size", "created", "time left"])

    def _ask(self, op: str, wanted: "str | os.PathLike[str]" = "") -> tuple[dict[str, Any], bytes]:
        """The service's answer, and the bytes that came after it.

        Raises:
            FileNotFoundError: the person has no such file.
            OSError: the service cannot be reached, or could not answer; EDQUOT and ENOSPC: there is no room.
        """
        if isinstance(wanted, os.PathLike):
            wanted = os.fspath(wanted)
        if not isinstance(wanted, str):
            raise TypeError(f"a file is named by its id or its name, a str, not {type(wanted).__name__}")
        request = json.dumps({"op": op, "file": wanted}).encode() + b"\n"
        try:
            line, data = self._exchange(request)
            answer = json.loads(line)
            if len(data) != answer.get("size", 0):
                raise EOFError
        except (OSError, ValueError, EOFError):
            raise ConnectionError("the files cannot be reached right now: try again in a moment") from None
        if number := answer.get("errno"):
            raise OSError(number, answer["message"])
        if not answer["ok"]:
            raise (FileNotFoundError if answer["missing"] else OSError)(answer["message"])
        return answer, data

    def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        """The line that answers a request, and all that comes after it."""
        with request_socket.connection(self._request_socket) as service:
            service.sendall(request)
            piece = memoryview(bytearray(CHUNK))
            line, data, told = bytearray(), io.BytesIO(), False
            while count := service.recv_into(piece):
                if told:
                    data.write(piece[:count])
                else:
                    line += piece[:count]
                    line, newline, rest = line.partition(b"\n")
                    told = bool(newline)
                    data.write(rest)
            return bytes(line), data.getvalue()


@functools.cache
def _shown_whole(pandas: Any) -> Any:
    """A table that shows every name as a whole, however long it is and whatever pandas would leave out."""

    class Files(pandas.DataFrame):  # type: ignore[misc]
        """The files that can be loaded."""

        def __repr__(self) -> str:
            return str(self.to_string(max_colwidth=None)) if len(self) else "No files."

        def _repr_html_(self) -> Any:
            with pandas.option_context("display.max_colwidth", None, "display.max_columns", None):
                return super()._repr_html_()

        @property
        def _constructor(self) -> Any:
            return pandas.DataFrame  # a part of it is an ordinary table

    return Files


def _content(path: str) -> bytes:
    """A file's bytes, including those of an SQLite database that are still in its log."""
    with open(path, "rb") as file:
        data = file.read()
    if data.startswith(SQLITE) and os.path.exists(f"{path}-wal"):
        sqlite3 = import_module("sqlite3")
        with closing(sqlite3.connect(path)) as database:
            data = database.serialize()
    return data


def _row(file: dict[str, Any]) -> dict[str, str]:
    left = datetime.fromisoformat(file["expires_at"]) - datetime.now(UTC)
    return {
        "id": file["file_id"],
        "name": file["filename"],
        "type": file["file_type"],
        "size": _size(file["size"]),
        "created": f"{datetime.fromisoformat(file['uploaded_at']):%Y-%m-%d %H:%M}",
        "time left": _duration(left),
    }


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def _duration(left: timedelta) -> str:
    minutes = max(0, int(left.total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min"
