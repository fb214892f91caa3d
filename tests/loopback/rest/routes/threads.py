"""Threads: below a message or a channel, and who is in them."""

from tests.loopback.errors import Refusal, invalid
from tests.loopback.payloads import places as payloads
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world.messages import HAS_THREAD, Message
from tests.loopback.world.state import DM, PRIVATE_THREAD, PUBLIC_THREAD, Channel, User
from tests.loopback.world.world import World

STARTER = 21


def start(
    world: World, parent: Channel, owner: User, name: str, kind: int, message: Message | None
) -> Channel:
    """Start a thread and tell the bot; below `message` it gets the message's id."""
    thread = Channel(
        message.id if message else world.ids.next(),
        kind,
        name,
        world.watch,
        world.clock.now(),
        guild=parent.guild,
        parent=parent,
        owner_id=owner.id,
    )
    thread.thread_members[owner.id] = world.clock.now()
    world.keep_channel(thread)
    told = payloads.channel(thread) | {"newly_created": True}
    if owner is world.bot:
        told["member"] = payloads.thread_member(thread, owner.id)
    world.tell_channel(thread, "THREAD_CREATE", told)
    if message is not None:
        message.thread = thread
        message.flags |= HAS_THREAD
        starter = Message(world.ids.next(), thread, owner, world.clock.now(), kind=STARTER, reference=message)
        world.post(starter)
        world.edited(message, silently=True)
    return thread


def _create(call: Call, parent: Channel, kind: int, message: Message | None) -> Reply:
    if parent.is_thread or parent.kind == DM:
        raise Refusal(50024)
    if not call.body["name"].strip():
        raise invalid("name", "BASE_TYPE_REQUIRED", "This field is required")
    thread = start(call.world, parent, call.world.bot, call.body["name"].strip(), kind, message)
    thread.auto_archive = call.body.get("auto_archive_duration") or thread.auto_archive
    member = payloads.thread_member(thread, call.world.bot.id)
    return Reply(payloads.channel(thread) | {"member": member}, 201)


@route("POST", "/channels/{channel_id}/messages/{message_id}/threads")
async def thread_of_message(call: Call) -> Reply:
    """Start a thread below a message."""
    channel = call.channel("create_public_threads", "read_message_history")
    message = call.message(channel)
    if message.thread is not None:
        raise Refusal(160004)
    return _create(call, channel, PUBLIC_THREAD, message)


@route("POST", "/channels/{channel_id}/threads")
async def thread_of_channel(call: Call) -> Reply:
    """Start a thread below a channel; a private one unless told otherwise."""
    kind = call.body.get("type") or PRIVATE_THREAD
    needed = "create_private_threads" if kind == PRIVATE_THREAD else "create_public_threads"
    return _create(call, call.channel(needed), kind, None)


def _thread(call: Call) -> Channel:
    channel = call.channel()
    if not channel.is_thread:
        raise Refusal(50024)
    if channel.archived:
        raise Refusal(50083)
    return channel


def _member(call: Call) -> User:
    return call.user() if "user_id" in call.parameters else call.world.bot


@route("PUT", "/channels/{channel_id}/thread-members/@me")
@route("PUT", "/channels/{channel_id}/thread-members/{user_id}")
async def join_thread(call: Call) -> Reply:
    """The bot joins a thread, or adds somebody."""
    thread = _thread(call)
    thread.thread_members.setdefault(_member(call).id, call.world.clock.now())
    call.world.watch.changed()
    return Reply()


@route("DELETE", "/channels/{channel_id}/thread-members/@me")
@route("DELETE", "/channels/{channel_id}/thread-members/{user_id}")
async def leave_thread(call: Call) -> Reply:
    """The bot leaves a thread, or removes somebody."""
    _thread(call).thread_members.pop(_member(call).id, None)
    call.world.watch.changed()
    return Reply()
