"""Our own messages, through a nextcord client and nothing else of the bot."""

import nextcord
import pytest

from bot.discord.api.destinations import ChannelDestination
from bot.discord.buttons.view import buttons
from bot.discord.format.attachments import Outgoing, Upload
from tests.loopback.loopback import Discord


async def test_edit_keeps_what_was_attached(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """An edit that adds a file keeps those that are there, unless it is told not to keep them."""
    general = discord.guild.channel("general")
    channel = tiny_bot.get_channel(general.id)
    assert isinstance(channel, nextcord.TextChannel)
    sent = await ChannelDestination(channel).send(Outgoing("one", (Upload("a.txt", b"a"),)))
    await sent.edit(Outgoing("two", (Upload("b.txt", b"b"),)), None)
    message = await general.wait_for(lambda m: m.content == "two")
    assert {a.filename: a.data for a in message.attachments} == {"a.txt": b"a", "b.txt": b"b"}
    await sent.edit(Outgoing("three"), None)
    assert len(message.attachments) == 2
    await sent.edit(Outgoing("four"), None, keep=())
    assert not message.attachments


async def test_file_is_whole_when_it_is_sent_again(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """A file whose first sending failed arrives with all its bytes."""
    general = discord.guild.channel("general")
    channel = tiny_bot.get_channel(general.id)
    assert isinstance(channel, nextcord.TextChannel)
    discord.faults.status("POST", "/channels/*/messages", 503)
    await ChannelDestination(channel).send(Outgoing("one", (Upload("a.txt", b"abc"),)))
    message = await general.wait_for(lambda m: m.content == "one")
    assert message.file("a.txt").data == b"abc"


@pytest.mark.parametrize("anew", [False, True])
async def test_file_is_whole_when_an_edit_is_tried_again(
    discord: Discord, tiny_bot: nextcord.Client, anew: bool
) -> None:
    """A file arrives with all its bytes although the first attempt at the edit failed."""
    general = discord.guild.channel("general")
    channel = tiny_bot.get_channel(general.id)
    assert isinstance(channel, nextcord.TextChannel)
    sent = await ChannelDestination(channel).send(Outgoing("one"))
    discord.faults.status("PATCH", "/channels/*/messages/*", 503)
    edited = Outgoing("two", (Upload("a.txt", b"abc"),))
    await (sent.edit(edited, None, keep=()) if anew else sent.edit(edited, None))
    message = await general.wait_for(lambda m: m.content == "two")
    assert message.file("a.txt").data == b"abc"


@pytest.mark.parametrize(
    ("names", "is_live"),
    [(("stop", "keep"), True), (("wait", "kill"), True), (("rerun", "edit", "notebook", "files"), False)],
)
async def test_message_is_live_while_it_has_a_button_that_ends_its_cell(
    discord: Discord, tiny_bot: nextcord.Client, names: tuple[str, ...], is_live: bool
) -> None:
    """That is how the next program recognizes an unfinished answer, even one that was asking."""
    channel = tiny_bot.get_channel(discord.guild.channel("general").id)
    assert isinstance(channel, nextcord.TextChannel)
    destination = ChannelDestination(channel)
    message = await destination.send(Outgoing("one"), buttons(names))
    assert (await destination.fetch(message.message_id)).is_live is is_live
