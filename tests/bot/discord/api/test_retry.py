"""Calls to Discord: temporary failures are retried, within limits; all others have a named exception."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import aiohttp
import nextcord
import pytest

from bot.discord.api.retry import DiscordRefused, Patience, Refusal, attempt

QUICK = Patience(tries=4, waiting=5.0, first=0.001)


class Script:
    """Raises the errors it is given, one per call, and then returns "done"."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def failure(status: int, code: int = 0, **headers: str) -> nextcord.HTTPException:
    """Discord's answer as nextcord raises it."""
    response = SimpleNamespace(status=status, reason="", headers=headers)
    return nextcord.HTTPException(response, {"code": code, "message": ""})


TRANSIENT: dict[str, Callable[[], Exception]] = {
    "429": lambda: failure(429, **{"Retry-After": "0.001"}),
    "503": lambda: failure(503),
    "reset": lambda: ConnectionResetError(104, "reset"),
    "aiohttp": aiohttp.ServerDisconnectedError,
    "slow": TimeoutError,
}


@pytest.mark.parametrize("name", TRANSIENT)
async def test_what_passes_is_tried_again(name: str) -> None:
    """Three temporary failures, and then the answer."""
    call = Script(*(TRANSIENT[name]() for _ in range(3)))
    assert await attempt(call, QUICK) == "done"
    assert call.calls == 4


@pytest.mark.parametrize("name", TRANSIENT)
async def test_trying_again_has_an_end(name: str) -> None:
    """A failure that never goes away is raised once the attempts are used up."""
    call = Script(*(TRANSIENT[name]() for _ in range(9)))
    with pytest.raises(DiscordRefused) as caught:
        await attempt(call, QUICK)
    assert caught.value.kind is Refusal.UNREACHABLE
    assert call.calls == QUICK.tries


async def test_a_wait_beyond_patience_is_not_waited() -> None:
    """A caller told to wait an hour gives up at once, and the error says how long the wait was."""
    with pytest.raises(DiscordRefused) as caught:
        await attempt(Script(failure(429, **{"Retry-After": "3600"})), QUICK)
    assert (caught.value.kind, caught.value.wait) == (Refusal.UNREACHABLE, 3600.0)


KINDS = {
    (413, 0): Refusal.TOO_LARGE,
    (400, 40005): Refusal.TOO_LARGE,
    (403, 50013): Refusal.FORBIDDEN,
    (403, 0): Refusal.FORBIDDEN,
    (404, 10008): Refusal.MESSAGE_GONE,
    (404, 10003): Refusal.CHANNEL_GONE,
    (401, 50027): Refusal.EXPIRED,
    (404, 10062): Refusal.EXPIRED,
    (400, 40060): Refusal.ANSWERED,
    (400, 30046): Refusal.OTHER,
    (400, 50035): Refusal.OTHER,
}


@pytest.mark.parametrize(("status", "code"), KINDS)
async def test_refusals_have_names(status: int, code: int) -> None:
    """A refusal is not retried, and its exception says what it is."""
    call = Script(failure(status, code))
    with pytest.raises(DiscordRefused) as caught:
        await attempt(call, QUICK)
    assert caught.value.kind is KINDS[status, code]
    assert call.calls == 1


async def test_what_nextcord_cannot_read_is_a_refusal() -> None:
    """Such as a channel of a kind that it does not know: trying again would not help."""
    call = Script(nextcord.InvalidData("Unknown channel type"))
    with pytest.raises(DiscordRefused) as caught:
        await attempt(call, QUICK)
    assert caught.value.kind is Refusal.OTHER
    assert call.calls == 1


async def test_each_try_is_a_call_of_its_own() -> None:
    """Anything a call builds, such as files, is built again for each attempt."""
    built: list[list[int]] = []

    async def call() -> list[int]:
        built.append([])
        if len(built) < 3:
            raise failure(503)
        return built[-1]

    made: Callable[[], Awaitable[list[int]]] = call
    assert await attempt(made, QUICK) is built[2]
