"""What the database knows of earlier answers."""

from typing import Any

from bot.discord.answers.history import cell_record, destinations_of, messages_of
from bot.discord.api.retry import DiscordRefused, Refusal
from filestore.errors import StoreUnavailable
from filestore.records import MessageCell
from tests.bot.discord.answers.fakes import (
    CHANNEL,
    MESSAGE,
    FakeCells,
    FakeDestinations,
    a_context,
    a_record,
    a_session_record,
)


async def test_a_cells_record_is_that_of_its_number() -> None:
    """If that record is gone, the next entry does not stand in for it."""
    context = a_context(records=[a_record(3)])
    assert await cell_record(context, "u1", 3) == a_record(3)
    assert await cell_record(context, "u1", 2) is None


async def test_without_its_database_an_answer_has_no_messages() -> None:
    """It is sent as a new message then, and nothing is raised."""

    class Away(FakeCells):
        async def of_cell(self, session_id: str, seq: int) -> Any:
            raise StoreUnavailable("away")

    assert await messages_of(a_context(cells=Away()), "u1", 3) == []


async def test_an_answer_whose_channel_is_gone_goes_on_in_direct_messages() -> None:
    """It takes over no message there."""

    class Gone(FakeDestinations):
        async def channel(self, *_args: object) -> Any:
            raise DiscordRefused(Refusal.CHANNEL_GONE, OSError())

    destinations = Gone()
    context = a_context(destinations=destinations)
    noted = [MessageCell(MESSAGE, "u1", 3, CHANNEL)]
    found, message = await destinations_of(context, a_session_record(), noted, reply=False)
    assert found == [destinations.to_person]
    assert message is None


async def test_an_answer_leaves_a_channel_where_its_person_may_not_write_any_more() -> None:
    """After the bot restarts, the rest of a banned person's cell is shown to them alone."""

    class Muted(FakeDestinations):
        async def may_write(self, _user_id: int, channel_id: int) -> bool:
            return channel_id != CHANNEL

        async def channel(self, *_args: object) -> Any:
            raise AssertionError("nothing is sent there")

    destinations = Muted()
    context = a_context(destinations=destinations)
    noted = [MessageCell(MESSAGE, "u1", 3, CHANNEL)]
    found, message = await destinations_of(context, a_session_record(), noted, reply=False)
    assert found == [destinations.to_person]
    assert message is None
