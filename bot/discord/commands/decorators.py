"""Decorators that make a method a command: for servers, direct messages, and wherever a person has it."""

from collections.abc import Callable
from typing import Any, cast

import nextcord
from nextcord import IntegrationType, InteractionContextType, SlashApplicationCommand

__all__ = ["completes", "menu", "slash"]

INSTALLS = (IntegrationType.guild_install, IntegrationType.user_install)
CONTEXTS = (
    InteractionContextType.guild,
    InteractionContextType.bot_dm,
    InteractionContextType.private_channel,
)

Callback = Callable[..., Any]


def slash(name: str, description: str) -> Callable[[Callback], SlashApplicationCommand]:
    """Makes a cog's method a slash command."""
    made = nextcord.slash_command(name, description, integration_types=INSTALLS, contexts=CONTEXTS)
    return cast("Callable[[Callback], SlashApplicationCommand]", made)


def menu(name: str) -> Callable[[Callback], nextcord.BaseApplicationCommand]:
    """Makes a cog's method an entry in the menu of every message."""
    made = nextcord.message_command(name, integration_types=INSTALLS, contexts=CONTEXTS)
    return cast("Callable[[Callback], nextcord.BaseApplicationCommand]", made)


def completes(command: SlashApplicationCommand, option: str) -> Callable[[Callback], Callback]:
    """Makes a cog's method complete an option of a command."""
    return cast("Callable[[Callback], Callback]", command.on_autocomplete(option))
