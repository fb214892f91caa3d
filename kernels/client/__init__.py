"""The bot's side of a node: the same kernels as in `kernels.pool`, over a socket.

    async with Node(find, python=..., limits=Limits()) as node:
        kernel = node.kernel(session_id, files)
        async with kernel.run(code) as run: ...

`find` gives the `Place` where the node listens: `local_node(settings)` starts one when none runs. Leaving the
block lets the kernels live on.
"""

from kernels.client.node import Node
from kernels.client.spawn import Find, Place, at, local_node, socket_for

__all__ = ["Find", "Node", "Place", "at", "local_node", "socket_for"]
