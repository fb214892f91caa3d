"""The model's API as people on Discord see it: faults in the middle of an answer, and a spent budget."""

import re
from pathlib import Path

import pytest

from tests.discord.kernelcord import SOON, answered, run, running
from tests.loopback.loopback import Discord
from tests.model_server import Answer, Call, Fault, ModelServer, calls, run_python, says

COUNT = run_python("times = globals().get('times', 0) + 1\nprint(f'{times} so far')")
FIRST = calls(COUNT, words=["Let me ", "count."])
LAST = says("It ran ", "once.")

FAULTS: dict[str, list[Answer | Fault]] = {
    "stream closed early": [FIRST, says("It ran ", cut="quiet"), says("once.")],
    "stream reset": [FIRST, says("It ran ", cut="reset"), says("once.")],
    "stream cut within a line": [FIRST, says("It ran ", cut="garbage"), says("once.")],
    "stream cut twice": [FIRST, says("It ", cut="reset"), says("ran ", cut="quiet"), says("once.")],
    "stream cut before a word": [FIRST, says(cut="reset"), LAST],
    "stream cut before its call": [
        calls(COUNT, words=["Let me "], cut="reset"),
        calls(COUNT, words=["count."]),
        LAST,
    ],
    "error in the stream": [FIRST, says("It ran ", finish="server_error"), says("once.")],
    "error in the stream before a word": [FIRST, says(finish="rate_limit_exceeded"), LAST],
    "429": [FIRST, Fault(429), LAST],
    "429 at first": [Fault(429), FIRST, LAST],
    "500 and 503": [FIRST, Fault(500), Fault(503), LAST],
    "arguments that are no JSON": [
        calls(Call("run_python", '{"code": "print('), words=["Let me "]),
        calls(COUNT, words=["count."]),
        LAST,
    ],
    "arguments of another kind": [
        calls(Call("run_python", '{"code": ["times"]}'), words=["Let me "]),
        calls(COUNT, words=["count."]),
        LAST,
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_of_the_model_in_the_middle_of_an_answer(
    discord: Discord, data: Path, fault: str
) -> None:
    """One complete answer, its cell run once, no word lost or repeated; the next question knows all of it."""
    ada = discord.guild.member("ada")
    async with (
        ModelServer.start() as server,
        running(discord, data, openai_base_url=server.base_url, model_api="responses"),
    ):
        server.will(*FAULTS[fault])
        answer = await answered(await ada.say(ada.dm(), "how often does it run?"))
        sent = len(server.requests)
        server.will(says("Sure."))
        again = await ada.say(ada.dm(), "sure?")
        await again.wait_for_reply(lambda m: "Sure." in m.content and not m.buttons, timeout=SOON)
    assert sent == len(FAULTS[fault])
    assert {request.api for request in server.requests} == {"responses"}
    told = re.findall(r"Let me|count\.|\d so far|It\s+ran\s+once\.|tokens", answer.content)
    assert told == ["Let me", "count.", "1 so far", "It ran once.", "tokens"]
    assert len([m for m in ada.dm().messages if m.author.id == discord.bot.id]) == 2
    for piece in ("how often", "count.", "1 so far", "It ran once."):
        assert piece in server.requests[-1].text


async def test_budget_that_ends_in_the_middle_of_an_answer(discord: Discord, data: Path) -> None:
    """What was said and run stays; a sentence says why no more comes; asking is refused, running is not."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    async with (
        ModelServer.start() as server,
        running(
            discord,
            data,
            openai_base_url=server.base_url,
            model_api="responses",
            model="gpt-5.4",
            daily_budget=2.0,
        ),
    ):
        server.will(
            calls(run_python("kept = 42\nprint('made', kept)"), words=["I make it."], usage=(1_000_000, 0, 0))
        )
        answer = await answered(await ada.say(ada.dm(), "make it"))
        for piece in ("I make it.", "made 42", "$2.00 for today are used up", "Code still runs", "$2.50"):
            assert answer.content.count(piece) == 1
        again = await ada.say(ada.dm(), "and now?")
        refused = await again.wait_for_reply(lambda m: not m.buttons and "used up" in m.content, timeout=SOON)
        assert "at midnight UTC there is more" in refused.content
        assert len(server.requests) == 1
        assert "kept is 42" in (await run(discord, ada, "print('kept is', kept)", ada.dm())).content
        server.will(says("Yours is not."))
        other = await bob.say(bob.dm(), "is mine used up?")
        await other.wait_for_reply(lambda m: "Yours is not." in m.content and not m.buttons, timeout=SOON)
        assert len(server.requests) == 2
