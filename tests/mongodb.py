"""A MongoDB server for tests: the real wire protocol, spoken by another implementation, on loopback.

    with running_mongodb() as uri: ...

It is never skipped: a server that does not start is an error that shows its log.
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
TRIES = 120  # of half a second each until the server answers


@contextmanager
def running_mongodb() -> Iterator[str]:
    """Start a server with an empty folder on a free port; its URI, without a database."""
    with tempfile.TemporaryDirectory(prefix="mongodb-", ignore_cleanup_errors=True) as folder:
        log = Path(folder, "log")
        port = _free_port()
        command = [SERVER, "--host", "127.0.0.1", "--port", str(port), "--storage-path", f"{folder}/data"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            uri = f"mongodb://127.0.0.1:{port}"
            _wait_until_it_answers(uri, process, log)
            yield uri
        finally:
            process.kill()
            process.wait()


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
