"""The client, without Discord."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.client import Client
from filestore.errors import BytesStay


async def test_what_the_disk_keeps_of_a_person_is_all_that_stays() -> None:
    """Their last messages and the displays that wait to be updated are forgotten before they are told."""
    forgotten: list[str] = []

    async def refuses(_user_id: int) -> None:
        forgotten.append("sessions")
        raise BytesStay("no")

    def kept(what: str) -> SimpleNamespace:
        return SimpleNamespace(forget_person=lambda _user_id: forgotten.append(what))

    context = SimpleNamespace(sessions=SimpleNamespace(forget_person=refuses), updates=kept("displays"))
    client = cast(Any, SimpleNamespace(_context=context, _chat=kept("messages")))
    with pytest.raises(BytesStay):
        await Client.forget_person(client, 1)
    assert forgotten == ["sessions", "messages", "displays"]
