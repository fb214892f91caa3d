"""The bot on a loopback Discord, whose conversations are drawn."""

from tests.discord.conftest import bots, data, discord, in_a_hurry

__all__ = ["bots", "data", "discord", "in_a_hurry"]
