"""Interactions: deadlines, what may be answered how and how often, and what a client lets people do."""

import nextcord
import pytest

from tests.loopback import Discord, NotPossible
from tests.loopback.bots import running
from tests.loopback.raw import Raw
from tests.loopback.world.interactions import Answer, Interaction

MESSAGE, DEFER, DEFER_UPDATE, UPDATE, MODAL = 4, 5, 6, 7, 9
EPHEMERAL, LOADING = 64, 128
RUN = {"name": "run", "description": "Run"}
BUTTON = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}
OFF = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go", "disabled": True}]}


@pytest.fixture
async def run(discord: Discord, raw: Raw) -> Interaction:
    """A command that ada has just run, in #general."""
    await raw.register(RUN)
    return await discord.guild.member("ada").slash(discord.guild.channel(), "run")


async def test_answer_after_three_seconds_is_unknown(discord: Discord, raw: Raw, run: Interaction) -> None:
    """An acknowledgement after more than 3 s gets 10062, and the person reads that it failed."""
    discord.clock.advance(3.1)
    assert (await raw.callback(run, DEFER)).code == 10062
    assert run.failed
    assert not run.acknowledged


async def test_second_answer_is_refused(raw: Raw, run: Interaction) -> None:
    """An interaction is acknowledged once: the second time gets 40060."""
    assert (await raw.callback(run, MESSAGE, {"content": "a"})).status == 204
    assert (await raw.callback(run, MESSAGE, {"content": "b"})).code == 40060
    assert run.response is not None
    assert run.response.content == "a"


async def test_wrong_token_is_unknown(raw: Raw, run: Interaction) -> None:
    """An interaction answers to its own token only."""
    run.token, right = "wrong", run.token
    answer = await raw("POST", f"/interactions/{run.id}/{right}/callback", {"type": DEFER})
    assert answer.code == 10062


async def test_first_followup_takes_the_place_of_the_loading_message(raw: Raw, run: Interaction) -> None:
    """The first followup after a deferral replaces the loading message, and is ephemeral if that was."""
    await raw.callback(run, DEFER, {"flags": EPHEMERAL})
    assert run.response is not None
    assert run.response.loading
    first = await raw.follow(run, "POST", "", {"content": "one"})
    assert first.body["id"] == str(run.response.id)
    assert not run.response.loading
    assert run.response.ephemeral
    second = await raw.follow(run, "POST", "", {"content": "two"})
    assert second.body["id"] != first.body["id"]
    assert [m.content for m in run.messages] == ["one", "two"]
    assert [s.content for s in run.response.history_of_states] == ["", "one"]


async def test_original_response_is_read_changed_and_deleted(raw: Raw, run: Interaction) -> None:
    """The original response is reached as @original until it is deleted; then it is unknown."""
    await raw.callback(run, MESSAGE, {"content": "a"})
    assert (await raw.follow(run, "GET", "/messages/@original")).body["content"] == "a"
    assert (await raw.follow(run, "PATCH", "/messages/@original", {"content": "b"})).body["content"] == "b"
    assert (await raw.follow(run, "DELETE", "/messages/@original")).status == 204
    assert (await raw.follow(run, "PATCH", "/messages/@original", {"content": "c"})).code == 10008


async def test_followup_before_the_answer_has_no_webhook(raw: Raw, run: Interaction) -> None:
    """The token is valid for followups only once the interaction has been acknowledged."""
    assert (await raw.follow(run, "POST", "", {"content": "a"})).code == 10015
    assert (await raw("POST", f"/webhooks/{raw.discord.bot.id}/nonsense", {"content": "a"})).code == 10015


async def test_token_ends_after_fifteen_minutes(discord: Discord, raw: Raw, run: Interaction) -> None:
    """A token of more than 15 minutes is invalid: 50027."""
    await raw.callback(run, DEFER)
    discord.clock.advance(14 * 60)
    assert (await raw.follow(run, "POST", "", {"content": "in time"})).status == 200
    discord.clock.advance(61)
    late = await raw.follow(run, "PATCH", "/messages/@original", {"content": "late"})
    assert (late.status, late.code) == (401, 50027)


