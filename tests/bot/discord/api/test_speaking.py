"""Who may write where, according to an interaction."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from nextcord import Object, PartialMessageable, Permissions

from bot.discord.api.speaking import Speakers, may_speak

UNCACHED = PartialMessageable(state=cast(Any, None), id=10)


@pytest.mark.parametrize(
    ("rights", "may"),
    [
        ({"view_channel": True, "send_messages": True}, True),
        ({"view_channel": True, "send_messages_in_threads": True}, True),
        ({"view_channel": True}, False),
        ({"send_messages": True, "send_messages_in_threads": True}, False),
    ],
)
def test_a_channel_in_no_cache_may_be_a_thread(rights: dict[str, bool], may: bool) -> None:
    """Such as an archived one: somebody who may write only in threads is not refused there."""
    interaction = SimpleNamespace(guild_id=1, permissions=Permissions(**rights), channel=UNCACHED)
    assert may_speak(cast(Any, interaction)) is may


async def test_a_server_in_no_cache_cannot_be_asked() -> None:
    """nextcord knows only its id there, as when the bot has just left it: nobody is refused for that."""

    async def find(_: int) -> Any:
        return SimpleNamespace(guild=Object(id=1))

    assert await Speakers(find).may_write(7, 10)
