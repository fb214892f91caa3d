"""The registered application commands, global and by guild: kept by name, with ids that stay the same."""

from typing import Any

from tests.loopback.clock import Snowflakes
from tests.loopback.errors import Refusal, invalid
from tests.loopback.settings import Limits

Json = dict[str, Any]
SLASH, USER_COMMAND, MESSAGE_COMMAND = 1, 2, 3
GLOBAL = None


class Commands:
    """By scope (a guild's id or `GLOBAL`), then by type and name. A bot that starts again finds them."""

    def __init__(self, application_id: int, ids: Snowflakes, limits: Limits) -> None:
        self._application_id = application_id
        self._ids = ids
        self._limits = limits
        self._scopes: dict[int | None, dict[tuple[int, str], Json]] = {}

    def listed(self, scope: int | None) -> list[Json]:
        """What is registered in a scope."""
        return list(self._scopes.get(scope, {}).values())

    def names(self, scope: int | None = GLOBAL) -> set[str]:
        """The names registered in a scope."""
        return {command["name"] for command in self.listed(scope)}

    def find(self, name: str, kind: int, guild_id: int | None) -> Json | None:
        """The command that a person in that guild would run by this name; the guild's own comes first."""
        for scope in dict.fromkeys((guild_id, GLOBAL)):
            if found := self._scopes.get(scope, {}).get((kind, name)):
                return found
        return None

    def get(self, scope: int | None, command_id: int) -> Json:
        """A command by its id.

        Raises:
            Refusal: there is none (10063)
        """
        for command in self.listed(scope):
            if command["id"] == str(command_id):
                return command
        raise Refusal(10063)

    def upsert(self, scope: int | None, body: Json) -> tuple[Json, bool]:
        """Register a command, or change the one of that name; also returns whether it is new."""
        kept = self._scopes.setdefault(scope, {})
        key = _key(body)
        old = kept.get(key)
        self._check_count([*(k for k in kept if k != key), key])
        kept[key] = self._stored(scope, body, old["id"] if old else str(self._ids.next()))
        return kept[key], old is None

    def overwrite(self, scope: int | None, bodies: list[Json]) -> list[Json]:
        """Register these and no others; one whose name was registered keeps its id."""
        keys = [_key(body) for body in bodies]
        if len(set(keys)) < len(keys):
            raise invalid(
                "name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"
            )
        self._check_count(keys)
        old = self._scopes.get(scope, {})
        self._scopes[scope] = {
            key: self._stored(scope, body, old[key]["id"] if key in old else str(self._ids.next()))
            for key, body in zip(keys, bodies, strict=True)
        }
        return self.listed(scope)

    def edit(self, scope: int | None, command_id: int, body: Json) -> Json:
        """Change one by its id, its name too."""
        old = self.get(scope, command_id)
        self.delete(scope, command_id)
        merged = {**old, **body}
        self._scopes[scope][_key(merged)] = stored = self._stored(scope, merged, old["id"])
        return stored

    def delete(self, scope: int | None, command_id: int) -> None:
        """Forget one."""
        command = self.get(scope, command_id)
        del self._scopes[scope][_key(command)]

    def _check_count(self, keys: list[tuple[int, str]]) -> None:
        if sum(1 for kind, _ in keys if kind == SLASH) > self._limits.commands:
            raise Refusal(30032)

    def _stored(self, scope: int | None, body: Json, command_id: str) -> Json:
        permissions = body.get("default_member_permissions")
        stored: Json = {
            "id": command_id,
            "application_id": str(self._application_id),
            "version": str(self._ids.next()),
            "type": body.get("type") or SLASH,
            "name": body["name"],
            "name_localizations": body.get("name_localizations"),
            "description": body.get("description") or "",
            "description_localizations": body.get("description_localizations"),
            "default_member_permissions": None if permissions is None else str(permissions),
            "nsfw": bool(body.get("nsfw")),
            "options": [_option(each) for each in body.get("options") or []],
            "integration_types": body.get("integration_types") or [0],
        }
        if scope is GLOBAL:
            stored["contexts"] = body.get("contexts")
            stored["dm_permission"] = body.get("dm_permission") is not False
        else:
            stored["guild_id"] = str(scope)
        return stored


def _key(body: Json) -> tuple[int, str]:
    return body.get("type") or SLASH, body["name"]


def _option(body: Json) -> Json:
    """An option as Discord returns it: without empty fields."""
    kept = {k: v for k, v in body.items() if v is not None and v != [] and k != "options"}
    if body.get("options"):
        kept["options"] = [_option(each) for each in body["options"]]
    return kept
