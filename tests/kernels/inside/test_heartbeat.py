"""The heartbeat of a kernel that listens on a descriptor."""

from pathlib import Path

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import socket, sys, zmq
from inside.heartbeat import ListeningHeartbeat

path = sys.argv[1]
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen()
beating = ListeningHeartbeat(zmq.Context(), listening.detach())
beating.start()
client = zmq.Context().socket(zmq.REQ)
client.connect(f"ipc://{path}")
for beat in (b"one", b"two"):
    client.send(beat)
    assert client.poll(30_000)
    print(client.recv().decode())
sys.stdout.flush()
import os
os._exit(0)  # its thread never ends
"""


def test_each_beat_comes_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A client that connects to the socket gets the same bytes again."""
    folder: Path = tmp_path_factory.mktemp("h")  # with a path short enough for a socket
    assert run(CODE, str(folder / "hb")) == "one\ntwo\n"
