"""A client that subscribes to a kernel's output gets a welcome, whenever it subscribes."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import KERNEL_PYTHON, ROOT
from tests.kernels.inside.kernel_python import run

PROGRAM = Path(__file__).with_name("subscribing_program.py")


def test_who_subscribes_while_something_is_sent_to_nobody_is_welcomed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A kernel announces its start just as its first client connects, and that client waits for a welcome."""
    folder = tmp_path_factory.mktemp("s")  # with a path short enough for a socket
    told = subprocess.run(
        [KERNEL_PYTHON, PROGRAM, ROOT / "kernels", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.strip() == "iopub_welcome", told.stderr


SENDING_NOTHING = """
import os, sys
from inside.output import streams
import zmq
from jupyter_client.session import Session

context = zmq.Context()
output, client = context.socket(zmq.XPUB), context.socket(zmq.XSUB)
output.bind(f"ipc://{sys.argv[1]}/output")
client.connect(f"ipc://{sys.argv[1]}/output")
sender = streams.Sender(output, session=Session(key=b"key"))
client.send(b"")
client.send(bytes([1]))
output.poll(10_000)
sender.start()
sender.send_multipart([b"", b"", b"sent"])
told = []
while told[-1:] != [b"sent"] and client.poll(10_000):
    told.append(client.recv_multipart()[2])
print([b"iopub_welcome" in part or part for part in told], flush=True)
os._exit(0)
"""


def test_a_message_that_is_no_subscription_costs_no_output(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An empty message made the sending thread fail just before it sent its output."""
    assert run(SENDING_NOTHING, str(tmp_path_factory.mktemp("s"))) == "[True, b'sent']\n"
