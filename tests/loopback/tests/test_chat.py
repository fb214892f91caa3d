"""Channels, messages, threads and permissions, and that all of it outlives the bot."""

import nextcord
import pytest

from tests.loopback import Discord, NotPossible, WaitFailed
from tests.loopback.bots import running, tiny
from tests.loopback.raw import Raw


async def test_bot_hears_and_replies_with_files(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """A message with a file reaches the bot, whose reply refers to it and has its own file."""
    asked = await discord.guild.member("ada").say(discord.guild.channel(), "hello", files=[("a.txt", b"1")])
    answer = await asked.wait_for_reply()
    assert answer.content == "heard: hello"
    assert answer.file("copy-a.txt").data == b"1"
    assert answer.file("copy-a.txt").description == "a copy"
    assert [b.label for b in answer.buttons] == ["Stop", "Edit", "Later", "Off"]
    assert answer.pinged == set()


async def test_state_outlives_the_bot(discord: Discord) -> None:
    """A bot that starts again finds messages, threads and its commands, and old buttons work."""
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    async with running(tiny(), discord):
        await discord.ready("run")
        answer = await (await ada.say(channel, "one")).wait_for_reply()
        thread = await ada.open_thread(channel, "talk")
    registered = {c["name"]: c["id"] for c in discord.commands.listed(None)}
    second = tiny()
    async with running(second, discord):
        found = second.get_channel(channel.id)
        assert isinstance(found, nextcord.TextChannel)
        assert (await found.fetch_message(answer.id)).content == "heard: one"
        assert isinstance(second.get_channel(thread.id), nextcord.Thread)
        assert (await (await ada.say(thread, "two")).wait_for_reply()).content == "heard: two"
        assert (await (await ada.slash(channel, "run", code="3")).wait_for_message()).content == "ran: 3"
    assert {c["name"]: c["id"] for c in discord.commands.listed(None)} == registered
    assert discord.gateway.identified == 2


async def test_threads_of_messages_and_channels(discord: Discord, raw: Raw) -> None:
    """The bot opens a thread below a message, with the message's id, and others below the channel."""
    channel = discord.guild.channel()
    said = await discord.guild.member("ada").say(channel, "here")
    path = f"/channels/{channel.id}"
    made = await raw("POST", f"{path}/messages/{said.id}/threads", {"name": "talk"})
    assert made.status == 201
    assert (await raw("POST", f"{path}/messages/{said.id}/threads", {"name": "again"})).code == 160004
    thread = await channel.wait_for_thread()
    assert (thread.id, thread.name, said.thread) == (said.id, "talk", thread)
    assert (await raw("POST", f"{path}/threads", {"name": "other", "type": 11})).status == 201
    assert (await raw("POST", f"/channels/{thread.id}/messages", {"content": "in it"})).status == 200
    assert [m.content for m in thread.messages] == ["", "in it"]
    path = f"/channels/{thread.id}"
    assert (await raw("PATCH", path, {"archived": True})).body["thread_metadata"]["archived"]
    assert (await raw("POST", f"{path}/messages", {"content": "again"})).status == 200
    assert not thread.archived
    await raw("PATCH", path, {"archived": True, "locked": True})
    assert (await raw("POST", f"{path}/messages", {"content": "late"})).code == 50083
    with pytest.raises(NotPossible):
        await discord.guild.member("bob").say(thread, "late")


async def test_direct_messages_may_be_closed(discord: Discord, raw: Raw) -> None:
    """A person who accepts no direct messages gets none: 50007."""
    bob = discord.guild.member("bob")
    opened = await raw("POST", "/users/@me/channels", {"recipient_id": str(bob.id)})
    path = f"/channels/{opened.body['id']}/messages"
    assert (await raw("POST", path, {"content": "a"})).status == 200
    bob.close_dms()
    assert (await raw("POST", path, {"content": "b"})).code == 50007
    assert [m.content for m in bob.dm().messages] == ["a"]


@pytest.mark.parametrize(
    ("denied", "files", "code"),
    [
        ("send_messages", 0, 50013),
        ("attach_files", 1, 50013),
        ("attach_files", 0, 0),
        ("view_channel", 0, 50001),
    ],
)
async def test_bot_lacks_a_permission(discord: Discord, raw: Raw, denied: str, files: int, code: int) -> None:
    """Discord refuses if the bot may not write, attach or view; elsewhere it does not."""
    channel = discord.guild.channel()
    discord.guild.overwrite(channel, discord.bot, deny=denied)
    uploads = {0: ("a.txt", b"1")} if files else None
    assert (await raw("POST", f"/channels/{channel.id}/messages", {"content": "a"}, uploads)).code == code
    other = discord.guild.channel("random")
    assert (await raw("POST", f"/channels/{other.id}/messages", {"content": "a"}, uploads)).code == 0


async def test_role_gives_back_what_a_channel_denies(discord: Discord, raw: Raw) -> None:
    """A role's overwrite takes precedence over everybody's."""
    channel = discord.guild.channel()
    everybody = discord.guild.guild.roles[discord.guild.id]
    discord.guild.overwrite(channel, everybody, deny="send_messages")
    assert (await raw("POST", f"/channels/{channel.id}/messages", {"content": "a"})).code == 50013
    role = discord.guild.add_role("writers")
    discord.guild.give_role(discord.bot, role)
    discord.guild.overwrite(channel, role, allow="send_messages")
    assert (await raw("POST", f"/channels/{channel.id}/messages", {"content": "a"})).status == 200
    with pytest.raises(NotPossible):
        await discord.guild.member("bob").say(channel, "may not")


async def test_what_is_gone_is_unknown(discord: Discord, raw: Raw) -> None:
    """A deleted message is 10008, a deleted channel 10003; a reply to a deleted message is invalid."""
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    said = await ada.say(channel, "a")
    path = f"/channels/{channel.id}/messages"
    mine = (await raw("POST", path, {"content": "b"})).body["id"]
    await ada.delete(said)
    await ada.delete(next(m for m in channel.messages if str(m.id) == mine))
    assert (await raw("PATCH", f"{path}/{mine}", {"content": "c"})).code == 10008
    assert (await raw("GET", f"{path}/{said.id}")).code == 10008
    reply = {"content": "d", "message_reference": {"message_id": str(said.id)}}
    assert (await raw("POST", path, reply)).code == 50035
    reply["message_reference"] = {"message_id": str(said.id), "fail_if_not_exists": False}
    assert (await raw("POST", path, reply)).status == 200
    discord.guild.remove_channel(channel)
    assert (await raw("POST", path, {"content": "e"})).code == 10003


async def test_bot_changes_its_own_messages_only(discord: Discord, raw: Raw) -> None:
    """Somebody else's message cannot be edited (50005), nor deleted without the permission (50013)."""
    channel = discord.guild.channel()
    said = await discord.guild.member("ada").say(channel, "a")
    path = f"/channels/{channel.id}/messages/{said.id}"
    assert (await raw("PATCH", path, {"content": "b"})).code == 50005
    assert (await raw("DELETE", path)).code == 50013
    discord.guild.overwrite(channel, discord.bot, allow="manage_messages")
    assert (await raw("DELETE", path)).status == 204
    assert said.deleted


async def test_old_message_takes_few_edits(discord: Discord, raw: Raw) -> None:
    """After an hour a message may be edited 30 times a minute; then it is 30046."""
    path = f"/channels/{discord.guild.channel().id}/messages"
    path += "/" + (await raw("POST", path, {"content": "a"})).body["id"]
    discord.clock.advance(61 * 60)
    codes = []
    for number in range(31):
        discord.clock.advance(1)
        codes.append((await raw("PATCH", path, {"content": str(number)})).code)
    assert codes == [0] * 30 + [30046]


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [
        (None, {"ada", "bob"}),
        ({"parse": []}, set()),
        ({"parse": ["users"]}, {"bob"}),
        ({"parse": [], "replied_user": True}, {"ada"}),
    ],
)
async def test_who_is_pinged(
    discord: Discord, raw: Raw, allowed: dict[str, object] | None, pinged: set[str]
) -> None:
    """Notifications follow `allowed_mentions`; without it, everybody named or replied to gets one."""
    channel, bob, carol = discord.guild.channel(), discord.guild.member("bob"), discord.guild.member("carol")
    said = await discord.guild.member("ada").say(channel, "a")
    body = {"content": f"{bob.mention} @everyone", "message_reference": {"message_id": str(said.id)}}
    if allowed is not None:
        body["allowed_mentions"] = allowed
    await raw("POST", f"/channels/{channel.id}/messages", body)
    answer = await said.wait_for_reply()
    assert {discord.world.users[user].name for user in answer.pinged} == pinged
    await raw("PATCH", f"/channels/{channel.id}/messages/{answer.id}", {"content": carol.mention})
    assert {discord.world.users[user].name for user in answer.pinged} == pinged
    assert answer.edited is not None