async def test_answers_must_fit_the_kind(discord: Discord, raw: Raw, run: Interaction) -> None:
    """A command has no message to update, and a form is not answered with a form."""
    assert (await raw.callback(run, UPDATE, {"content": "a"})).status == 400
    assert not run.acknowledged


async def test_person_cannot_press_what_is_not_there(discord: Discord, raw: Raw, run: Interaction) -> None:
    """A button that is disabled, gone, or in somebody else's ephemeral message cannot be pressed."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    await raw.callback(run, MESSAGE, {"content": "a", "components": [BUTTON], "flags": EPHEMERAL})
    assert run.response is not None
    with pytest.raises(NotPossible):
        await bob.click(run.response, "Go")
    with pytest.raises(NotPossible):
        await ada.click(run.response, "Elsewhere")
    assert (await ada.click(run.response, "go")).message is run.response
    await raw.follow(run, "PATCH", "/messages/@original", {"components": [OFF]})
    with pytest.raises(NotPossible):
        await ada.click(run.response, "Go")
    await raw.follow(run, "DELETE", "/messages/@original")
    with pytest.raises(NotPossible):
        await ada.click(run.response, "Go")
    assert bob.sees(run.channel) == []


async def test_button_answers_change_its_message(discord: Discord, raw: Raw, run: Interaction) -> None:
    """A button's message is changed at once, or after a deferred update as the original response."""
    ada = discord.guild.member("ada")
    await raw.callback(run, MESSAGE, {"content": "a", "components": [BUTTON]})
    assert run.response is not None
    await raw.callback(await ada.click(run.response, "Go"), UPDATE, {"content": "b"})
    assert run.response.content == "b"
    later = await ada.click(run.response, "Go")
    await raw.callback(later, DEFER_UPDATE)
    await raw.follow(later, "PATCH", "/messages/@original", {"content": "c"})
    assert run.response.content == "c"
    assert later.answer is Answer.DEFERRED_UPDATE
    assert (await raw.follow(later, "POST", "", {"content": "d"})).body["id"] != str(run.response.id)


