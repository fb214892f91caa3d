"""The heartbeat of a kernel that another Jupyter client listens to."""

import zmq
from ipykernel.heartbeat import Heartbeat

__all__ = ["ListeningHeartbeat"]


class ListeningHeartbeat(Heartbeat):  # type: ignore[misc]
    """Beats on a descriptor that listens already."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], descriptor: int) -> None:
        self._descriptor = descriptor
        super().__init__(context, ("ipc", "heartbeat", 1))

    def _bind_socket(self) -> None:
        self.socket.setsockopt(zmq.USE_FD, self._descriptor)
        self.socket.bind("ipc://heartbeat-1")
