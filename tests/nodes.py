"""Ends the nodes that tests have started, so that none outlives its test."""

import os
import signal
from pathlib import Path

from kernels.client.spawn import recorded
from tests.live.cells import until


def node_pid(data: Path) -> int | None:
    """The process id of a data folder's node, if it is running."""
    found = recorded(data / "node")
    return found[1] if found else None


async def end_nodes(folder: Path) -> None:
    """End every node whose data folder lies in `folder`."""
    for record in [*folder.glob("node/node.json"), *folder.glob("*/node/node.json")]:
        data = record.parent.parent
        if (pid := node_pid(data)) is not None:
            os.kill(pid, signal.SIGTERM)
            await until(lambda data=data: node_pid(data) is None)
