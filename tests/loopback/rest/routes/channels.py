"""Channels of any kind, and typing in them."""

from tests.loopback.payloads import places as payloads
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world.state import DM, Typing


@route("GET", "/channels/{channel_id}")
async def get_channel(call: Call) -> Reply:
    """A channel, a thread or a direct message."""
    return Reply(payloads.channel(call.channel()))


@route("PATCH", "/channels/{channel_id}")
async def edit_channel(call: Call) -> Reply:
    """Change a channel's name, or archive or lock a thread."""
    channel = call.channel()
    own_thread = channel.is_thread and channel.owner_id == call.world.bot.id
    if not own_thread:
        call.channel("manage_threads" if channel.is_thread else "manage_channels")
    channel.name = call.body.get("name") or channel.name
    if channel.is_thread:
        channel.archived = call.body.get("archived", channel.archived)
        channel.locked = call.body.get("locked", channel.locked)
        channel.auto_archive = call.body.get("auto_archive_duration") or channel.auto_archive
    told = payloads.channel(channel)
    call.world.tell_channel(channel, "THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE", told)
    return Reply(told)


@route("DELETE", "/channels/{channel_id}")
async def delete_channel(call: Call) -> Reply:
    """Delete a channel or a thread."""
    channel = call.channel()
    if channel.kind != DM:
        call.channel("manage_threads" if channel.is_thread else "manage_channels")
        call.world.remove_channel(channel)
    return Reply(payloads.channel(channel))


@route("POST", "/channels/{channel_id}/typing")
async def type_in_channel(call: Call) -> Reply:
    """Show for ten seconds that the bot types."""
    channel = call.channel("send_messages_in_threads" if _is_thread(call) else "send_messages")
    channel.typing.append(Typing(call.world.bot, call.world.clock.now()))
    call.world.watch.changed()
    return Reply()


def _is_thread(call: Call) -> bool:
    return call.channel().is_thread
