"""The checks of requests and answers: each planted fault is found, and what is right passes."""

from typing import Any

import pytest

from tests import openapi
from tests.loopback import Discord, loopback
from tests.loopback.raw import Raw, raw_client
from tests.loopback.rest.routes import table
from tests.loopback.rest.schema import Schema

POST = "/channels/{channel_id}/messages"
needs_document = pytest.mark.skipif(
    openapi.document() is None, reason="Discord's OpenAPI document is missing"
)


def button(**changes: Any) -> dict[str, Any]:
    """A row with one button."""
    return {"type": 1, "components": [{"type": 2, "style": 1, "label": "a", "custom_id": "a"} | changes]}


def choices(*values: str) -> list[dict[str, str]]:
    """Options of a menu."""
    return [{"label": value, "value": value} for value in values]


def menu(**changes: Any) -> dict[str, Any]:
    """A row with a menu."""
    select = {"type": 3, "custom_id": "m", "options": choices("a", "b")}
    return {"type": 1, "components": [select | changes]}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "a" * 2001},
        {"content": "a", "embeds": [{"description": "a" * 4000}, {"title": "b", "description": "a" * 2000}]},
        {"content": "a", "components": [button(), button()]},
        {"content": "a", "components": [button(label="a" * 81)]},
        {"content": "a", "components": [button(label=None)]},
        {"content": "a", "components": [button(custom_id=None)]},
        {"content": "a", "components": [button(custom_id="a" * 101)]},
        {"content": "a", "components": [button(custom_id=str(n)) for n in range(6)]},
        {"content": "a", "components": [{"type": 1, "components": []}]},
        {"content": "a", "components": [menu(options=choices("a", "a"))]},
        {"content": "a", "components": [menu(options=choices(*map(str, range(26))))]},
        {"content": "a", "components": [menu(max_values=3)]},
        {"content": "a", "components": [menu(placeholder="a" * 151)]},
        {"content": "a", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        {"content": ""},
        {"content": " \n"},
        {},
    ],
    ids=lambda body: str(body)[:60],
)
async def test_message_against_the_rules_is_refused(discord: Discord, raw: Raw, body: Any) -> None:
    """What the document allows but Discord does not is refused and reported."""
    answer = await raw("POST", f"/channels/{discord.guild.channel().id}/messages", body)
    assert answer.code in (50035, 50006)
    assert discord.violations()
    assert discord.guild.channel().messages == []


@needs_document
@pytest.mark.parametrize(
    "body",
    [
        {"content": 1},
        {"content": "a", "embeds": [{"title": "a" * 257}]},
        {"content": "a", "components": [{"type": 99}]},
        {"content": "a", "allowed_mentions": {"parse": ["nobody"]}},
    ],
    ids=str,
)
async def test_message_against_the_document_is_refused(discord: Discord, raw: Raw, body: Any) -> None:
    """What the document does not allow is refused and reported."""
    answer = await raw("POST", f"/channels/{discord.guild.channel().id}/messages", body)
    assert answer.code == 50035
    assert discord.violations()


@needs_document
@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"content": "a", "alowed_mentions": {"parse": []}}, "$.alowed_mentions"),
        ({"content": "a", "allowed_mentions": {"parsed": []}}, "$.allowed_mentions.parsed"),
        ({"content": "a", "embeds": [{"titel": "a"}]}, "$.embeds[0].titel"),
        ({"content": "a", "components": [button(colour=1)]}, "$.components[0].components[0].colour"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_misspelt_key_is_told(discord: Discord, raw: Raw, body: Any, key: str) -> None:
    """Discord accepts an unknown key and ignores it; the test is told."""
    answer = await raw("POST", f"/channels/{discord.guild.channel().id}/messages", body)
    assert answer.status == 200
    [told] = discord.violations()
    assert told.endswith(f"no such key: {key}")


async def test_violation_fails_the_test_that_caused_it() -> None:
    """A violation that nobody takes fails the test at its end."""
    with pytest.raises(AssertionError, match="2001 characters"):
        async with loopback() as discord, raw_client(discord) as raw:
            await raw("POST", f"/channels/{discord.guild.channel().id}/messages", {"content": "a" * 2001})


async def test_route_that_is_not_there_is_told(discord: Discord, raw: Raw) -> None:
    """A route that the loopback lacks fails the test instead of puzzling it."""
    assert (await raw("GET", "/voice/regions")).status == 404
    assert "GET /api/v10/voice/regions" in discord.violations()[0]


@needs_document
def test_wrong_answer_of_ours_is_found() -> None:
    """An answer without a field, with an id as a number, or with a wrong status is reported."""
    schema = Schema()
    user: dict[str, Any] = {
        "id": "1",
        "username": "a",
        "discriminator": "0",
        "global_name": None,
        "avatar": None,
    }
    user |= {"public_flags": 0, "flags": 0, "primary_guild": None}
    assert schema.component("UserResponse", user) == []
    assert schema.response("GET", "/users/{user_id}", 200, user) == []
    assert schema.response("GET", "/users/{user_id}", 200, user | {"id": 1})
    assert schema.response("GET", "/users/{user_id}", 200, {"id": "1"})
    assert schema.response("GET", "/users/{user_id}", 204, None)
    assert schema.response("DELETE", "/channels/{channel_id}/messages/{message_id}", 204, {"id": "1"})


@needs_document
def test_ids_come_in_as_numbers_too() -> None:
    """Discord accepts an id as a string or as a number."""
    for channel in (1, "1"):
        body = {"content": "a", "message_reference": {"message_id": "1", "channel_id": channel}}
        assert Schema().request("POST", POST, body) == []


@needs_document
@pytest.mark.parametrize("key", sorted(table.ROUTES), ids=str)
def test_every_route_is_one_of_discord(key: tuple[str, str]) -> None:
    """No route of ours has a name or a method that Discord does not have."""
    assert Schema().knows(*key)
