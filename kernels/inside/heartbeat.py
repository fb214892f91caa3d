"""The heartbeat of a kernel that a stock Jupyter client has started."""

import zmq
from ipykernel.heartbeat import Heartbeat

__all__ = ["ListeningHeartbeat"]


class ListeningHeartbeat(Heartbeat):  # type: ignore[misc]
    """A heartbeat on a descriptor that is listening already."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], descriptor: int) -> None:
        self._descriptor = descriptor
        super().__init__(context, ("ipc", "heartbeat", 1))

    def _bind_socket(self) -> None:
        self.socket.setsockopt(zmq.USE_FD, self._descriptor)
        self.socket.bind("ipc://heartbeat-1")
