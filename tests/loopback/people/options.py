"""The options of a slash command as a client fills them in: only those there are, of their types."""

from typing import TYPE_CHECKING, Any

from tests.loopback.errors import NotPossible
from tests.loopback.payloads import places as payloads
from tests.loopback.world.state import Channel, User

if TYPE_CHECKING:
    from tests.loopback.world.world import World

Json = dict[str, Any]
SUBCOMMANDS = (1, 2)
STRING, INTEGER, BOOLEAN, SOMEBODY, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(3, 12)
TYPES: dict[int, type | tuple[type, ...]] = {
    STRING: str,
    INTEGER: int,
    BOOLEAN: bool,
    NUMBER: (int, float),
    CHANNEL: Channel,
    ATTACHMENT: tuple,
}
LONGEST = 6000  # characters of a text


def chosen(world: "World", command: Json, path: list[str], given: Json, channel: Channel) -> Json:
    """The data of a command that is run.

    Raises:
        NotPossible: an option is missing, unknown or of the wrong kind
    """
    level = _level(command, path)
    known = {option["name"]: option for option in level}
    if strange := set(given) - set(known):
        raise NotPossible(f"no options {sorted(strange)}; there are {sorted(known)}")
    if missing := [o["name"] for o in level if o.get("required") and o["name"] not in given]:
        raise NotPossible(f"options {missing} are required")
    resolved: Json = {}
    sent = [_sent(world, known[name], value, resolved, channel) for name, value in given.items()]
    return _data(command, path, sent, resolved)


def focused(
    world: "World", command: Json, path: list[str], focus: tuple[str, str], given: Json, channel: Channel
) -> Json:
    """The data of a command in which one option, which must have autocomplete, is being typed.

    Raises:
        NotPossible: it has none
    """
    known = {option["name"]: option for option in _level(command, path)}
    name, text = focus
    if not known.get(name, {}).get("autocomplete"):
        raise NotPossible(f"option {name!r} has no autocomplete; there are {sorted(known)}")
    resolved: Json = {}
    sent = [_sent(world, known[other], value, resolved, channel) for other, value in given.items()]
    sent.append({"name": name, "type": known[name]["type"], "value": text, "focused": True})
    return _data(command, path, sent, resolved)


def _level(command: Json, path: list[str]) -> list[Json]:
    level: list[Json] = command["options"]
    for name in path:
        below = [o for o in level if o["name"] == name and o["type"] in SUBCOMMANDS]
        if not below:
            raise NotPossible(f"no subcommand {name!r} of {command['name']!r}")
        level = below[0].get("options", [])
    if any(option["type"] in SUBCOMMANDS for option in level):
        raise NotPossible(f"{command['name']!r} needs one of the subcommands {[o['name'] for o in level]}")
    return level


def _data(command: Json, path: list[str], sent: list[Json], resolved: Json) -> Json:
    kinds, level = [], command["options"]
    for name in path:
        below = next(option for option in level if option["name"] == name)
        kinds.append(below["type"])
        level = below.get("options", [])
    for name, kind in reversed(list(zip(path, kinds, strict=True))):
        sent = [{"name": name, "type": kind, "options": sent}]
    data: Json = {key: command[key] for key in ("id", "name", "type")} | {"options": sent}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | ({"resolved": resolved} if resolved else {})


def _sent(world: "World", option: Json, value: Any, resolved: Json, channel: Channel) -> Json:
    kind, name = option["type"], option["name"]
    fits = isinstance(value, TYPES.get(kind, object)) and (kind == BOOLEAN or not isinstance(value, bool))
    if not fits:
        raise NotPossible(f"{value!r} is no value for option {name!r}")
    if option.get("choices"):
        by_name = {choice["name"]: choice["value"] for choice in option["choices"]}
        if value not in (*by_name, *by_name.values()):
            raise NotPossible(f"{value!r} is no choice for {name!r}: {list(by_name)}")
        value = by_name.get(value, value)
    _within(option, value)
    if kind in (SOMEBODY, MENTIONABLE):
        user = world.users[value.id]
        for key, told in resolved_user(user, channel).items():
            resolved.setdefault(key, {}).update(told)
        value = str(user.id)
    elif kind == CHANNEL:
        resolved.setdefault("channels", {})[str(value.id)] = payloads.channel(value) | {"permissions": "0"}
        value = str(value.id)
    elif kind == ATTACHMENT:
        filename, data = value
        value = world.upload(channel, filename, data, resolved)
    elif kind == ROLE:
        resolved.setdefault("roles", {})[str(value.id)] = payloads.role(value)
        value = str(value.id)
    return {"name": name, "type": kind, "value": value}


def resolved_user(user: User, channel: Channel) -> Json:
    """The resolved data of a user that a command names: as a user, and as a member if they are one."""
    told: Json = {"users": {str(user.id): payloads.user(user)}}
    if channel.guild is not None and user.id in channel.guild.members:
        member = payloads.member(channel.guild.members[user.id], with_user=False)
        told["members"] = {str(user.id): member | {"permissions": "0"}}
    return told


def _within(option: Json, value: Any) -> None:
    if option["type"] == STRING:
        if not option.get("min_length", 0) <= len(value) <= option.get("max_length", LONGEST):
            raise NotPossible(f"{len(value)} characters for {option['name']!r}")
    elif option["type"] in (INTEGER, NUMBER):
        low, high = option.get("min_value", value), option.get("max_value", value)
        if not low <= value <= high:
            raise NotPossible(f"{value} for {option['name']!r} is not within {low} and {high}")