async def test_edits_reactions_and_typing_are_told(discord: Discord) -> None:
    """The bot hears of changes, deletions, reactions and typing; its own reactions and typing are seen."""
    heard: list[str] = []
    client = nextcord.Client(intents=nextcord.Intents.all())

    @client.event
    async def on_message(message: nextcord.Message) -> None:
        await message.add_reaction("✅")
        await message.channel.trigger_typing()

    @client.event
    async def on_message_edit(before: nextcord.Message, after: nextcord.Message) -> None:
        heard.append(f"edit {after.content}")

    @client.event
    async def on_message_delete(message: nextcord.Message) -> None:
        heard.append("delete")

    @client.event
    async def on_reaction_add(reaction: nextcord.Reaction, user: nextcord.User) -> None:
        heard.append(f"reaction of {user.name}")

    @client.event
    async def on_typing(channel: nextcord.TextChannel, user: nextcord.User, when: object) -> None:
        heard.append(f"typing of {user.name}")
        await channel.send("\n".join(heard))

    async with running(client, discord):
        ada, channel = discord.guild.member("ada"), discord.guild.channel()
        said = await ada.say(channel, "a")
        await said.wait_for(lambda m: "✅" in m.reactions)
        await channel.wait_for_typing()
        await ada.edit(said, "b")
        await ada.react(said, "👍")
        await ada.delete(said)
        await ada.type(channel)
        told = await channel.wait_for(lambda m: "typing" in m.content)
    for line in ("edit b", "reaction of kernelcord", "reaction of ada", "delete", "typing of ada"):
        assert line in told.content.splitlines()


async def test_wait_that_fails_shows_what_is_there(discord: Discord) -> None:
    """A wait that times out is an assertion error with the place's transcript."""
    await discord.guild.member("ada").say(discord.guild.channel(), "only this")
    with pytest.raises(WaitFailed, match="only this"):
        await discord.guild.channel().wait_for(lambda m: m.content == "that", timeout=0.01)
