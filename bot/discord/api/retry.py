"""Makes calls to Discord: failures that may pass are tried again, the others have a name.

    message = await attempt(lambda: channel.send(text, files=files_of(uploads)))
    with unless_refused("message %d stays", message.id):        # Discord may refuse this, and we go on
        await attempt(message.delete)

The call is made anew for each try, because nextcord closes a File object once it is sent. nextcord waits for
the rate limits that it knows. It raises a 429 with a bare Retry-After or for a shared limit, a 503, and a
broken connection: those are waited for here. Codes:
https://discord.com/developers/docs/topics/opcodes-and-status-codes
"""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import aiohttp
import nextcord

from bot.discord.format.attachments import Upload

__all__ = [
    "ONCE",
    "PATIENCE",
    "DiscordRefused",
    "Patience",
    "Refusal",
    "attempt",
    "files_of",
    "unless_refused",
]

log = logging.getLogger(__name__)


class Refusal(Enum):
    """Why Discord did not do what we asked: each kind with the codes and the HTTP statuses that mean it."""

    TOO_LARGE = (40005, 413)  # the upload
    FORBIDDEN = (50001, 50007, 50013, 160002, 403)  # 160002: a reply without the right to read the history
    MESSAGE_GONE = (10008,)
    CHANNEL_GONE = (10003,)
    NO_MEMBER = (10007, 10013)  # the person is not in the server
    EXPIRED = (10062, 10015, 50027)  # the interaction or its token
    ANSWERED = (40060,)  # the interaction was acknowledged before
    ARCHIVED = (50083,)  # the thread is archived; sending reopens it, unless it is locked
    UNREACHABLE = (408, 429, 500, 502, 503, 504)  # a failure that should pass did not
    OTHER = ()


KINDS = {number: kind for kind in Refusal for number in kind.value}


class DiscordRefused(Exception):
    """Discord refused; `kind` is why. `wait` is the number of seconds that it asked us to wait, if it did."""

    def __init__(self, kind: Refusal, error: BaseException, wait: float = 0.0) -> None:
        super().__init__(f"{kind.name}: {error}")
        self.kind = kind
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try a call: `tries` times at most, waiting `first` seconds first and `waiting` in all."""

    tries: int = 8
    waiting: float = 90.0
    first: float = 0.5


PATIENCE = Patience()
ONCE = Patience(tries=1)
ANSWER = 60.0  # seconds that one try may take, sending its bytes included


async def attempt[T](call: Callable[[], Awaitable[T]], patience: Patience = PATIENCE) -> T:
    """What the call returns. It is tried again while its failures may pass. Raises: DiscordRefused."""
    waited = asked = 0.0
    failure: Exception | None = None
    for number in range(patience.tries):
        try:
            async with asyncio.timeout(ANSWER):
                return await call()
        except nextcord.InteractionResponded as error:
            raise DiscordRefused(Refusal.ANSWERED, error) from error
        except nextcord.InvalidData as error:  # such as a channel of a kind that is newer than nextcord
            raise DiscordRefused(Refusal.OTHER, error) from error
        except nextcord.HTTPException as error:
            if error.status not in Refusal.UNREACHABLE.value:
                kind = KINDS.get(error.code) or KINDS.get(error.status) or Refusal.OTHER
                raise DiscordRefused(kind, error) from error
            failure, asked = error, _retry_after(error)
        except (aiohttp.ClientError, OSError, TimeoutError, nextcord.HTTPInternalCancelled) as error:
            failure, asked = error, 0.0
        wait = max(asked, patience.first * 2**number)
        waited += wait
        if number + 1 == patience.tries or waited > patience.waiting:
            break
        log.info("Discord: %s; next try in %.1f s", failure, wait)
        await asyncio.sleep(wait)  # as long as Discord says, or the back-off
    raise DiscordRefused(Refusal.UNREACHABLE, failure or TimeoutError(), asked) from failure


@contextmanager
def unless_refused(what: str, *args: object) -> Iterator[None]:
    """Swallow a refusal, and log it with what has not happened: `what` is a format for `args`."""
    try:
        yield
    except DiscordRefused as refused:
        log.info("%s: %s", what % args, refused)


def files_of(uploads: Iterable[Upload]) -> list[nextcord.File]:
    """New File objects, good for one try."""
    return [
        nextcord.File(io.BytesIO(upload.data), upload.name, description=upload.description or None)
        for upload in uploads
    ]


def _retry_after(error: nextcord.HTTPException) -> float:
    """Seconds that Discord asks us to wait, 0 if it does not say."""
    try:
        return max(0.0, float(error.response.headers.get("Retry-After", 0)))
    except ValueError:  # a date, which some proxies send
        return 1.0
