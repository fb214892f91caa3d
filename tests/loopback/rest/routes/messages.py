"""Messages in channels."""

from typing import Any

from tests.loopback.errors import Refusal, invalid
from tests.loopback.rest import compose
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.settings import Rate
from tests.loopback.world import permissions
from tests.loopback.world.messages import Message
from tests.loopback.world.state import DM, Channel

Json = dict[str, Any]
REPLY = 19
MESSAGE = "/channels/{channel_id}/messages/{message_id}"


def _referenced(call: Call, channel: Channel) -> Message | None:
    reference = call.body.get("message_reference")
    if not reference:
        return None
    message = channel.ever.get(int(reference["message_id"]))
    if message is not None and not message.deleted and not message.ephemeral:
        return message
    if reference.get("fail_if_not_exists", True):
        raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None


@route("POST", "/channels/{channel_id}/messages")
async def create_message(call: Call) -> Reply:
    """Post a message."""
    channel = call.channel()
    needed = ["send_messages_in_threads" if channel.is_thread else "send_messages"]
    if call.files:
        needed.append("attach_files")
    if call.body.get("message_reference"):
        needed.append("read_message_history")
    if not permissions.may(channel, call.world.bot, *needed):
        raise Refusal(50013)
    if any(user.dms_closed for user in channel.recipients):
        raise Refusal(50007)
    if channel.archived and channel.locked:
        raise Refusal(50083)
    call.world.unarchive(channel)
    message = Message(call.world.ids.next(), channel, call.world.bot, call.world.clock.now())
    message.reference = _referenced(call, channel)
    message.kind = REPLY if message.reference else 0
    compose.fill(call.world, message, call.body, call.files)
    call.world.post(message)
    return Reply(call.world.message_told(message))


@route("GET", "/channels/{channel_id}/messages")
async def list_messages(call: Call) -> Reply:
    """The newest messages first, `limit` of them, `before`, `after` or `around` an id."""
    channel = call.channel("read_message_history")
    found = channel.messages
    if "before" in call.query:
        found = [m for m in found if m.id < int(call.query["before"])]
    limit = int(call.query.get("limit", 50))
    if "after" in call.query:
        found = [m for m in found if m.id > int(call.query["after"])][:limit]
    if "around" in call.query:
        found = sorted(found, key=lambda m: abs(m.id - int(call.query["around"])))[:limit]
    newest = sorted(found, key=lambda m: m.id, reverse=True)[:limit]
    return Reply([call.world.message_told(m) for m in newest])


@route("GET", MESSAGE)
async def get_message(call: Call) -> Reply:
    """One message."""
    return Reply(call.world.message_told(call.message(call.channel("read_message_history"))))


def _refuse_many_edits(call: Call, message: Message) -> None:
    """30046: an old message may not be edited too often."""
    now, limits = call.world.clock.now(), call.world.limits
    rate: Rate = limits.old_message_edits
    if now - message.created > limits.old_message:
        lately = [state for state in message.history_of_states if now - state.at < rate.seconds]
        if len(lately) >= rate.requests:
            raise Refusal(30046, retry_after=rate.seconds)


@route("PATCH", MESSAGE)
async def edit_message(call: Call) -> Reply:
    """Change a message of the bot's own."""
    channel = call.channel()
    message = call.message(channel)
    if message.author is not call.world.bot:
        raise Refusal(50005)
    if call.files and not permissions.may(channel, call.world.bot, "attach_files"):
        raise Refusal(50013)
    if channel.is_thread and channel.archived:
        raise Refusal(50083)
    _refuse_many_edits(call, message)
    compose.change(call.world, message, call.body, call.files)
    call.world.edited(message)
    return Reply(call.world.message_told(message))


@route("DELETE", MESSAGE)
async def delete_message(call: Call) -> Reply:
    """Delete a message; somebody else's needs a permission."""
    channel = call.channel()
    message = call.message(channel)
    if message.author is not call.world.bot and (
        channel.kind == DM or not permissions.may(channel, call.world.bot, "manage_messages")
    ):
        raise Refusal(50013)
    call.world.remove(message)
    return Reply()


@route("POST", "/channels/{channel_id}/messages/bulk-delete")
async def delete_messages(call: Call) -> Reply:
    """Delete 2 to 100 messages."""
    channel = call.channel("manage_messages")
    for each in call.body["messages"]:
        message = channel.ever.get(int(each))
        if message is not None and not message.deleted:
            call.world.remove(message)
    return Reply()
