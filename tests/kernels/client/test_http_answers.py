"""What a node's HTTP answer means to a person, and to the caller."""

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

SETTINGS = KernelSettings(
    Path("/p"), 16, timedelta(hours=1), Limits(), "S", ("numpy",), None, 1 << 30, None, timedelta(days=30)
)


def answered(status: int) -> aiohttp.ClientResponseError:
    """A node has answered this way."""
    return aiohttp.ClientResponseError(cast(Any, None), (), status=status)


async def test_nobody_is_told_where_a_node_listens() -> None:
    """The message about a failed connection contains no address."""
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
    """The sentence is never empty."""
    assert words_for(error) == words


async def test_a_refusal_has_the_systems_number_where_the_node_told_it() -> None:
    """It lets us tell the person what to do about a full disk."""

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
    """A starting or stopping node is soon asked again."""
    for cause, changing in ((answered(CHANGING), True), (answered(404), False), (OSError(), False)):
        error = NodeUnavailable("it is away")
        error.__cause__ = cause
        assert is_changing(error) is changing


def test_settings_that_differ_are_named_limits_by_their_own_names() -> None:
    """Whether all or a few are wanted; a setting that the node does not report counts as different."""
    other = replace(SETTINGS, size=2, limits=Limits(memory=1, files=3))
    assert differing(SETTINGS, SETTINGS) == set()
    assert differing(SETTINGS, other) == {"size", "memory", "files"}
    assert differing({"size": 16, "tier": "S", "memory": 1, "node_idle": None}, other) == {
        "size",
        "node_idle",
    }
