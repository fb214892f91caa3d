"""What a node's answer over HTTP means to a person, and to the caller."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from kernels.client.http_answers import CHANGING, body_of, differing, is_changing, words_for
from kernels.errors import NodeUnavailable
from kernels.limits import Limits
from kernels.node.settings import KernelSettings

SETTINGS = KernelSettings(Path("/p"), 16, timedelta(hours=1), Limits(), "S", ("numpy",))


def answered(status: int) -> aiohttp.ClientResponseError:
    """A node has answered so."""
    return aiohttp.ClientResponseError(cast(Any, None), (), status=status)


async def test_nobody_is_told_where_a_node_listens() -> None:
    """What a person reads of a connection that failed has no address in it."""
    refused = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 48021)")
    assert words_for(refused) == "Connection refused"
    assert words_for(TimeoutError()) == "it does not answer"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (answered(CHANGING), "it is starting or ending"),
        (answered(404), "it answers 404"),
        (OSError(None, "no route"), "no route"),
        (ValueError(), "ValueError"),
    ],
)
def test_other_failures_have_words_too(error: Exception, words: str) -> None:
    """Never an empty sentence."""
    assert words_for(error) == words


async def test_a_refusal_has_the_systems_number_where_the_node_told_it() -> None:
    """So that a person reads what to do about a full disk."""

    async def read() -> bytes:
        return b"body"

    def response(status: int, reason: str, **headers: str) -> Any:
        return SimpleNamespace(status=status, reason=reason, headers=headers, read=read)

    assert await body_of(response(200, "OK")) == b"body"
    with pytest.raises(OSError, match="No space") as raised:
        await body_of(response(500, "No space left on device", **{"Kernelcord-Errno": "28"}))
    assert raised.value.errno == 28
    with pytest.raises(OSError, match="HTTP 404"):
        await body_of(response(404, ""))


def test_a_node_that_starts_or_ends_is_told_from_one_that_is_away() -> None:
    """The first is asked again soon."""
    for cause, changing in ((answered(CHANGING), True), (answered(404), False), (OSError(), False)):
        error = NodeUnavailable("it is away")
        error.__cause__ = cause
        assert is_changing(error) is changing


def test_settings_that_differ_are_named_limits_by_their_own_names() -> None:
    """Those that are wanted, be they all or a few; what the node does not say counts as another."""
    other = replace(SETTINGS, size=2, limits=Limits(memory=1, files=3))
    assert differing(SETTINGS, SETTINGS) == set()
    assert differing(SETTINGS, other) == {"size", "memory", "files"}
    assert differing({"size": 16, "tier": "S", "memory": 1, "node_idle": None}, other) == {
        "size",
        "node_idle",
    }
