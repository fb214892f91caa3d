"""However a connection is renewed, everything works on it, and whatever was open before still does."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.__main__ import serve
from bot.discord.bounds import Bounds
from bot.discord.connections import FREE, LONGEST, Pauses
from bot.discord.supervise import CannotServe, supervise
from tests.discord.kernelcord import (
    COMMANDS,
    SOON,
    code,
    finished,
    labels,
    output,
    run,
    running,
    settings_for,
)
from tests.loopback.bots import tiny
from tests.loopback.gateway.sessions import Gateway
from tests.loopback.loopback import Discord

WAYS: dict[str, list[Callable[[Gateway], None]]] = {
    "resumed": [lambda gateway: gateway.drop()],
    "asked to reconnect": [lambda gateway: gateway.reconnect()],
    "invalid, but resumable": [lambda gateway: gateway.invalidate(resumable=True)],
    "invalid": [lambda gateway: gateway.invalidate()],
    "resume refused": [lambda gateway: gateway.close(4000, resumable=False)],
    "invalid twice, then resumed": [
        lambda gateway: gateway.invalidate(),
        lambda gateway: gateway.invalidate(),
        lambda gateway: gateway.drop(),
    ],
    "failed, and made anew": [lambda gateway: gateway.send_raw("{")],
}


async def begin_again(gateway: Gateway, way: Callable[[Gateway], None]) -> None:
    """Do this to the connection, and wait until there is another one."""
    before = gateway.identified + gateway.resumed
    way(gateway)
    await gateway.wait_for(lambda g: g.identified + g.resumed > before, SOON)
    await gateway.wait_for_online(SOON)


@pytest.mark.parametrize("way", WAYS)
async def test_everything_works_after_a_connection_has_begun_again(
    discord: Discord, data: Path, way: str
) -> None:
    """Commands, menus, completion, buttons and forms; an earlier form, list and cell continue as well."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, rate=0):
        answer = await run(discord, ada, "open('made.txt', 'w').write('x'); print(6 * 7)")
        typed = await (await ada.slash(general, "run")).wait_for_modal()
        edited = await (await ada.click(answer, "Edit & run")).wait_for_modal()
        listed = await (await ada.slash(general, "files")).wait_for_message(lambda m: m.selects)
        command = await ada.slash(general, "run", code="print('asked', input())")
        asking = await command.wait_for_message(lambda m: "Answer" in labels(m), timeout=SOON)
        question = await (await ada.click(asking, "Answer")).wait_for_modal()
        thread = await ada.open_thread(general, "a thread of mine")
        registered = len(discord.requests.matching("*", "/applications/*/commands*"))

        for step in WAYS[way]:
            await begin_again(discord.gateway, step)

        helped = await (await ada.slash(general, "help")).wait_for_message()
        assert helped.ephemeral
        choices = await (await ada.autocomplete(general, "files", "file", "made")).wait_for_choices()
        assert "made.txt" in choices[0]["name"]
        await ada.submit_modal(question, {question.fields()[0][0]: "in flight"})
        await asking.wait_for(lambda m: finished(m) and "asked in flight" in m.content, SOON)
        await (await ada.select(listed, "made.txt")).wait_for_ack()
        await listed.wait_for(lambda m: "expires" in m.content)
        for begun, shown in [  # all of them begin, and then the test waits for each
            (await ada.submit_modal(typed, {"Python": "print('typed', 1)"}), "typed 1"),
            (await ada.submit_modal(edited, {"Python": "print('edited', 2)"}), "edited 2"),
            (await ada.slash(general, "run", code="print('run', 3)"), "run 3"),
            (await ada.context_menu("Run code", answer), "42"),
            (await ada.click(answer, "Re-run"), "42"),
        ]:
            ran = await begun.wait_for_message(
                lambda m: m not in (answer, asking) and finished(m), timeout=SOON
            )
            assert shown in output(ran)
        form = await (await ada.slash(general, "run")).wait_for_modal()
        sent = await ada.submit_modal(form, {"Python": "print('form', 4)"})
        assert "form 4" in (await sent.wait_for_message(finished, timeout=SOON)).content
        assert "8" in output(await run(discord, ada, "print(3 + 5)", ada.dm()))
        mentioned = await ada.say(thread, f"{discord.bot.mention} {code('print(4 + 5)')}")
        assert "9" in output(await mentioned.wait_for_reply(finished, timeout=SOON))
        assert len(discord.requests.matching("*", "/applications/*/commands*")) == registered


