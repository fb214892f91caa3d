"""The buttons under an answer.

view = buttons(("stop", "keep"))                # to send with a message
client.add_view(AnswerButtons(actions))         # carries out the clicks on all messages, whoever sent them

The client finds what to do by a button's custom id alone, so buttons under messages of an earlier program
work.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Self

import nextcord
from nextcord.ui import Button, Item, View

from bot.discord.api.interactions import Interaction, privately

__all__ = ["BROKEN", "FINISHED", "LOOKS", "Actions", "AnswerButtons", "buttons"]

log = logging.getLogger(__name__)

BROKEN = "Something failed on our side. Please try again."
FINISHED = ("rerun", "edit", "notebook", "files")  # the buttons of an answer in its final state
LOOKS = {
    "stop": ("Stop", nextcord.ButtonStyle.danger),
    "wait": ("Wait", nextcord.ButtonStyle.primary),
    "kill": ("Kill", nextcord.ButtonStyle.danger),
    "answer": ("Answer", nextcord.ButtonStyle.primary),
    "keep": ("Keep running", nextcord.ButtonStyle.primary),
    "rerun": ("Re-run", nextcord.ButtonStyle.secondary),
    "edit": ("Edit & run", nextcord.ButtonStyle.secondary),
    "notebook": ("Notebook", nextcord.ButtonStyle.secondary),
    "files": ("Files", nextcord.ButtonStyle.secondary),
}

Actions = Mapping[str, Callable[[Interaction], Awaitable[None]]]


class _AnswerButton(Button["AnswerButtons"]):
    def __init__(self, name: str, action: Callable[[Interaction], Awaitable[None]] | None) -> None:
        label, style = LOOKS[name]
        super().__init__(label=label, style=style, custom_id=f"kernelcord:{name}")
        self._action = action

    async def callback(self, interaction: Interaction) -> None:
        if self._action is not None:
            await self._action(interaction)


class AnswerButtons(View):
    """The buttons with these names, in the order of LOOKS; each carries out its action, if it has one."""

    def __init__(self, actions: Actions, names: Collection[str] = tuple(LOOKS)) -> None:
        # With `prevent_update` nextcord would keep the view of each message that is sent, and grow.
        super().__init__(timeout=None, auto_defer=False, prevent_update=False)
        for name in LOOKS:
            if name in names:
                self.add_item(_AnswerButton(name, actions.get(name)))

    async def on_error(self, error: Exception, item: Item[Self], interaction: Interaction) -> None:
        """A failure here is our fault: log it, and tell the person."""
        log.error("button %s failed", getattr(item, "custom_id", "?"), exc_info=error)
        await privately(interaction, BROKEN)


def buttons(names: Collection[str]) -> View | None:
    """A view to send with a message, None without names. Clicks on it go to the view that the client has."""
    return AnswerButtons({}, names) if names else None
