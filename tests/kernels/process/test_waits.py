"""The event loop waits for the end of a process and for data on a descriptor."""

import asyncio
import os
import sys

from kernels.process.waits import ended, readable


async def test_the_end_of_a_process_is_waited_for() -> None:
    """Whoever started it; a process that is gone counts as ended."""
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
    """End of file counts too; a cancelled wait leaves nothing in the loop."""
    reading, writing = os.pipe()
    waiting = asyncio.create_task(readable(reading))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not asyncio.get_running_loop().remove_reader(reading)
    os.close(writing)
    await readable(reading)
    os.close(reading)
