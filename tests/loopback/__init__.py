"""A loopback Discord: REST and gateway on 127.0.0.1, to which an unmodified nextcord bot connects.

    async def test_answer(discord: Discord) -> None:            # a fixture of tests/discord/conftest.py
        async with running(bot, discord):                       # however the test starts its bot:
            await discord.ready("run")                          # nextcord.http.Route.BASE is set already,
            ada = discord.guild.member("ada")                   # the token is discord.token
            channel = discord.guild.channel("general")

            asked = await ada.say(channel, "hello", files=[("a.csv", b"1")], reply_to=None)
            answer = await asked.wait_for_reply(lambda m: "hi" in m.content)
            await channel.wait_for(lambda m: m.author.bot, after=asked)

            interaction = await ada.slash(channel, "run", code="1")          # or "files get", id="x"
            message = await interaction.wait_for_message(lambda m: "1" in m.content)
            clicked = await ada.click(message, "Edit & run")                  # label or custom_id
            modal = await clicked.wait_for_modal()
            await ada.submit_modal(modal, {"Code": "2"})                      # label or custom_id
            typed = await ada.autocomplete(channel, "files get", "id", "ab"); await typed.wait_for_choices()

Elsewhere: `async with loopback() as discord:`, which is all that the fixture does. For a bot
in its own process, `nextcord.http.Route.BASE` must be `discord.address`, and
`python -m tests.loopback.launch ADDRESS MODULE [ARGUMENT...]` runs a module that way.

What there is
    Discord (loopback.py): `guild`, `add_guild(name, with_bot=)`, `person(name)`, `ready(*commands)`,
        `token`, `address`, `clock.advance(seconds)`, `commands.names(guild_id=None)`, `gateway`,
        `faults`, `requests`, `violations()`.
    Place, a guild: `member(name)`, `channel(name)`, `add_role`, `give_role`, `overwrite(channel, who,
        allow="", deny="send_messages attach_files")` (`who`: a user such as `discord.bot`, or a role),
        `remove_channel(channel)`, `remove_bot()`.
    Person (people/): `say edit delete react type open_thread close_dms slash autocomplete
        context_menu click select submit_modal dm() sees(channel)`, `has_installed_bot`. Raises
        NotPossible for what a client would not let a person do: no such command or option, a button
        that is disabled or not there, an ephemeral message of somebody else, a place they do not see.
    Channel (world/state.py): `messages seen_by(user) threads typing`, `wait_for wait_for_thread
        wait_for_typing`.
    Message (world/messages.py): `content embeds attachments file(name).data buttons selects reference
        reactions thread pinged deleted ephemeral loading flags edited history_of_states`, `wait_for
        wait_for_reply`.
    Interaction (world/interactions.py): `acknowledged answer response followups messages modal choices
        ephemeral failed expired`, `wait_for_ack wait_for_message wait_for_modal wait_for_choices
        wait_for`.
    Gateway (gateway/sessions.py): `online drop(resumable=) close(code) reconnect() invalidate(resumable=)
        refusing hanging_up send_raw(text)`, `identified resumed refused hung_up commands`, `wait_for
        wait_for_online wait_for_offline`.
    Faults and Requests (rest/faults.py): `status too_many drop delay hold` on a method and a pattern of the
        path, each `times=1` unless told otherwise (None: always); `requests.matching(method, path)`,
        `.wait_for(...)`.
    Limits (settings.py): every limit, for `loopback(Limits(file=1000))`.

Where it is: `world` is what there is and what a bot may see of it, `payloads` the JSON of it, `rest` the HTTP
side with its routes, `gateway` the websocket, `people` what people do. `tests` has the simulator's own tests.

State outlives the bot: stop it, start another, and messages, threads and commands are there.

Every wait ends as soon as it holds; after `timeout` (10 s) it fails and shows what there is. Each request and
each answer is checked against Discord's OpenAPI document (rest/schema.py, tests/openapi.py) and the rules
that the document lacks (rest/rules.py). A violation fails the test at its end; a test that expects one takes
it with `discord.violations()`. `running(client, discord)` and a small bot are in bots.py.
"""

from tests.loopback.clock import WaitFailed
from tests.loopback.errors import NotPossible
from tests.loopback.loopback import Discord, Place, loopback
from tests.loopback.people.person import Person
from tests.loopback.settings import Limits, Rate

__all__ = ["Discord", "Limits", "NotPossible", "Person", "Place", "Rate", "WaitFailed", "loopback"]
