"""Keeps the bot connected, whatever ends the connection, until it is told to end.

    await supervise(client, token)          # Raises: CannotServe, when trying again is of no use

nextcord comes back from most failures by itself. It logs each with its traceback through the libraries below,
of which we pass on the last line. From a gateway that refuses at the start and from an answer that it cannot
read it does not come back: those, and all else, come here, and after a while that grows the client connects
again.
"""

import asyncio
import logging
import time

import nextcord

from bot.discord.client import Client

__all__ = ["CannotServe", "supervise"]

log = logging.getLogger(__name__)

FIRST = 1.0  # seconds until the first new try
LONGEST = 60.0  # seconds
RECONNECT = "Attempting a reconnect in %.2fs"  # what nextcord logs then
STEADY = 60.0  # seconds of a connection after which the next failure counts as the first

REFUSED = "Discord does not take DISCORD_TOKEN: copy the bot's token from the developer portal again."
NO_INTENT = (
    "The bot may not read messages: switch on the message content intent in Discord's developer portal."
)
TOO_MANY_SERVERS = (
    "The bot is in too many servers for one connection (Discord asks for sharding, which Kernelcord does not"
    " do): remove it from some of them, and start it again."
)
OUTDATED = (
    "Discord no longer takes the way in which this version of Kernelcord connects: install a newer version."
)
# By the code that the gateway closes with: those after which another try cannot succeed. Source:
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
REASONS = {
    4004: REFUSED,
    4010: OUTDATED,  # invalid shard
    4011: TOO_MANY_SERVERS,
    4012: OUTDATED,  # invalid version of the API
    4013: OUTDATED,  # intents that are none
    4014: NO_INTENT,
}


class CannotServe(Exception):
    """Discord does not want this bot as it is set up; the text says what to do."""


class _InALine(logging.Filter):
    """Has nextcord tell of a connection that failed in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass, without its traceback if it is such a record."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.msg == RECONNECT:
            record.msg, record.args = f"%s: {RECONNECT}", (_brief(error), *(record.args or ()))
            record.exc_info = record.exc_text = None
        return True


IN_A_LINE = _InALine()


def _brief(error: BaseException) -> str:
    """An error as the last line of its traceback."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


async def supervise(client: Client, token: str, *, first: float = FIRST) -> None:
    """Connect, and connect again, until cancelled. Raises: CannotServe."""
    logging.getLogger("nextcord.client").addFilter(IN_A_LINE)  # again does nothing
    wait = first
    while True:
        began = time.monotonic()
        try:
            await client.start(token)
        except nextcord.LoginFailure:
            raise CannotServe(REFUSED) from None
        except nextcord.PrivilegedIntentsRequired:
            raise CannotServe(_reason(4014)) from None
        except Exception as error:  # noqa: BLE001 - a fault of the network or of the library must not end the service
            if isinstance(error, nextcord.ConnectionClosed) and error.code in REASONS:
                raise CannotServe(_reason(error.code)) from None
            why = _brief(error)
        else:
            why = "it was closed"
        if time.monotonic() - began > STEADY:
            wait = first
        log.warning("the connection to Discord failed (%s); again in %.0f s", why, wait)
        await asyncio.sleep(wait)  # a back-off is a matter of time passing
        wait = min(wait * 2, LONGEST)
        await client.reopen()


def _reason(code: int) -> str:
    return f"{REASONS[code]} (Discord closed the connection with code {code}.)"
