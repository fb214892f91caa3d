"""The slash commands about a person's own things; their answers are private."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from nextcord import Attachment, ClientCog, SlashOption

from bot.discord.api.interactions import Interaction, defer, place_of, privately, user_of
from bot.discord.commands import replaying, texts
from bot.discord.commands.decorators import completes, slash
from bot.discord.commands.file_list import get, show_files
from bot.discord.commands.notebooks import Kind, give
from bot.discord.commands.privacy import Confirmation, send_export
from bot.discord.commands.texts import usage_text, variables_text
from bot.discord.context import Context
from filestore.errors import FileStoreError

__all__ = ["PersonalCommands"]

CHOICES = 25  # choices that Discord shows at most
LABEL = 100  # characters of a choice


class PersonalCommands(ClientCog):
    """Variables, files, notebooks, usage, settings, help, privacy. `forget` deletes all data of a person."""

    def __init__(self, context: Context, forget: Callable[[int], Awaitable[None]]) -> None:
        self._context = context
        self._forget = forget

    @slash("vars", "Your variables")
    async def vars(self, interaction: Interaction) -> None:
        """List the variables of the person's kernel."""
        await defer(interaction, private=True)
        session = await self._context.sessions.session(user_of(interaction).id, place_of(interaction))
        await privately(interaction, variables_text(await session.kernel.state()))

    @slash("files", "Your files: get, delete, extend")
    async def files(
        self,
        interaction: Interaction,
        file: str = SlashOption(description="Get this one, by id or name", required=False),
    ) -> None:
        """List the person's files, or get one."""
        await defer(interaction, private=True)
        if file:
            await get(self._context, interaction, file)
        else:
            await show_files(self._context, interaction)

    @completes(files, "file")
    async def complete_file(self, interaction: Interaction, typed: str) -> None:
        """Offer the files whose name or id contains what was typed."""
        choices: dict[str, str] = {}
        with suppress(FileStoreError):
            page = await self._context.sessions.list_user_files(user_of(interaction).id, limit=200)
            for file in page.files:
                if typed.casefold() in f"{file.filename} {file.file_id}".casefold():
                    choices[f"{file.filename[-80:]} ({file.file_id})"[:LABEL]] = file.file_id
        await interaction.response.send_autocomplete(dict(list(choices.items())[:CHOICES]))

    @slash("notebook", "Your session as a notebook")
    async def notebook(
        self,
        interaction: Interaction,
        kind: str = SlashOption(
            description="The notebook alone, or a zip with its files",
            choices={"notebook": "notebook", "with its files": "bundle"},
            required=False,
            default="notebook",
        ),
        replay: Attachment = SlashOption(description="Run this notebook in your kernel", required=False),
    ) -> None:
        """Send the session as a notebook, or run one that was attached."""
        if replay:
            await replaying.replay_for(self._context, interaction, replay)
            return
        await defer(interaction, private=True)
        wanted: Kind = "bundle" if kind == "bundle" else "notebook"
        session = await self._context.sessions.session(user_of(interaction).id, place_of(interaction))
        await give(self._context, interaction, session, wanted)

    @slash("usage", "What you have used today")
    async def usage(self, interaction: Interaction) -> None:
        """Say what the person has used today."""
        await defer(interaction, private=True)
        total = await self._context.sessions.ledger.today(user_of(interaction).id)
        await privately(interaction, usage_text(total, self._context.settings))

    @slash("help", "What I can do")
    async def help(self, interaction: Interaction) -> None:
        """Say how to use the bot."""
        await privately(interaction, texts.help_text(self._context.settings))

    @slash("settings", "How I answer in this server")
    async def settings(
        self,
        interaction: Interaction,
        answer_in: str = SlashOption(
            description="Where I answer", choices={"here": "place", "a thread": "thread"}, required=False
        ),
    ) -> None:
        """Show how the bot answers in this server, or change it if the person manages the server."""
        await defer(interaction, private=True)
        await privately(interaction, await texts.settings_text(self._context, interaction, answer_in))

    @slash("privacy", "Export or delete everything I keep about you")
    async def privacy(
        self,
        interaction: Interaction,
        what: str = SlashOption(
            description="What to do", choices={"export everything": "export", "delete everything": "delete"}
        ),
    ) -> None:
        """Send a person everything kept about them, or delete it once they have confirmed."""
        await defer(interaction, private=True)
        if what == "export":
            await send_export(self._context, interaction)
        else:
            kept = f" {texts.KEPT}" if self._context.sessions.ledger.limited else ""
            question = Confirmation(self._context, self._forget)
            question.shown(await privately(interaction, f"{texts.DELETE}{kept}", view=question))
