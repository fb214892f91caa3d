"""The end of a process, and what a descriptor has to say, are waited for in the event loop."""

import asyncio
import os
import sys

from kernels.process.waits import ended, readable


async def test_the_end_of_a_process_is_waited_for() -> None:
    """Whoever has started it; one that is gone has ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    waiting = asyncio.create_task(ended(process.pid))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    process.kill()
    await waiting
    await process.wait()
    await ended(process.pid)


async def test_a_descriptor_is_waited_for_and_let_go() -> None:
    """Its end counts too; a wait that is cancelled leaves nothing with the loop."""
    reading, writing = os.pipe()
    waiting = asyncio.create_task(readable(reading))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not asyncio.get_running_loop().remove_reader(reading)
    os.close(writing)
    await readable(reading)
    os.close(reading)
