"""Run by the kernels' own Python: subscribes to a kernel's output while a message is being sent to nobody.

    python subscribing_program.py KERNELS_FOLDER SOCKET_FOLDER

Prints the kind of the first message that the subscriber gets, or "nothing".
"""

import json
import os
import select
import sys
import time
from typing import Any

KERNELS, FOLDER = sys.argv[1:]
sys.path.insert(0, KERNELS)
from inside.output import streams  # noqa: E402  (as the launcher does)

del sys.path[0]

import zmq  # noqa: E402
from jupyter_client.session import Session  # noqa: E402

PATIENCE = 10_000  # ms
# Seconds after which a sending socket checks what has arrived; it does so about every millisecond.
SEEN_AGAIN = 0.02

context: Any = zmq.Context()
subscriber = context.socket(zmq.SUB)


class Output(zmq.Socket):
    """A kernel's output socket; somebody subscribes after the first frame of its first message."""

    def send(self, data: Any, *args: Any, **options: Any) -> Any:
        """Send a frame."""
        sent = super().send(data, *args, **options)
        if data == b"first":
            subscriber.subscribe(b"")
            assert select.select([self.FD], [], [], PATIENCE / 1000)[0], "the subscription has not come"
            time.sleep(SEEN_AGAIN)
        return sent


output = Output(context, zmq.XPUB)
output.setsockopt(zmq.XPUB_NODROP, 1)
output.bind(f"ipc://{FOLDER}/output")
subscriber.connect(f"ipc://{FOLDER}/output")
sender = streams.Sender(output, session=Session(key=b"key"))
sender.start()
sender.send_multipart([b"first", b"second", b"third"])
sender.send_multipart([b"", b"", b'{"msg_type": "sent before it was welcomed"}'])
heard = json.loads(subscriber.recv_multipart()[2])["msg_type"] if subscriber.poll(PATIENCE) else "nothing"
print(heard, flush=True)
os._exit(0)  # do not wait for the threads
