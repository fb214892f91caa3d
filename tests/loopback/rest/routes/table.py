"""How routes are written down:

    @route("GET", "/channels/{channel_id}")
    async def get_channel(call: Call) -> Reply: ...

The template is the path in Discord's OpenAPI document, against which requests and responses are checked.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.errors import Refusal
from tests.loopback.world import permissions
from tests.loopback.world.messages import Message
from tests.loopback.world.state import Channel, User
from tests.loopback.world.world import World

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; a `body` of None makes it a 204."""

    body: Any = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the path's parameters, the query, the body and the files by number."""

    world: World
    parameters: dict[str, str]
    query: dict[str, str]
    body: Any = None
    files: dict[int, tuple[str, bytes]] = field(default_factory=dict)

    def id(self, name: str) -> int:
        """A parameter that is an id.

        Raises:
            Refusal: it is not an id
        """
        value = self.parameters[name]
        if not value.isdecimal():
            raise Refusal(
                50035, errors={name: {"_errors": [{"code": "NUMBER_TYPE_COERCE", "message": value}]}}
            )
        return int(value)

    def channel(self, *needed: str) -> Channel:
        """The channel in the path, in which the bot must have these permissions.

        Raises:
            Refusal: there is none (10003), the bot does not see it (50001), or may not do it (50013)
        """
        channel = self.world.channels.get(self.id("channel_id"))
        if channel is None or channel.deleted:
            raise Refusal(10003)
        if not self.world.sees(channel):
            raise Refusal(50001)
        if not permissions.may(channel, self.world.bot, *needed):
            raise Refusal(50013)
        return channel

    def message(self, channel: Channel) -> Message:
        """The message in the path; an ephemeral one cannot be reached this way.

        Raises:
            Refusal: there is none (10008)
        """
        message = channel.ever.get(self.id("message_id"))
        if message is None or message.deleted or message.ephemeral:
            raise Refusal(10008)
        return message

    def user(self, name: str = "user_id") -> User:
        """The user in the path.

        Raises:
            Refusal: there is none (10013)
        """
        user = self.world.users.get(self.id(name))
        if user is None:
            raise Refusal(10013)
        return user


Route = Callable[[Call], Awaitable[Reply]]
ROUTES: dict[tuple[str, str], Route] = {}


def route(method: str, template: str) -> Callable[[Route], Route]:
    """Register a function in the table."""

    def put(function: Route) -> Route:
        ROUTES[method, template] = function
        return function

    return put
