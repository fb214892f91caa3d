"""The final state of an answer, and the alternatives when Discord refuses it."""

from typing import cast

from bot.discord.answers.delivery import Delivery
from bot.discord.answers.pages import Pages
from bot.discord.api.retry import DiscordRefused, Refusal
from bot.discord.format.attachments import MessageLimits, Upload
from bot.scratch.drawing import Renderer
from tests.bot.discord.answers.fakes import ADA, FakeDestination, FakeMessage

FILES = [Upload("a.txt", b"a", file_id="a"), Upload("b.txt", b"b", file_id="b")]


def refused(kind: Refusal) -> DiscordRefused:
    """Discord's refusal."""
    return DiscordRefused(kind, OSError())


def delivery(*destinations: FakeDestination) -> Delivery:
    """A delivery to these destinations."""
    return Delivery(destinations, MessageLimits(), Pages(cast(Renderer, None), 0), ADA)


async def test_a_message_that_cannot_be_changed_is_replaced_and_deleted() -> None:
    """One that is gone is only replaced: there is nothing to delete."""
    for kind, deleted in ((Refusal.OTHER, True), (Refusal.MESSAGE_GONE, False)):
        here, old = FakeDestination(), FakeMessage(None, refused(kind))
        messages, is_whole = await delivery(here).deliver(["text"], [], None, old)
        assert messages == here.sent
        assert is_whole
        assert old.deleted is deleted


async def test_files_that_are_too_large_together_go_one_by_one() -> None:
    """The text stays in the first message, and each file keeps its bytes."""
    here = FakeDestination(refused(Refusal.TOO_LARGE))
    messages, is_whole = await delivery(here).deliver(["text"], FILES, None)
    outgoings = [message.outgoings[-1] for message in here.sent]
    assert [outgoing.content for outgoing in outgoings] == ["text", "", ""]
    assert [upload.data for outgoing in outgoings for upload in outgoing.uploads] == [b"a", b"b"]
    assert is_whole
    assert messages == here.sent


async def test_where_files_may_not_be_attached_a_sentence_says_how_to_get_each() -> None:
    """They are stored: their ids are in the text."""
    here = FakeDestination(refused(Refusal.FORBIDDEN))
    await delivery(here).deliver(["text"], FILES, None)
    (message,) = here.sent
    assert message.outgoings[-1].uploads == ()
    assert "files may not be attached here" in message.outgoings[-1].content
    assert all(f'load_file("{upload.file_id}")' in message.outgoings[-1].content for upload in FILES)


async def test_where_the_bot_may_not_write_the_answer_goes_to_the_next_destination() -> None:
    """An answer that reaches nobody counts as incomplete, and nothing is raised."""
    here, direct = FakeDestination(refused(Refusal.CHANNEL_GONE)), FakeDestination()
    assert await delivery(here, direct).deliver(["text"], [], None) == (direct.sent, True)
    nowhere = FakeDestination(refused(Refusal.CHANNEL_GONE))
    assert await delivery(nowhere).deliver(["text"], [], None) == ([], False)


async def test_a_text_that_discord_does_not_accept_becomes_a_sentence() -> None:
    """The answer then counts as incomplete."""
    here = FakeDestination(refused(Refusal.OTHER))
    _, is_whole = await delivery(here).deliver(["text"], [], None)
    assert not is_whole
    assert "`/notebook` has it" in here.sent[0].outgoings[-1].content
