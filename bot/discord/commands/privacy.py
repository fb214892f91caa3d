"""All that is kept of a person, given to them or deleted."""

import logging

import nextcord
from nextcord.ui import Button, Item, button

from bot.discord.api.interactions import Interaction, defer, privately
from bot.discord.buttons.actions import EXPECTED
from bot.discord.buttons.expiring import ExpiringView, change, id_of
from bot.discord.buttons.view import BROKEN
from bot.discord.commands.texts import KEPT
from bot.discord.context import Context
from bot.discord.format.attachments import Upload
from bot.notebooks.export import export
from bot.wording.error_messages import clause, sentence
from kernels.concurrency.threads import in_thread

__all__ = ["Confirmation", "send_export"]

log = logging.getLogger(__name__)

LABEL = "Delete all of mine"
OPEN = 5 * 60.0  # seconds in which it can be confirmed


class Confirmation(ExpiringView):
    """A last question before all of a person is deleted. It is private, so that only they can answer."""

    def __init__(self, context: Context) -> None:
        super().__init__("privacy", OPEN)
        self._context = context
        self._confirmed = False

    @button(
        label="Delete all of mine", style=nextcord.ButtonStyle.danger, custom_id=id_of("privacy", "confirm")
    )
    async def confirm(self, _button: Button["Confirmation"], interaction: Interaction) -> None:
        """Delete it; a second click changes nothing."""
        await defer(interaction, message=False)
        if interaction.user is None or self._confirmed:
            return
        self._confirmed = True
        try:
            await self._context.sessions.forget_person(interaction.user.id)
            for forget in self._context.forgets:
                forget(interaction.user.id)
        except EXPECTED as error:
            text = f"Not all was deleted: {clause(error)}. `/privacy` asks again."
        else:
            kept = f" {KEPT}" if self._context.sessions.ledger.limited else ""
            text = f"All that I had of you is deleted.{kept}"
        self.end()
        await change(interaction, text)

    async def on_error(self, error: Exception, item: Item["Confirmation"], interaction: Interaction) -> None:
        """What fails here is ours: it is logged, and the person is told."""
        self._confirmed = False
        log.error("deleting failed at %s", item, exc_info=error)
        await privately(interaction, BROKEN)


async def send_export(context: Context, interaction: Interaction) -> None:
    """Send a person all of theirs, as a zip."""
    if interaction.user is None:
        return
    try:
        archive = await export(context.sessions, interaction.user.id, limit=context.limits.file)
    except (*EXPECTED, OSError) as error:  # a disk without room for it
        await privately(interaction, sentence(error))
        return
    with archive:
        data = await in_thread(archive.read)
    await privately(interaction, "All that I have of you:", uploads=[Upload("kernelcord-export.zip", data)])
