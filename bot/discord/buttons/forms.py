"""Forms in which a person types code to run, or the answer to an `input()`.

A form's name says everything about it, and nothing of it is kept here. So it can be submitted for as long as
it is open: after a restart of the bot, too, and beside other forms of its person.
"""

from typing import Any

import nextcord
from nextcord.ui import Modal, TextInput, View

from bot.discord.api.interactions import AT_ONCE, Interaction
from bot.discord.api.retry import attempt, unless_refused

__all__ = ["LONGEST", "Form", "answer_form", "code_form", "name_of", "show_form", "typed"]

LONGEST = 4000  # characters that fit into a text field
LABEL = 45  # characters of its label
OURS = "kernelcord:"
SEEN = "Shown while you type, never stored"


class Form(Modal):
    """One text field. `name` is what `name_of` returns when it is submitted."""

    def __init__(self, title: str, field: "TextInput[View]", name: str) -> None:
        super().__init__(title, timeout=None, auto_defer=False, custom_id=f"{OURS}{name}")
        self.add_item(field)


def code_form(name: str, code: str = "") -> Form:
    """For code; at most 4,000 characters."""
    field: TextInput[View] = TextInput(
        "Python",
        style=nextcord.TextInputStyle.paragraph,
        required=True,
        max_length=LONGEST,
        default_value=code or None,
    )
    return Form("Run code", field, name)


def answer_form(name: str, prompt: str, *, password: bool) -> Form:
    """For the answer to a question. Discord has no password field, and this says so."""
    plain = " ".join(prompt.split()) or "Your answer"
    field: TextInput[View] = TextInput(
        plain if len(plain) <= LABEL else f"{plain[: LABEL - 1]}…",
        style=nextcord.TextInputStyle.short if password else nextcord.TextInputStyle.paragraph,
        required=False,
        max_length=LONGEST,
        placeholder=SEEN if password else None,
    )
    return Form("Discord has no password field" if password else "The cell asks", field, name)


async def show_form(interaction: Interaction, form: Form) -> None:
    """Open a form; this must be the first response to an interaction."""
    try:
        with unless_refused("a form could not be opened"):
            await attempt(lambda: interaction.response.send_modal(form), AT_ONCE)
    finally:
        form.stop()  # nextcord would keep it until it is submitted, and many never are


def name_of(interaction: Interaction) -> str:
    """The name of the form that was submitted; "" if it is not one of ours."""
    data: Any = interaction.data
    custom_id: str = data["custom_id"]
    return custom_id.removeprefix(OURS) if custom_id.startswith(OURS) else ""


def typed(interaction: Interaction) -> str:
    """What was typed into the form."""
    data: Any = interaction.data
    rows: list[dict[str, Any]] = data["components"]
    return "\n".join(field.get("value") or "" for row in rows for field in row.get("components", []))
