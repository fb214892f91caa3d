"""A test must end what it began, and is caught otherwise."""

import asyncio
from pathlib import Path

from tests.discord.kernelcord import SOON, code, running
from tests.left import cells_left, node, tasks_left
from tests.loopback.loopback import Discord


async def test_task_that_is_left_is_named() -> None:
    """A task that is about to end does not count."""
    before = asyncio.all_tasks()
    ending = asyncio.create_task(asyncio.sleep(0.01), name="it ends")
    never = asyncio.create_task(asyncio.Event().wait(), name="it stays")
    assert await tasks_left(before) == ["it stays: Event.wait"]
    assert ending.done()
    never.cancel()
    assert await tasks_left(before) == []


async def alive(data: Path) -> int:
    """The kernels of the node."""
    async with node(data) as http:
        assert http is not None
        async with http.get("kernelcord/node") as response:
            return int((await response.json(content_type=None))["alive"])


async def test_cell_that_is_left_is_named_and_its_kernel_ended(discord: Discord, data: Path) -> None:
    """So the next bot finds neither."""
    ada = discord.guild.member("ada")
    async with running(discord, data, shutdown_grace="0.2"):
        asked = await ada.say(ada.dm(), code("print('on')\nimport time\ntime.sleep(600)"))
        await asked.wait_for_reply(lambda m: "on" in m.content and "Running" in m.content, timeout=SOON)
    assert await alive(data) == 1
    (left,) = await cells_left(data)
    assert left.startswith(f"u{ada.user.id}: print('on')")
    assert await alive(data) == 0
    assert await cells_left(data) == []
