"""Followups and changes by an interaction's token, which is valid for 15 minutes."""

from tests.loopback.errors import Refusal
from tests.loopback.rest import compose
from tests.loopback.rest.routes.callbacks import new_message
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world.interactions import Interaction
from tests.loopback.world.messages import LOADING, Message

TOKEN = "/webhooks/{webhook_id}/{webhook_token}"


def _interaction(call: Call) -> Interaction:
    """The interaction of a token.

    Raises:
        Refusal: there is none, or it has not been acknowledged (10015); it is too old (50027)
    """
    for interaction in call.world.interactions:
        if interaction.token == call.parameters["webhook_token"]:
            break
    else:
        raise Refusal(10015)
    if call.id("webhook_id") != call.world.bot.id or not interaction.acknowledged:
        raise Refusal(10015)
    if interaction.expired:
        raise Refusal(50027)
    return interaction


def _message(call: Call) -> tuple[Interaction, Message]:
    interaction = _interaction(call)
    wanted = call.parameters.get("message_id", "@original")
    for message in [interaction.response, *interaction.followups]:
        if message is not None and not message.deleted:
            if message is interaction.response and wanted == "@original":
                return interaction, message
            if str(message.id) == wanted:
                return interaction, message
    raise Refusal(10008)


@route("POST", TOKEN)
async def follow_up(call: Call) -> Reply:
    """Post a followup; the first one after a deferred reply takes the place of its loading message."""
    interaction, world = _interaction(call), call.world
    response = interaction.response
    if response is not None and response.loading and not response.deleted:
        return _change(call, response)
    if interaction.user_installed and len(interaction.followups) >= world.limits.user_installed_followups:
        raise Refusal(40094)
    message = new_message(world, interaction, call.body.get("flags") or 0)
    message.flags &= ~LOADING
    if (
        message.reference is None
        and response is not None
        and not response.ephemeral
        and not message.ephemeral
    ):
        message.reference = response
    message.kind = 19 if message.reference else 0
    compose.fill(world, message, call.body, call.files)
    interaction.followups.append(message)
    world.post(message)
    return Reply(world.message_told(message))


def _change(call: Call, message: Message) -> Reply:
    was_loading = message.loading
    flags = message.flags
    message.flags &= ~LOADING
    try:
        compose.change(call.world, message, call.body, call.files)
    except Refusal:
        message.flags = flags
        raise
    if was_loading:
        message.allowed_mentions = call.body.get("allowed_mentions")
        call.world.ping(message)
    call.world.edited(message, silently=was_loading)
    return Reply(call.world.message_told(message))


@route("GET", TOKEN + "/messages/@original")
@route("GET", TOKEN + "/messages/{message_id}")
async def get_response(call: Call) -> Reply:
    """The original response or a followup."""
    return Reply(call.world.message_told(_message(call)[1]))


@route("PATCH", TOKEN + "/messages/@original")
@route("PATCH", TOKEN + "/messages/{message_id}")
async def edit_response(call: Call) -> Reply:
    """Change the original response or a followup."""
    return _change(call, _message(call)[1])


@route("DELETE", TOKEN + "/messages/@original")
@route("DELETE", TOKEN + "/messages/{message_id}")
async def delete_response(call: Call) -> Reply:
    """Delete the original response or a followup."""
    call.world.remove(_message(call)[1])
    return Reply()
