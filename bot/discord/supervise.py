"""Keeps the bot connected, whatever ends the connection, until it is told to end.

nextcord recovers from most failures by itself. It logs each with a traceback through several libraries, of
which we keep the last line. It does not recover if the gateway refuses it at the start, or sends something
that it cannot read. All such failures end up here, and the client connects again after a time that grows.
"""

import asyncio
import logging
import time

import nextcord

from bot.discord.client import Client

__all__ = ["CannotServe", "supervise"]

log = logging.getLogger(__name__)

FIRST = 1.0  # seconds until the first retry
LONGEST = 60.0  # seconds
RECONNECT = "Attempting a reconnect in %.2fs"  # what nextcord logs
STEADY = 60.0  # seconds after which a connection counts as good, and the next failure as the first

REFUSED = "Discord does not accept DISCORD_TOKEN: copy the bot's token from the developer portal again."
NO_INTENT = (
    "The bot may not read messages: switch on the message content intent in Discord's developer portal."
)
TOO_MANY_SERVERS = (
    "The bot is in too many servers for one connection (Discord asks for sharding, which Kernelcord does not"
    " do): remove it from some of them, and start it again."
)
OUTDATED = "Discord no longer accepts the way this version of Kernelcord connects: install a newer version."
# By close code of the gateway: those after which another try cannot succeed. Source:
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
REASONS = {
    4004: REFUSED,
    4010: OUTDATED,  # invalid shard
    4011: TOO_MANY_SERVERS,
    4012: OUTDATED,  # invalid version of the API
    4013: OUTDATED,  # invalid intents
    4014: NO_INTENT,
}


class CannotServe(Exception):
    """Discord does not accept this bot as it is set up; the text says what to do."""


class _InALine(logging.Filter):
    """Shortens nextcord's record of a failed connection to one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, but such a record without its traceback."""
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
    """Connect again and again until cancelled. Raises: CannotServe."""
    logging.getLogger("nextcord.client").addFilter(IN_A_LINE)  # adding it twice does nothing
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
        log.warning("the connection to Discord failed (%s); next try in %.0f s", why, wait)
        await asyncio.sleep(wait)  # a back-off is a matter of time passing
        wait = min(wait * 2, LONGEST)
        await client.reopen()


def _reason(code: int) -> str:
    return f"{REASONS[code]} (Discord closed the connection with code {code}.)"
