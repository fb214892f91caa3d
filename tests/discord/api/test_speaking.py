"""The bot does not write in a channel for somebody who may not write there."""

import asyncio
from pathlib import Path

import nextcord
import pytest

from bot.discord.api.destinations import Destinations
from bot.discord.api.speaking import MAY_NOT, Speakers
from bot.discord.bounds import Bounds
from tests.discord.kernelcord import SOON, code, labels, run, running
from tests.loopback.errors import NotPossible
from tests.loopback.loopback import Discord
from tests.loopback.world.messages import Message

UNKNOWN = Bounds(member_known=0.0)  # Discord is asked each time
LATE = """
import threading, os, time
h = display('before', display_id='k')
def later():
    number = 0
    while True:
        time.sleep(0.5)
        if os.path.exists('go'):
            number += 1
            print('late', number)
threading.Thread(target=later, daemon=True).start()
"""


def by_bot(discord: Discord, messages: list[Message]) -> list[Message]:
    """The bot's messages that everybody sees."""
    return [one for one in messages if one.author.id == discord.bot.id and not one.ephemeral]


async def test_who_may_not_write_gets_no_public_answer(discord: Discord, data: Path) -> None:
    """Buttons, an open form, a command and a menu entry are refused privately; nothing runs."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    async with running(discord, data):
        answer = await run(discord, bob, "print('nice')")
        modal = await (await bob.click(answer, "Edit & run")).wait_for_modal()
        discord.guild.overwrite(general, bob.user, deny="send_messages")
        with pytest.raises(NotPossible):
            await bob.say(general, "not nice")
        for used in (
            await bob.submit_modal(modal, {"Python": "print('not nice')"}),
            await bob.click(answer, "Re-run"),
            await bob.click(answer, "Edit & run"),
            await bob.slash(general, "run", code="print('not nice')"),
            await bob.slash(general, "notebook", replay=("a.ipynb", b"{}")),
            await bob.context_menu("Run code", answer),
        ):
            refused = await used.wait_for_message(lambda m: MAY_NOT in m.content, timeout=SOON)
            assert refused.ephemeral
        listed = await (await bob.click(answer, "Files")).wait_for_message()
        assert listed.ephemeral
        assert by_bot(discord, general.messages) == [answer]
        assert "not nice" not in answer.content


async def test_who_may_not_write_answers_no_question(discord: Discord, data: Path) -> None:
    """The cell could show what they type to everybody; Stop still works."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await bob.say(general, f"{discord.bot.mention} {code('print(input())')}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        modal = await (await bob.click(answer, "Answer")).wait_for_modal()
        discord.guild.overwrite(general, bob.user, deny="send_messages")
        for used in (
            await bob.submit_modal(modal, {modal.fields()[0][0]: "not nice"}),
            await bob.click(answer, "Answer"),
        ):
            refused = await used.wait_for_message(lambda m: MAY_NOT in m.content, timeout=SOON)
            assert refused.ephemeral
        await bob.click(answer, "Stop")
        await answer.wait_for(lambda m: "Re-run" in labels(m), SOON)
        assert "not nice" not in answer.content


async def test_an_edit_of_who_may_not_write_any_more_runs_nothing(discord: Discord, data: Path) -> None:
    """Discord lets them change their old message; they are told why nothing follows."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    async with running(discord, data, bounds=UNKNOWN):
        asked = await bob.say(general, f"{discord.bot.mention} {code('print(1)')}")
        answer = await asked.wait_for_reply(lambda m: "Re-run" in labels(m), timeout=SOON)
        discord.guild.overwrite(general, bob.user, deny="send_messages")
        before = answer.content
        await bob.edit(asked, f"{discord.bot.mention} {code('print(2)')}")
        await bob.dm().wait_for(lambda m: MAY_NOT in m.content, timeout=SOON)
        assert answer.content == before


async def test_nothing_of_somebody_who_was_banned_is_shown(discord: Discord, data: Path) -> None:
    """Their threads go on, and a cell in a direct message updates a display: the channel stays as it is."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    async with running(discord, data, bounds=UNKNOWN):
        answer = await run(discord, bob, LATE)
        await run(discord, bob, "h.update('as a member')", bob.dm())
        await answer.wait_for(lambda m: "as a member" in m.content, SOON)
        discord.guild.ban(bob.user)
        shown = await run(discord, bob, "open('go', 'w').close(); h.update('an insult')", bob.dm())
        assert "an insult" in shown.content
        asks = f"/guilds/{discord.guild.id}/members/{bob.id}"

        def asked() -> int:
            return sum(one.path.endswith(asks) for one in discord.requests.all)

        seen = asked()
        await discord.world.watch.until(lambda: asked() > seen + 3, "more questions", str, SOON)
        assert "as a member" in answer.content
        assert by_bot(discord, general.messages) == [answer]
        await run(discord, bob, "import os; os.remove('go')", bob.dm())


async def test_a_late_message_that_is_open_ends_when_its_person_is_banned(
    discord: Discord, data: Path
) -> None:
    """Or a thread that prints again and again would speak there for ever."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    async with running(discord, data, bounds=UNKNOWN):
        answer = await run(discord, bob, LATE + "open('go', 'w').close()")
        late = await general.wait_for(lambda m: m.reference is answer and "late 2" in m.content, timeout=SOON)
        discord.guild.ban(bob.user)
        asks = f"/guilds/{discord.guild.id}/members/{bob.id}"

        def asked() -> int:
            return sum(one.path.endswith(asks) for one in discord.requests.all)

        seen = asked()
        await discord.world.watch.until(lambda: asked() > seen + 3, "more questions", str, SOON)
        edits = len(late.history_of_states)
        await discord.world.watch.until(lambda: asked() > seen + 4, "one more question", str, SOON)
        assert len(late.history_of_states) == edits
        assert by_bot(discord, general.messages) == [answer, late]
        await run(discord, bob, "import os; os.remove('go')", bob.dm())


async def test_discord_is_asked_for_a_member_once_a_minute(
    discord: Discord, tiny_bot: nextcord.Client
) -> None:
    """Changes to their role or the channel count at once; unknown permissions forbid nothing."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    now = 0.0
    destinations = Destinations(tiny_bot)
    speakers = Speakers(destinations._find, lambda: now)
    asks = f"/guilds/{discord.guild.id}/members/{bob.id}"

    def asked() -> int:
        return sum(one.path.endswith(asks) for one in discord.requests.all)

    discord.faults.status("GET", "/guilds/*/members/*", 503)
    assert await speakers.may_write(bob.id, general.id)
    assert asked() == 1
    now = 60.0
    assert await speakers.may_write(bob.id, general.id)
    thread = await bob.open_thread(general, "below")
    discord.guild.overwrite(general, bob.user, deny="send_messages")
    muted = tiny_bot.get_channel(general.id)
    assert isinstance(muted, nextcord.TextChannel)
    async with asyncio.timeout(SOON):
        while not muted.overwrites:  # noqa: ASYNC110  in the bot's cache, of which nothing tells us
            await asyncio.sleep(0.01)
    assert not await speakers.may_write(bob.id, general.id)
    assert await speakers.may_write(bob.id, thread.id)
    assert await speakers.may_write(bob.id, bob.dm().id)
    discord.guild.ban(bob.user)
    assert await speakers.may_write(bob.id, thread.id)
    assert asked() == 2
    now = 120.0
    assert not await speakers.may_write(bob.id, thread.id)
    assert not await speakers.may_write(bob.id, general.id)
    assert asked() == 3
