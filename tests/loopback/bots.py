"""A small nextcord bot for the loopback's own tests, and running any nextcord client in this process."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nextcord

from tests.loopback.loopback import Discord

Interaction = nextcord.Interaction[nextcord.Client]


@asynccontextmanager
async def running(client: nextcord.Client, discord: Discord) -> AsyncIterator[None]:
    """Start a client, wait until it is ready, and close it at the end."""
    client._connection.guild_ready_timeout = 0.05  # nextcord waits 2 s for more guilds
    started = asyncio.create_task(client.start(discord.token))
    try:
        await discord.ready()
        await client.wait_until_ready()
        yield
    finally:
        # An event handler that is still running would reopen nextcord's HTTP session after its end.
        handling = [task for task in asyncio.all_tasks() if task.get_name().startswith("nextcord:")]
        for task in handling:
            task.cancel()
        await client.close()
        await asyncio.gather(started, *handling, return_exceptions=True)


def file(name: str, data: bytes, description: str | None = None) -> nextcord.File:
    """A file to send."""
    return nextcord.File(io.BytesIO(data), name, description=description)


class Form(nextcord.ui.Modal):
    """Asks for code and repeats it, visible only to its person."""

    def __init__(self) -> None:
        super().__init__("Code", custom_id="form")
        self.code: nextcord.ui.TextInput = nextcord.ui.TextInput(
            "Your code", custom_id="code", max_length=100
        )
        self.add_item(self.code)

    async def callback(self, interaction: Interaction) -> None:
        """The form was sent."""
        await interaction.response.send_message(f"form: {self.code.value}", ephemeral=True)


class Controls(nextcord.ui.View):
    """Buttons that change the message, show a form, defer, or are disabled; and a menu."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.children[3].disabled = True  # type: ignore[attr-defined]  # the fourth is a button

    @nextcord.ui.button(label="Stop", custom_id="stop")
    async def stop_button(self, button: Any, interaction: Interaction) -> None:
        """Change the message at once."""
        await interaction.response.edit_message(content="stopped", view=None)

    @nextcord.ui.button(label="Edit", custom_id="edit")
    async def edit_button(self, button: Any, interaction: Interaction) -> None:
        """Show the form."""
        await interaction.response.send_modal(Form())

    @nextcord.ui.button(label="Later", custom_id="later")
    async def later_button(self, button: Any, interaction: Interaction) -> None:
        """Change the message after a deferral."""
        await interaction.response.defer()
        await interaction.edit_original_message(content="later")

    @nextcord.ui.button(label="Off", custom_id="off")
    async def off_button(self, button: Any, interaction: Interaction) -> None:
        """Nobody can press it."""

    @nextcord.ui.string_select(
        custom_id="menu", options=[nextcord.SelectOption(label="One", value="1")], placeholder="Which?"
    )
    async def menu(self, select: Any, interaction: Interaction) -> None:
        """Say what was chosen."""
        await interaction.response.send_message(f"chosen: {select.values}", ephemeral=True)


def tiny() -> nextcord.Client:
    """A bot with a bit of everything: it repeats words, and has commands."""
    client = nextcord.Client(intents=nextcord.Intents.all())

    @client.event
    async def on_message(message: nextcord.Message) -> None:
        if message.author.bot:
            return
        files = [file(f"copy-{a.filename}", await a.read(), "a copy") for a in message.attachments]
        await message.reply(
            f"heard: {message.content}",
            files=files or None,
            view=Controls(),
            allowed_mentions=nextcord.AllowedMentions.none(),
        )

    @client.slash_command(description="Run code")
    async def run(interaction: Interaction, code: str, hidden: bool = False) -> None:
        await interaction.response.defer(ephemeral=hidden)
        await interaction.followup.send(f"ran: {code}")
        await interaction.followup.send("more")

    @client.slash_command(description="Files")
    async def files(interaction: Interaction) -> None:
        """A group: only its subcommands can be run."""

    @files.subcommand(description="Get a file")
    async def get(interaction: Interaction, name: str = nextcord.SlashOption(autocomplete=True)) -> None:
        await interaction.response.send_message("here", file=file(name, b"data"), ephemeral=True)

    @get.on_autocomplete("name")
    async def names(interaction: Interaction, name: str) -> None:
        await interaction.response.send_autocomplete([name + "1", name + "2"])

    @client.message_command(name="Run code")
    async def run_message(interaction: Interaction, message: nextcord.Message) -> None:
        await interaction.response.send_message(f"ran: {message.content}")

    return client
