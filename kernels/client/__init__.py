"""The bot's side of a node: the same kernels as in `kernels.pool`, over a socket.

    async with RemoteNode(find, python=..., limits=Limits()) as node:
        kernel = node.kernel(session_id, files)
        async with kernel.run(code) as run: ...

`find` returns the `NodeEndpoint` where the node listens; `local_node(settings)` starts a node when none runs.
When the block is left, the kernels live on.
"""

from kernels.client.node import RemoteNode
from kernels.client.spawn import Find, NodeEndpoint, at, local_node, socket_for

__all__ = ["Find", "NodeEndpoint", "RemoteNode", "at", "local_node", "socket_for"]
