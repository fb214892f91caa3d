"""Windows in which a person types: code to run, and the answer to an `input()`."""

import logging
from collections.abc import Awaitable, Callable

import nextcord
from nextcord.ui import Modal, TextInput, View

from bot.front.buttons import BROKEN
from bot.front.interaction import Interaction, privately

__all__ = ["LONGEST", "Form", "answer_form", "code_form"]

log = logging.getLogger(__name__)

LONGEST = 4000  # characters that a text field takes
LABEL = 45  # characters of its label
OPEN = 15 * 60.0  # seconds that a window is waited for
SEEN = "Shown while you type, never stored"

Submitted = Callable[[Interaction, str], Awaitable[None]]


class Form(Modal):
    """One text field; `submitted` gets what was typed.

    Of a person's forms with one `name` the newest is kept, for as often as it is sent. Without a name each
    one is kept, and sent once: then what was typed, perhaps a password, is forgotten.
    """

    def __init__(
        self, title: str, field: "TextInput[View]", submitted: Submitted, name: str | None = None
    ) -> None:
        ids: dict[str, str] = {"custom_id": f"kernelcord:{name}"} if name else {}
        super().__init__(title, timeout=OPEN, auto_defer=False, **ids)
        self._field = field
        self._submitted = submitted
        self._once = name is None
        self.add_item(field)

    async def callback(self, interaction: Interaction) -> None:
        """Hand on what was typed."""
        await self._submitted(interaction, self._field.value or "")
        if self._once and interaction.response.is_done():  # else Discord asks the person to send it again
            self.stop()

    async def on_error(self, error: Exception, interaction: Interaction) -> None:
        """What fails here is ours: it is logged, and the person is told."""
        log.error("a form failed", exc_info=error)
        await privately(interaction, BROKEN)


def code_form(name: str, submitted: Submitted, code: str = "") -> Form:
    """For code; at most 4,000 characters."""
    field: TextInput[View] = TextInput(
        "Python",
        custom_id="kernelcord:text",  # what an older window of this name sends is found in the newest form
        style=nextcord.TextInputStyle.paragraph,
        required=True,
        max_length=LONGEST,
        default_value=code or None,
    )
    return Form("Run code", field, submitted, name)


def answer_form(submitted: Submitted, prompt: str, *, password: bool) -> Form:
    """For the answer to a question. Discord has no password field, and this says so."""
    plain = " ".join(prompt.split()) or "Your answer"
    field: TextInput[View] = TextInput(
        plain if len(plain) <= LABEL else f"{plain[: LABEL - 1]}…",
        style=nextcord.TextInputStyle.short if password else nextcord.TextInputStyle.paragraph,
        required=False,
        max_length=LONGEST,
        placeholder=SEEN if password else None,
    )
    title = "Discord has no password field" if password else "The cell asks"
    return Form(title, field, submitted)
