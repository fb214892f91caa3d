"""The registration of application commands, globally and in a guild."""

from tests.loopback.errors import Refusal
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world.commands import GLOBAL

EVERYWHERE = "/applications/{application_id}/commands"
IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"


def _scope(call: Call) -> int | None:
    if call.id("application_id") != call.world.bot.id:
        raise Refusal(20012, status=403, message="You are not authorized to perform this action")
    if "guild_id" not in call.parameters:
        return GLOBAL
    guild = call.world.guilds.get(call.id("guild_id"))
    if guild is None or not guild.with_bot:
        raise Refusal(50001)
    return guild.id


@route("GET", EVERYWHERE)
@route("GET", IN_GUILD)
async def list_commands(call: Call) -> Reply:
    """What is registered."""
    return Reply(call.world.commands.listed(_scope(call)))


@route("PUT", EVERYWHERE)
@route("PUT", IN_GUILD)
async def overwrite_commands(call: Call) -> Reply:
    """Register these and no others."""
    commands = call.world.commands.overwrite(_scope(call), call.body)
    call.world.watch.changed()
    return Reply(commands)


@route("POST", EVERYWHERE)
@route("POST", IN_GUILD)
async def upsert_command(call: Call) -> Reply:
    """Register one, or change the one of that name."""
    command, new = call.world.commands.upsert(_scope(call), call.body)
    call.world.watch.changed()
    return Reply(command, 201 if new else 200)


@route("GET", EVERYWHERE + "/{command_id}")
@route("GET", IN_GUILD + "/{command_id}")
async def get_command(call: Call) -> Reply:
    """One command."""
    return Reply(call.world.commands.get(_scope(call), call.id("command_id")))


@route("PATCH", EVERYWHERE + "/{command_id}")
@route("PATCH", IN_GUILD + "/{command_id}")
async def edit_command(call: Call) -> Reply:
    """Change one."""
    command = call.world.commands.edit(_scope(call), call.id("command_id"), call.body)
    call.world.watch.changed()
    return Reply(command)


@route("DELETE", EVERYWHERE + "/{command_id}")
@route("DELETE", IN_GUILD + "/{command_id}")
async def delete_command(call: Call) -> Reply:
    """Remove one."""
    call.world.commands.delete(_scope(call), call.id("command_id"))
    call.world.watch.changed()
    return Reply()