@pytest.mark.parametrize(
    ("number", "what_to_do"),
    [
        (4004, "copy the bot's token"),
        (4010, "newer version"),
        (4011, "too many servers"),
        (4012, "newer version"),
        (4013, "newer version"),
        (4014, "message content intent"),
    ],
)
async def test_code_that_no_new_try_mends_ends_with_what_to_do(
    discord: Discord, number: int, what_to_do: str
) -> None:
    """Close codes that Discord would send again for the same settings are not retried."""
    discord.gateway.hanging_up = number
    client = tiny()
    with pytest.raises(CannotServe, match=what_to_do) as caught:
        await supervise(client, discord.token)  # type: ignore[arg-type]  # any client will do until it reopens
    await client.close()
    assert str(number) in str(caught.value)
    assert discord.gateway.hung_up == 1


async def test_bot_that_discord_takes_no_more_ends_its_answers(discord: Discord, data: Path) -> None:
    """A bot that ends because of such a code gives live answers a final state, and their cells go on."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    serving = asyncio.create_task(
        serve(settings_for(discord, data), asyncio.Event(), guild_ready_timeout=0.05)
    )
    await discord.ready(*COMMANDS, timeout=SOON)
    asked = await ada.say(general, f"{discord.bot.mention} {code('print(input())')}")
    answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
    discord.gateway.close(4011)
    with pytest.raises(CannotServe, match="too many servers"):
        await serving
    assert "being restarted" in answer.content
    assert finished(answer)
    async with running(discord, data):
        await answer.wait_for(lambda m: "Answer" in labels(m), SOON)
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)


async def test_gateway_that_always_hangs_up_is_asked_ever_more_rarely(
    discord: Discord, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """nextcord would reconnect at once and for ever; the bot pauses, says so, and returns when it may."""
    ada = discord.guild.member("ada")
    caplog.set_level(logging.INFO, "bot.discord")
    async with running(discord, data):
        discord.gateway.hanging_up = 4000
        discord.gateway.drop()
        await discord.gateway.wait_for(lambda g: g.hung_up >= FREE, SOON)
        await asyncio.sleep(0.5)  # enough for a hundred connections without pauses
        assert discord.gateway.hung_up <= FREE + 1
        discord.gateway.hanging_up = None
        assert "7" in output(await run(discord, ada, "print(3 + 4)"))
    told = [record.message for record in caplog.records if record.levelno >= logging.INFO]
    assert sum("end too soon; the next one in" in line for line in told) in (1, 2)
    assert "connected to Discord again, the session goes on" in told


async def test_commands_that_were_not_taken_are_offered_again(discord: Discord, data: Path) -> None:
    """A refusal at the start does not leave the bot without commands until its next session."""
    fault = discord.faults.status("GET", "/applications/*/commands*", 403, code=20012, times=2)
    async with running(discord, data, bounds=Bounds(register_again=0.1)):  # which waits for the commands
        assert fault.hits == 2
        helped = await (
            await discord.guild.member("ada").slash(discord.guild.channel(), "help")
        ).wait_for_message()
        assert helped.ephemeral


def test_pauses_grow_and_are_forgotten() -> None:
    """Four connections are free; later ones wait 1 s, 2 s and so on up to 45 s, until things are quiet."""
    now = 0.0

    def clock() -> float:
        return now

    pauses = Pauses(clock)
    waits = []
    for _ in range(20):
        waits.append(pauses.next())
        now += waits[-1]
        pauses.begun()
    assert waits[: FREE + 4] == [0.0] * FREE + [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == LONGEST == waits[-1]
    assert pauses.next() == pauses.next() == LONGEST  # a connection that is not made does not count
    now += 700.0
    assert pauses.next() == 0.0


async def test_a_connection_that_fails_is_told_in_one_line(
    discord: Discord, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no traceback through the libraries each time the network is down."""

    async def fails(*_: object, **__: object) -> None:
        raise ConnectionRefusedError(111, "refused")

    async def reopen() -> None:
        raise KeyError("nothing is tried again")

    monkeypatch.setattr("nextcord.gateway.DiscordWebSocket.from_client", fails)
    monkeypatch.setattr("nextcord.backoff.ExponentialBackoff.delay", lambda _: 0.0)
    client = tiny()
    monkeypatch.setattr(client, "reopen", reopen, raising=False)
    with pytest.raises(KeyError):
        await supervise(client, discord.token, first=0)  # type: ignore[arg-type]  # as above
    await client.close()
    (told,) = (one for one in caplog.records if one.name == "nextcord.client" and one.levelname == "ERROR")
    assert told.getMessage() == "ConnectionRefusedError: [Errno 111] refused: Attempting a reconnect in 0.00s"
    assert told.exc_info is None
    assert told.exc_text is None
