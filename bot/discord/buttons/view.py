"""The buttons under an answer: one view for every message, also for those of an earlier program.

client.add_view(Buttons(verbs))
view = Buttons(verbs, ("stop", "keep"))
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Self

import nextcord
from nextcord.ui import Button, Item, View

from bot.discord.api.interactions import Interaction, privately

__all__ = ["BROKEN", "Buttons", "Verbs"]

log = logging.getLogger(__name__)

BROKEN = "Something failed on our side. Please try again."
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

Verbs = Mapping[str, Callable[[Interaction], Awaitable[None]]]


class _AnswerButton(Button["Buttons"]):
    def __init__(self, name: str, verb: Callable[[Interaction], Awaitable[None]]) -> None:
        label, style = LOOKS[name]
        super().__init__(label=label, style=style, custom_id=f"kernelcord:{name}")
        self._verb = verb

    async def callback(self, interaction: Interaction) -> None:
        await self._verb(interaction)


class Buttons(View):
    """All of them, in order; each does its verb."""

    def __init__(self, verbs: Verbs, names: Iterable[str] = tuple(LOOKS)) -> None:
        # Not stored a message: a view that is registered for all serves it, and nothing grows.
        super().__init__(timeout=None, auto_defer=False, prevent_update=False)
        self._verbs = verbs
        for name in LOOKS:
            if name in names:
                self.add_item(_AnswerButton(name, verbs[name]))

    async def on_error(self, error: Exception, item: Item[Self], interaction: Interaction) -> None:
        """What fails here is ours: it is logged, and the person is told."""
        log.error("button %s failed", getattr(item, "custom_id", "?"), exc_info=error)
        await privately(interaction, BROKEN)
