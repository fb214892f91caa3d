"""Private messages with buttons that work for some minutes, and that say so when the time is over.

Discord itself only says that an interaction failed. Whoever clicks on a message whose time is over, or that
an earlier program sent, is told which command opens it again.
"""

from typing import Any

from nextcord.ui import Button, Select, View

from bot.discord.api.destinations import NO_MENTIONS
from bot.discord.api.interactions import Interaction, defer, privately
from bot.discord.api.retry import attempt, unless_refused
from bot.discord.buttons.view import TellingView

__all__ = ["ExpiredViews", "ExpiringView", "change", "id_of"]

OVER = {
    "files": "This list is closed. `/files` opens it again.",
    "privacy": "This question is closed. `/privacy` asks it again.",
}
PARTS = {"files": ("get", "delete", "extend", "newer", "older"), "privacy": ("confirm",)}


def id_of(name: str, part: str) -> str:
    """The custom id of a button, or of the select, in the view of this name (a key of OVER)."""
    return f"kernelcord:{name}:{part}"


class ExpiringView(TellingView):
    """See the module's text. `name` is a key of OVER; `timeout` is in seconds since it was last used."""

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__(timeout=timeout, auto_defer=False)
        self._over = OVER[name]
        self._message: Any = None  # any of nextcord's messages that can be edited
        self.used: Interaction | None = None  # its token lives longer than the message's
        self.ended = False

    def shown(self, message: Any) -> None:
        """Set the message that has the buttons; None if it did not arrive."""
        self._message = message

    async def interaction_check(self, interaction: Interaction) -> bool:
        """Somebody has clicked."""
        self.used = interaction
        await defer(interaction, message=False)
        return True

    def end(self) -> None:
        """Another message replaces it; `stop` would make nextcord forget the buttons of `ExpiredViews`."""
        self.ended = True

    async def on_timeout(self) -> None:
        """Say that the time is over, and how to open it again."""
        if self.ended:
            return
        edit = self.used.edit_original_message if self.used else getattr(self._message, "edit", None)
        if edit is None:
            return
        with unless_refused("a private message stays as it was"):
            await attempt(lambda: edit(content=self._over, view=None, allowed_mentions=NO_MENTIONS))


async def change(interaction: Interaction, text: str, view: View | None = None) -> None:
    """Show this in the message that was clicked or, if that is gone, in a private one without buttons."""

    async def call() -> object:
        return await interaction.edit_original_message(content=text, view=view, allowed_mentions=NO_MENTIONS)

    with unless_refused("a private message is not changed"):
        await attempt(call)
        return
    await privately(interaction, text)


class ExpiredViews(TellingView):
    """Answers clicks on all such views whose time is over."""

    def __init__(self) -> None:
        super().__init__(timeout=None, auto_defer=False, prevent_update=False)
        for name, parts in PARTS.items():
            for part in parts:
                self._add(Button(custom_id=id_of(name, part), label=part), name)
        self._add(Select(custom_id=id_of("files", "file")), "files")

    def _add(self, item: Button[Any] | Select[Any], name: str) -> None:
        async def say_closed(interaction: Interaction) -> None:
            with unless_refused("a click came too late"):
                await attempt(lambda: interaction.response.edit_message(content=OVER[name], view=None))

        item.callback = say_closed  # type: ignore[method-assign]
        self.add_item(item)
