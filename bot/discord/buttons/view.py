"""The buttons under an answer.

view = buttons(("stop", "keep"))                # to send with a message
client.add_view(AnswerButtons(actions))         # carries out the clicks on all messages, whoever sent them

The client finds what to do by a button's custom id alone, so buttons under messages of an earlier program
work.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import nextcord
from nextcord.ui import Button, Item, View

from bot.discord.api.interactions import Interaction
from bot.discord.failures import tell_failure
from config.settings import Settings

__all__ = [
    "SECONDARY",
    "Action",
    "ActionButton",
    "Actions",
    "AnswerButtons",
    "TellingView",
    "buttons",
    "finished",
]

FINISHED = ("rerun", "edit", "notebook", "files")
SECONDARY = nextcord.ButtonStyle.secondary
LOOKS = {
    "stop": ("Stop", nextcord.ButtonStyle.danger),
    "wait": ("Wait", nextcord.ButtonStyle.primary),
    "kill": ("Kill", nextcord.ButtonStyle.danger),
    "answer": ("Answer", nextcord.ButtonStyle.primary),
    "keep": ("Keep running", nextcord.ButtonStyle.primary),
    "rerun": ("Re-run", SECONDARY),
    "edit": ("Edit & run", SECONDARY),
    "undo": ("Undo", SECONDARY),
    "notebook": ("Notebook", SECONDARY),
    "files": ("Files", SECONDARY),
}

Action = Callable[[Interaction], Awaitable[None]]
Actions = Mapping[str, Action]


class TellingView(View):
    """A view whose person is told when an item fails."""

    async def on_error(self, error: Exception, item: Item[Any], interaction: Interaction) -> None:
        """See `tell_failure`."""
        await tell_failure(interaction, error, getattr(item, "custom_id", item))


class ActionButton(Button[Any]):
    """A button that carries out its action, if it has one."""

    def __init__(self, name: str, label: str, style: nextcord.ButtonStyle, action: Action | None) -> None:
        super().__init__(label=label, style=style, custom_id=f"kernelcord:{name}")
        self._action = action

    async def callback(self, interaction: Interaction) -> None:
        """Somebody has clicked."""
        if self._action is not None:
            await self._action(interaction)


class AnswerButtons(TellingView):
    """The buttons with these names, in the order of LOOKS; each carries out its action, if it has one."""

    def __init__(self, actions: Actions, names: Collection[str] = tuple(LOOKS)) -> None:
        # With `prevent_update` nextcord would keep the view of each message that is sent, and grow.
        super().__init__(timeout=None, auto_defer=False, prevent_update=False)
        for name, look in LOOKS.items():
            if name in names:
                self.add_item(ActionButton(name, *look, actions.get(name)))


def finished(settings: Settings) -> tuple[str, ...]:
    """The buttons of an answer with a cell in its final state; what is not saved cannot be undone."""
    return (*FINISHED, "undo") if settings.state == "on" else FINISHED


def buttons(names: Collection[str]) -> View | None:
    """A view to send with a message, None without names. Clicks on it go to the view that the client has."""
    return AnswerButtons({}, names) if names else None
