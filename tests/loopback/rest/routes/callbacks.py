"""The first answer to an interaction: within three seconds, and once."""

from typing import Any

from tests.loopback.errors import Refusal, invalid
from tests.loopback.rest import compose
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world.interactions import Answer, Interaction, Kind, Modal
from tests.loopback.world.messages import EPHEMERAL, LOADING, Message
from tests.loopback.world.world import World

Json = dict[str, Any]
FITTING = {
    Kind.COMMAND: {Answer.MESSAGE, Answer.DEFERRED_MESSAGE, Answer.MODAL},
    Kind.COMPONENT: {
        Answer.MESSAGE,
        Answer.DEFERRED_MESSAGE,
        Answer.DEFERRED_UPDATE,
        Answer.UPDATE,
        Answer.MODAL,
    },
    Kind.AUTOCOMPLETE: {Answer.CHOICES},
    Kind.MODAL: {Answer.MESSAGE, Answer.DEFERRED_MESSAGE, Answer.DEFERRED_UPDATE, Answer.UPDATE},
}
COMMAND_KIND, CONTEXT_COMMAND_KIND = 20, 23


@route("POST", "/interactions/{interaction_id}/{interaction_token}/callback")
async def answer(call: Call) -> Reply:
    """Acknowledge an interaction."""
    interaction = _interaction(call)
    kind = Answer(call.body["type"])
    if kind not in FITTING[interaction.kind] or (
        kind in (Answer.DEFERRED_UPDATE, Answer.UPDATE) and interaction.message is None
    ):
        raise invalid("type", "INTERACTION_RESPONSE_TYPE", f"{kind.name} does not fit here")
    data = call.body.get("data") or {}
    if kind is Answer.MESSAGE:
        message = new_message(call.world, interaction, data.get("flags") or 0)
        compose.fill(call.world, message, data, call.files)
        _respond(call.world, interaction, message)
    elif kind is Answer.DEFERRED_MESSAGE:
        message = new_message(call.world, interaction, (data.get("flags") or 0) | LOADING)
        _respond(call.world, interaction, message)
    elif kind is Answer.MODAL:
        interaction.modal = Modal(interaction, data["custom_id"], data["title"], data["components"])
    elif kind is Answer.CHOICES:
        interaction.choices = data["choices"]
    else:
        assert interaction.message is not None
        interaction.response = interaction.message
        if kind is Answer.UPDATE:
            compose.change(call.world, interaction.message, data, call.files)
            call.world.edited(interaction.message)
    interaction.answer = kind
    interaction.acknowledged_at = call.world.clock.now()
    call.world.watch.changed()
    return Reply()


def _interaction(call: Call) -> Interaction:
    for interaction in call.world.interactions:
        if interaction.id == call.id("interaction_id"):
            break
    else:
        raise Refusal(10062)
    if interaction.token != call.parameters["interaction_token"]:
        raise Refusal(10062)
    if interaction.acknowledged:
        raise Refusal(40060)
    if interaction.failed:
        raise Refusal(10062)
    return interaction


def new_message(world: World, interaction: Interaction, flags: int) -> Message:
    """A message that answers an interaction, empty and not yet posted."""
    message = Message(world.ids.next(), interaction.channel, world.bot, world.clock.now())
    message.interaction = interaction
    message.flags = flags & (EPHEMERAL | LOADING)
    if flags & EPHEMERAL:
        message.ephemeral_for = interaction.user.id
    if interaction.kind is Kind.COMMAND:
        message.kind = COMMAND_KIND if interaction.data["type"] == 1 else CONTEXT_COMMAND_KIND
    elif interaction.message is not None and not flags & EPHEMERAL:
        message.reference = interaction.message
    return message


def _respond(world: World, interaction: Interaction, message: Message) -> None:
    interaction.response = message
    world.post(message)
