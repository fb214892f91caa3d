"""Command registration: by name with ids that stay, globally and in a guild; and what people can run."""

from typing import Any

import pytest

from tests.loopback import Discord, NotPossible
from tests.loopback.bots import running, tiny
from tests.loopback.raw import Raw

RUN = {"name": "run", "description": "Run"}
STRING, INTEGER, BOOLEAN, USER, ATTACHMENT = 3, 4, 5, 6, 11


def option(name: str, kind: int = STRING, **more: Any) -> dict[str, Any]:
    """An option of a command."""
    return {"name": name, "description": "An option", "type": kind} | more


async def test_overwriting_keeps_ids_by_name_and_removes_the_rest(discord: Discord, raw: Raw) -> None:
    """A command that is registered again keeps its id, and a stale one is gone."""
    path = f"/applications/{discord.bot.id}/commands"
    first = (await raw("PUT", path, [RUN, {**RUN, "name": "old"}])).body
    second = (await raw("PUT", path, [{**RUN, "description": "Changed"}, {**RUN, "name": "new"}])).body
    assert second[0]["id"] == first[0]["id"]
    assert second[0]["version"] != first[0]["version"]
    assert discord.commands.names() == {"run", "new"}
    with pytest.raises(NotPossible, match="old"):
        await discord.guild.member("ada").slash(discord.guild.channel(), "old")


async def test_posting_makes_or_changes_one(discord: Discord, raw: Raw) -> None:
    """A POST makes a command (201) or changes that of its name (200), of its kind."""
    path = f"/applications/{discord.bot.id}/commands"
    made = await raw("POST", path, RUN)
    again = await raw("POST", path, {**RUN, "description": "Changed"})
    assert (made.status, again.status) == (201, 200)
    assert made.body["id"] == again.body["id"]
    menu = await raw("POST", path, {"name": "run", "type": 3})
    assert menu.status == 201
    edited = await raw("PATCH", f"{path}/{made.body['id']}", {"name": "go"})
    assert edited.body["id"] == made.body["id"]
    assert (await raw("DELETE", f"{path}/{menu.body['id']}")).status == 204
    assert (await raw("GET", f"{path}/{menu.body['id']}")).code == 10063
    assert [c["name"] for c in (await raw("GET", path)).body] == ["go"]


async def test_guild_has_commands_of_its_own(discord: Discord, raw: Raw) -> None:
    """A guild's command takes precedence over the global one, and does not exist in another guild."""
    here, there = discord.guild, discord.add_guild("there", owner="ada")
    await raw.register(RUN)
    path = f"/applications/{discord.bot.id}/guilds/{here.id}/commands"
    own = (await raw("PUT", path, [RUN, {**RUN, "name": "only"}])).body
    ada = here.member("ada")
    assert (await ada.slash(here.channel(), "run")).data["id"] == own[0]["id"]
    assert (await ada.slash(there.channel(), "run")).data["id"] != own[0]["id"]
    with pytest.raises(NotPossible):
        await ada.slash(there.channel(), "only")


@pytest.mark.parametrize(
    "bodies",
    [
        [RUN, RUN],
        [{**RUN, "name": "Run"}],
        [{**RUN, "name": "a b"}],
        [{"name": "run"}],
        [{**RUN, "name": "r" * 33}],
        [{"name": "Menu", "type": 3, "description": "none allowed"}],
        [{**RUN, "options": [option("a"), option("b", required=True)]}],
        [{**RUN, "options": [option("a"), option("a")]}],
        [{**RUN, "options": [option("a", autocomplete=True, choices=[{"name": "b", "value": "b"}])]}],
    ],
    ids=lambda bodies: str(bodies)[:70],
)
async def test_wrong_command_is_refused(discord: Discord, raw: Raw, bodies: list[dict[str, Any]]) -> None:
    """What Discord would not register is refused."""
    answer = await raw("PUT", f"/applications/{discord.bot.id}/commands", bodies)
    assert answer.code == 50035
    assert discord.commands.names() == set()
    discord.violations()


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"text": "a"}, True),
        ({}, False),
        ({"text": 1}, False),
        ({"text": "abcd"}, False),
        ({"text": "a", "other": "b"}, False),
        ({"text": "a", "number": 3}, True),
        ({"text": "a", "number": 11}, False),
        ({"text": "a", "number": True}, False),
        ({"text": "a", "choice": "Blue"}, True),
        ({"text": "a", "choice": "Green"}, False),
        ({"text": "a", "file": ("a.csv", b"1")}, True),
        ({"text": "a", "file": "a.csv"}, False),
    ],
    ids=str,
)
async def test_options_are_of_their_kind(
    discord: Discord, raw: Raw, given: dict[str, Any], right: bool
) -> None:
    """A client sends only existing options, with valid values, and all required ones."""
    blue = [{"name": "Blue", "value": "b"}]
    options = [
        option("text", required=True, max_length=3),
        option("number", INTEGER, max_value=10),
        option("choice", choices=blue),
        option("file", ATTACHMENT),
    ]
    await raw.register({**RUN, "options": options})
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    if not right:
        with pytest.raises(NotPossible):
            await ada.slash(channel, "run", **given)
        return
    sent = {o["name"]: o["value"] for o in (await ada.slash(channel, "run", **given)).data["options"]}
    assert sent["text"] == "a"
    assert sent.get("choice", "b") == "b"


async def test_file_of_a_command_is_served(discord: Discord, raw: Raw) -> None:
    """A file that comes with a command has an address that serves it."""
    await raw.register({**RUN, "options": [option("file", ATTACHMENT)]})
    run = await discord.guild.member("ada").slash(discord.guild.channel(), "run", file=("a.csv", b"1"))
    [told] = run.data["resolved"]["attachments"].values()
    async with raw.session.get(told["url"]) as response:
        assert await response.read() == b"1"


async def test_commands_keep_to_their_places(discord: Discord, raw: Raw) -> None:
    """A command is offered in its contexts, and to people who have its permissions."""
    moderators_only = {**RUN, "name": "rule", "default_member_permissions": 1 << 13}
    await raw.register({**RUN, "contexts": [0]}, {**RUN, "name": "dm", "contexts": [1]}, moderators_only)
    ada, bob, channel = discord.guild.member("ada"), discord.guild.member("bob"), discord.guild.channel()
    await ada.slash(channel, "run")
    await ada.slash(ada.dm(), "dm")
    await ada.slash(channel, "rule")
    for person, place, name in ((ada, ada.dm(), "run"), (ada, channel, "dm"), (bob, channel, "rule")):
        with pytest.raises(NotPossible):
            await person.slash(place, name)


async def test_nextcord_removes_stale_commands(discord: Discord, raw: Raw) -> None:
    """A command that an older version of the bot registered is gone once a newer one has been online."""
    await raw.register({**RUN, "name": "stale"}, RUN)
    async with running(tiny(), discord):
        await discord.requests.wait_for("DELETE", "/applications/*/commands/*")
        await discord.ready("run", "files", "Run code")
        assert "stale" not in discord.commands.names()
