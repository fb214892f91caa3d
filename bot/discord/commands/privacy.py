"""Sends a person everything kept about them, or deletes it, which `bot.sessions` does."""

from collections.abc import Awaitable, Callable
from typing import Any

import nextcord
from nextcord.ui import Button, Item, button

from bot.discord.api.interactions import Interaction, privately, user_of
from bot.discord.buttons.expiring import ExpiringView, change, id_of
from bot.discord.commands.texts import KEPT
from bot.discord.context import Context
from bot.discord.failures import EXPECTED
from bot.discord.format.attachments import Upload
from bot.notebooks.personal_data import export
from bot.wording.error_messages import clause, sentence
from kernels.concurrency.threads import in_thread

__all__ = ["Confirmation", "send_export"]


class Confirmation(ExpiringView):
    """The last question before `forget` deletes a person's data. It is private: only they can answer it."""

    def __init__(self, context: Context, forget: Callable[[int], Awaitable[None]]) -> None:
        super().__init__("privacy", context.bounds.question_open)
        self._context = context
        self._forget = forget
        self._confirmed = False

    @button(
        label="Delete everything", style=nextcord.ButtonStyle.danger, custom_id=id_of("privacy", "confirm")
    )
    async def confirm(self, _button: Button["Confirmation"], interaction: Interaction) -> None:
        """Delete it; a second click changes nothing."""
        if self._confirmed:
            return
        self._confirmed = True
        try:
            await self._forget(user_of(interaction).id)
        except EXPECTED as error:
            text = f"Not everything was deleted: {clause(error)}. Use `/privacy` again."
        else:
            kept = f" {KEPT}" if self._context.sessions.ledger.limited else ""
            text = f"Everything I had of yours is deleted.{kept}"
        self.end()
        await change(interaction, text)

    async def on_error(self, error: Exception, item: Item[Any], interaction: Interaction) -> None:
        """The person may try again."""
        self._confirmed = False
        await super().on_error(error, item, interaction)


async def send_export(context: Context, interaction: Interaction) -> None:
    """Send a person everything of theirs, as a zip."""
    try:
        user_id, saves = user_of(interaction).id, context.settings.state == "on"
        archive = await export(context.sessions, user_id, limit=context.limits.file, saves=saves)
    except (*EXPECTED, OSError) as error:  # the disk may have no room for it
        await privately(interaction, sentence(error))
        return
    with archive:
        data = await in_thread(archive.read)
    await privately(
        interaction, "Everything I have of yours:", uploads=[Upload("kernelcord-export.zip", data)]
    )
