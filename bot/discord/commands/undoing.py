"""The slash commands that take cells back, and keep or branch what there is. Their answers are private."""

from collections.abc import Awaitable
from contextlib import suppress

from nextcord import ClientCog, SlashOption

from bot.continuity.undo.undone import Undone
from bot.discord.answers.undone import begin_marking
from bot.discord.api.interactions import Interaction, defer, place_of, privately, user_of
from bot.discord.commands.branching import branch_for
from bot.discord.commands.decorators import completes, slash
from bot.discord.context import Context
from bot.discord.failures import EXPECTED
from bot.discord.format.split import LONGEST, cut
from bot.session import Session
from bot.wording.branch_messages import forgotten, kept, list_of_checkpoints
from bot.wording.undo_messages import undone

__all__ = ["UndoCommands", "go"]

MOST = 100  # cells that one command takes back
LABEL = 25  # choices that Discord shows at most
NAME = 40  # characters of a name
NAME_IT = "Say which: `/checkpoint` with a name; `list` shows the names."


class UndoCommands(ClientCog):
    """Undo, redo, checkpoints, branches."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @slash("undo", "Take your last cells back: variables and files")
    async def undo(
        self,
        interaction: Interaction,
        cells: int = SlashOption(
            description="How many", required=False, default=1, min_value=1, max_value=MOST
        ),
    ) -> None:
        """Take the last cells back; what runs is stopped."""
        if (session := await self._session(interaction)) is not None:
            await go(self._context, interaction, session, session.undo(cells))

    @slash("redo", "Take your last undo back")
    async def redo(self, interaction: Interaction) -> None:
        """Take the last undo back."""
        if (session := await self._session(interaction)) is not None:
            await go(self._context, interaction, session, session.redo())

    @slash("checkpoint", "Keep your variables and files as they are now, or go back to them")
    async def checkpoint(
        self,
        interaction: Interaction,
        what: str = SlashOption(
            description="What to do", choices={one: one for one in ("save", "list", "restore", "forget")}
        ),
        name: str = SlashOption(
            description="The checkpoint's name", required=False, default="", max_length=NAME
        ),
    ) -> None:
        """Save, list, restore or forget a checkpoint."""
        if (session := await self._session(interaction)) is None:
            return
        name = name.strip()
        if what == "list":
            await privately(interaction, cut(list_of_checkpoints(await session.checkpoints()), LONGEST))
        elif not name:
            await privately(interaction, NAME_IT)
        elif what == "restore":
            await go(self._context, interaction, session, session.restore(name))
        elif what == "forget":
            await session.forget_checkpoint(name)
            await privately(interaction, forgotten(name))
        else:
            await privately(interaction, cut(kept(name, await session.checkpoint(name)), LONGEST))

    @completes(checkpoint, "name")
    async def complete_checkpoint(self, interaction: Interaction, typed: str) -> None:
        """Offer the checkpoints whose name contains what was typed."""
        sessions, names = self._context.sessions, list[str]()
        session = sessions.opened(sessions.id_of(user_of(interaction).id, place_of(interaction)))
        with suppress(*EXPECTED, OSError):
            names = list(await session.checkpoints()) if session is not None else []
        found = [name for name in names if typed.casefold() in name.casefold()]
        await interaction.response.send_autocomplete(found[-LABEL:])

    @slash("branch", "Go on from here in a second kernel, and keep this one as it is")
    async def branch(
        self,
        interaction: Interaction,
        name: str = SlashOption(
            description="The branch's name; without one, direct messages and threads list their branches",
            required=False,
            default="",
            max_length=NAME,
        ),
    ) -> None:
        """Open a thread with a branch; where there can be none, begin a branch here or go to it."""
        await defer(interaction, private=True)
        if (refused := self._context.refusal(user_of(interaction).id)) is not None:
            await privately(interaction, refused)
            return
        await branch_for(self._context, interaction, name.strip())

    async def _session(self, interaction: Interaction) -> Session | None:
        """The person's session, once the interaction is acknowledged; None if they are told to wait."""
        await defer(interaction, private=True)
        user_id = user_of(interaction).id
        if (refused := self._context.refusal(user_id, ends=True)) is not None:
            await privately(interaction, refused)
            return None
        return await self._context.sessions.session(user_id, place_of(interaction))


async def go(
    context: Context, interaction: Interaction, session: Session, journey: Awaitable[Undone]
) -> None:
    """Make a journey, say privately what came of it, and mark the messages of its cells.

    Raises: as `Session.undo`.
    """
    told = await journey
    await privately(interaction, cut(undone(told), LONGEST))
    begin_marking(context, session, told)
