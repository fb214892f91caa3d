"""The real bot, in this process, against a loopback Discord.

    async with running(discord, data, rate=2) as bot:
        await ada.say(channel, f"{discord.bot.mention} ...")

The bots of one run of tests share a data folder, so that the node with its kernels is started once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.__main__ import serve
from bot.discord.bounds import Bounds
from config.settings import Settings
from tests.loopback.loopback import Discord
from tests.loopback.people.person import Person
from tests.loopback.world.messages import Message
from tests.loopback.world.state import Channel

COMMANDS = [
    "run",
    "ask",
    "stop",
    "reset",
    "undo",
    "redo",
    "checkpoint",
    "branch",
    "vars",
    "files",
    "notebook",
    "usage",
    "settings",
    "help",
    "privacy",
]
PACE = "0.3"  # seconds; short, to keep tests fast
SOON = 60.0  # seconds that a test waits for anything that needs a kernel


def settings_for(discord: Discord, data: Path, **changed: Any) -> Settings:
    """Settings of a bot, none of them read from the environment."""
    values: dict[str, Any] = {"discord_token": SecretStr(discord.token), "data": data, "discord_pace": PACE}
    declared = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**{**declared, **values, **changed})


@asynccontextmanager
async def running(
    discord: Discord, data: Path, *, bounds: Bounds | None = None, **changed: Any
) -> AsyncIterator[asyncio.Event]:
    """A bot that is online and has its commands; the event ends it."""
    stop = asyncio.Event()
    settings = settings_for(discord, data, **changed)
    task = asyncio.create_task(serve(settings, stop, guild_ready_timeout=0.05, bounds=bounds))
    ready = asyncio.create_task(discord.ready(*COMMANDS, timeout=SOON))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            ready.cancel()
            task.result()
        await ready
        yield stop
    finally:
        stop.set()
        await task


def labels(message: Message) -> list[str]:
    """What the buttons of a message say."""
    return [button.label for button in message.buttons]


def finished(message: Message) -> bool:
    """Whether an answer with a cell has reached its final state."""
    return "Re-run" in labels(message)


def output(message: Message) -> str:
    """What an answer shows of its cell, without the lines about it, which have numbers of their own."""
    return "\n".join(line for line in message.content.splitlines() if not line.startswith("-# "))


def code(text: str) -> str:
    """A block of Python as a person types it."""
    return f"```py\n{text}\n```"


async def answered(asked: Message, timeout: float = SOON) -> Message:
    """The answer to a message, in its final state."""
    return await asked.wait_for_reply(finished, timeout=timeout)


async def said(person: Person, command: str, **options: object) -> str:
    """What a command says in a direct message, which is private."""
    answer = await (await person.slash(person.dm(), command, **options)).wait_for_message(timeout=SOON)
    assert answer.ephemeral
    return answer.content


async def saved(person: Person, cell: int) -> None:
    """Wait until a person's variables are saved as of a cell; another cell might be in the way of that."""
    while f"Saved as of cell {cell} " not in await said(person, "vars"):  # noqa: ASYNC110  nothing tells of it
        await asyncio.sleep(0.05)


async def run(discord: Discord, person: Person, text: str, channel: Channel | None = None) -> Message:
    """The answer to code that a person sends to the bot, by a mention in #general unless told otherwise."""
    where = channel or discord.guild.channel("general")
    mention = "" if where.guild is None else discord.bot.mention
    return await answered(await person.say(where, f"{mention} {code(text)}"))
