"""Wait in the event loop for a process to end, or for a descriptor to be readable.

await ended(pid)
"""

import asyncio
import os
import socket

__all__ = ["ended", "readable"]


async def readable(source: int | socket.socket) -> None:
    """Wait until there is something to read from a descriptor, or it is at its end."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(source, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(source)


async def ended(pid: int) -> None:
    """Wait until a process has ended; one that is gone has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await readable(descriptor)
    finally:
        os.close(descriptor)
