"""Decorators that make a method a command: for servers, direct messages, and wherever a person has it."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import nextcord
from nextcord import BaseApplicationCommand, IntegrationType, InteractionContextType, SlashApplicationCommand

__all__ = ["completes", "menu", "slash"]

EVERYWHERE: dict[str, Any] = {
    "integration_types": list(IntegrationType),
    "contexts": list(InteractionContextType),
}

Callback = Callable[..., Any]
Slash = Callable[[str, str], Callable[[Callback], SlashApplicationCommand]]
Menu = Callable[[str], Callable[[Callback], BaseApplicationCommand]]

slash: Slash = partial(nextcord.slash_command, **EVERYWHERE)  # a slash command, by name and description
menu: Menu = partial(nextcord.message_command, **EVERYWHERE)  # an entry in the menu of every message, by name


def completes(command: SlashApplicationCommand, option: str) -> Callable[[Callback], Callback]:
    """Makes a cog's method complete an option of a command."""
    return cast("Callable[[Callback], Callback]", command.on_autocomplete(option))