async def test_modal_is_filled_in_as_a_client_does(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """A form accepts what its inputs allow, only from its own person, and only once."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    answer = await (await ada.say(discord.guild.channel(), "hi")).wait_for_reply()
    modal = await (await ada.click(answer, "Edit")).wait_for_modal()
    for wrong in ({"Other": "x"}, {"Your code": "x" * 101}, {"Your code": ""}):
        with pytest.raises(NotPossible):
            await ada.submit_modal(modal, wrong)
    with pytest.raises(NotPossible):
        await bob.submit_modal(modal, {"Your code": "x"})
    said = await (await ada.submit_modal(modal, {"Your code": "1 + 1"})).wait_for_message()
    assert said.content == "form: 1 + 1"
    assert said.ephemeral
    with pytest.raises(NotPossible):
        await ada.submit_modal(modal, {"Your code": "x"})


async def test_bot_answers_every_kind(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """Commands, subcommands, suggestions, buttons, menus and message commands go through a real nextcord."""
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    run = await ada.slash(channel, "run", code="1", hidden=True)
    assert (await run.wait_for_message()).content == "ran: 1"
    assert run.ephemeral
    assert not (await run.wait_for_message(lambda m: m.content == "more")).ephemeral
    got = await (await ada.slash(channel, "files get", name="x.csv")).wait_for_message()
    assert got.file("x.csv").data == b"data"
    typed = await ada.autocomplete(channel, "files get", "name", "a")
    assert [choice["value"] for choice in await typed.wait_for_choices()] == ["a1", "a2"]
    said = await ada.say(channel, "words")
    assert (await (await ada.context_menu("Run code", said)).wait_for_message()).content == "ran: words"
    answer = await said.wait_for_reply(lambda m: bool(m.buttons))
    assert (await (await ada.select(answer, "One")).wait_for_message()).content == "chosen: ['1']"
    await ada.click(answer, "Later")
    await answer.wait_for(lambda m: m.content == "later")
    await ada.click(answer, "Stop")
    await answer.wait_for(lambda m: m.content == "stopped" and not m.buttons)


async def test_bot_in_direct_messages(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """In a direct message the bot gets messages and commands, in the context of a bot's DM."""
    ada = discord.person("ada")
    assert (await (await ada.say(ada.dm(), "hi")).wait_for_reply()).content == "heard: hi"
    run = await ada.slash(ada.dm(), "run", code="2")
    assert run.context == 1
    assert (await run.wait_for_message()).content == "ran: 2"


async def test_user_installed_bot_has_responses_only(discord: Discord, raw: Raw) -> None:
    """Where the bot is not a member, it can answer an interaction and follow up five times, no more."""
    await raw.register({**RUN, "integration_types": [0, 1], "contexts": [0, 1, 2]})
    away = discord.add_guild("away", owner="carol", with_bot=False)
    carol, channel = away.member("carol"), away.channel()
    with pytest.raises(NotPossible):
        await carol.slash(channel, "run")
    carol.has_installed_bot = True
    run = await carol.slash(channel, "run")
    assert (await raw.callback(run, MESSAGE, {"content": "a"})).status == 204
    for number in range(5):
        assert (await raw.follow(run, "POST", "", {"content": str(number)})).status == 200
    discord.clock.advance(2)  # five in two seconds is another limit
    assert (await raw.follow(run, "POST", "", {"content": "six"})).code == 40094
    assert (await raw("POST", f"/channels/{channel.id}/messages", {"content": "b"})).code == 50001
    assert [m.content for m in channel.messages] == ["a", *"01234"]


async def test_nextcord_where_only_a_user_has_installed_it(discord: Discord) -> None:
    """nextcord sees no guild there, yet its answers arrive."""
    client = nextcord.Client(intents=nextcord.Intents.all())

    @client.slash_command(
        description="Where",
        integration_types=[nextcord.IntegrationType.user_install],
        contexts=[nextcord.InteractionContextType.guild],
    )
    async def where(interaction: nextcord.Interaction[nextcord.Client]) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"guild {interaction.guild}, id {interaction.guild_id}")

    away = discord.add_guild("away", owner="carol", with_bot=False)
    carol = away.member("carol")
    carol.has_installed_bot = True
    async with running(client, discord):
        await discord.ready("where")
        asked = await carol.slash(away.channel(), "where")
        assert (await asked.wait_for_message()).content == f"guild None, id {away.id}"


async def test_user_commands_and_options_name_people(discord: Discord) -> None:
    """A user command, and an option that is a user, reach nextcord with the member."""
    client = nextcord.Client(intents=nextcord.Intents.all())

    @client.user_command(name="Who")
    async def who(interaction: nextcord.Interaction[nextcord.Client], member: nextcord.Member) -> None:
        await interaction.response.send_message(member.name)

    @client.slash_command(description="Greet")
    async def greet(interaction: nextcord.Interaction[nextcord.Client], whom: nextcord.Member) -> None:
        await interaction.response.send_message(f"hello {whom.name}")

    ada, bob, channel = discord.guild.member("ada"), discord.guild.member("bob"), discord.guild.channel()
    async with running(client, discord):
        await discord.ready("Who", "greet")
        asked = await ada.context_menu("Who", bob.user, channel=channel)
        assert (await asked.wait_for_message()).content == "bob"
        assert (await (await ada.slash(channel, "greet", whom=bob)).wait_for_message()).content == "hello bob"
