"""A MongoDB server for tests: the real wire protocol, spoken by another implementation, on loopback.

    with running_mongodb() as uri: ...

Tests that need it are never skipped: a server that does not start is an error that shows its log.
"""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

SERVER = Path(sys.executable).with_name("secantusd-py")
TRIES = 120  # waits of half a second each for the server to answer


class MongoServer:
    """A server on a free port, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"mongodb://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it with the data in its folder, and wait until it answers."""
        log = self._folder / "log"
        command = [SERVER, "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--storage-path", str(self._folder / "data")]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdout=output, stderr=subprocess.STDOUT
            )
        _wait_until_it_answers(self.uri, self._process, log)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def mongodb_server() -> Iterator[MongoServer]:
    """A running server with an empty folder."""
    with tempfile.TemporaryDirectory(prefix="mongodb-", ignore_cleanup_errors=True) as folder:
        server = MongoServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def running_mongodb() -> Iterator[str]:
    """The URI, without a database, of a running server with an empty folder."""
    with mongodb_server() as server:
        yield server.uri


def _wait_until_it_answers(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(TRIES):
        if process.poll() is not None:
            break
        client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=500)
        with client:
            try:
                client.admin.command("ping")
            except ConnectionFailure:
                continue
            return
    raise RuntimeError(f"the MongoDB server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
