"""Users, the application, guilds, and the gateway's address."""

from tests.loopback.errors import Refusal
from tests.loopback.payloads import places as payloads
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world.state import Guild


@route("GET", "/users/@me")
async def get_me(call: Call) -> Reply:
    """The bot itself."""
    return Reply(payloads.own_user(call.world.bot))


@route("GET", "/users/{user_id}")
async def get_user(call: Call) -> Reply:
    """Any user."""
    return Reply(payloads.user(call.user()))


@route("POST", "/users/@me/channels")
async def open_dm(call: Call) -> Reply:
    """The direct messages with somebody."""
    user = call.world.users.get(int(call.body["recipient_id"]))
    if user is None:
        raise Refusal(10013)
    if user.bot:
        raise Refusal(50007)
    return Reply(payloads.channel(call.world.dm(user)))


@route("GET", "/oauth2/applications/@me")
async def get_application(call: Call) -> Reply:
    """The application."""
    bot = call.world.bot
    owner = next((user for user in call.world.users.values() if not user.bot), bot)
    return Reply(
        {
            "id": str(bot.id),
            "name": bot.name,
            "icon": None,
            "description": "",
            "type": None,
            "bot": payloads.user(bot),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": 1 << 19,
            "flags_new": str(1 << 19),
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": payloads.user(owner),
            "approximate_guild_count": len(call.world.guilds),
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
        }
    )


@route("GET", "/gateway")
async def get_gateway(call: Call) -> Reply:
    """The gateway's address."""
    return Reply({"url": call.world.gateway.url})


@route("GET", "/gateway/bot")
async def get_gateway_of_bot(call: Call) -> Reply:
    """The gateway's address, and how often a session may start."""
    starts = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
    return Reply({"url": call.world.gateway.url, "shards": 1, "session_start_limit": starts})


def _guild(call: Call) -> Guild:
    guild = call.world.guilds.get(call.id("guild_id"))
    if guild is None or not guild.with_bot:
        raise Refusal(10004)
    return guild


@route("GET", "/guilds/{guild_id}")
async def get_guild(call: Call) -> Reply:
    """A guild that the bot is in."""
    return Reply(payloads.guild(_guild(call), call.world.bot.id))


@route("GET", "/guilds/{guild_id}/channels")
async def get_channels(call: Call) -> Reply:
    """The channels of a guild, without its threads."""
    channels = _guild(call).channels.values()
    return Reply([payloads.channel(c) for c in channels if not c.is_thread and not c.deleted])


@route("GET", "/guilds/{guild_id}/members/{user_id}")
async def get_member(call: Call) -> Reply:
    """A member of a guild."""
    membership = _guild(call).members.get(call.id("user_id"))
    if membership is None:
        raise Refusal(10007)
    return Reply(payloads.member(membership))
