"""The bot as a process is killed, told to end, and started again: nothing is lost, and buttons work."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot.wording.cell_messages import NOT_RUN
from tests.discord.kernelcord import COMMANDS, SOON, code, finished, labels, output, run
from tests.loopback.loopback import Discord
from tests.loopback.world.messages import Message
from tests.model_server import ModelServer, calls, run_python, says
from tests.nodes import end_nodes, node_pid

pytestmark = pytest.mark.timeout(400)  # a bot, its node and a kernel are started twice

SLOW = "import time\nfor n in range(12):\n    print('line', n)\n    time.sleep(1)\nprint('the end')"
SLOWISH = SLOW.replace("12", "6").replace("(1)", "(1.5)")
GRACE = 30.0  # seconds that a bot which is told to end may take, on a loaded machine


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder for bots of this test only."""
    yield tmp_path / "data"
    await end_nodes(tmp_path)


@asynccontextmanager
async def started(discord: Discord, home: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A bot in its own process, online; it is killed at the end if it is still running."""
    environment = {
        **os.environ,
        "DISCORD_TOKEN": discord.token,
        "KERNELCORD_DATA": str(home),
        "SHUTDOWN_GRACE": "1",
        "PRELOAD": "none",  # each test has a node of its own
        **settings,
    }
    before = discord.gateway.identified
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.loopback.launch", discord.address, "bot", env=environment
    )
    try:
        await discord.gateway.wait_for(lambda g: g.identified > before, 2 * SOON)
        await discord.ready(*COMMANDS, timeout=SOON)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def asked_for(discord: Discord, text: str, shown: str) -> Message:
    """The answer to ada's code in #general, once it shows this."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
    return await asked.wait_for_reply(lambda m: shown in m.content, timeout=2 * SOON)


def ours(discord: Discord) -> list[Message]:
    """The bot's messages in #general."""
    general = discord.guild.channel("general")
    return [m for m in general.messages if m.author.id == discord.bot.id and not m.deleted]


async def test_killed_bot_comes_back_to_its_cell(discord: Discord, home: Path) -> None:
    """A bot killed with -9 in the middle of a cell shows all of it in the same message once it is back."""
    ada = discord.guild.member("ada")
    async with started(discord, home) as process:
        await run(discord, ada, "kept = 7")
        answer = await asked_for(discord, SLOW, "line 1")
        process.kill()
        await process.wait()
    async with started(discord, home):
        await answer.wait_for(lambda m: finished(m) and "the end" in m.content, 2 * SOON)
        assert "line 0" in answer.content
        assert len(ours(discord)) == 2
        again = await ada.click(ours(discord)[0], "Re-run")
        await again.wait_for_message(lambda m: m is not ours(discord)[0] and finished(m), timeout=SOON)
        assert "7" in output(await run(discord, ada, "kept"))


def rows(home: Path, query: str, *given: object) -> list[tuple[object, ...]]:
    """Rows from the bot's database. The query may also change it, to restore an earlier state."""
    with closing(sqlite3.connect(home / "kernelcord.db", timeout=SOON)) as connection, connection:
        return connection.execute(query, given).fetchall()


async def until_there(home: Path, query: str, *given: object) -> None:
    """Wait until the bot's database has such a row."""
    async with asyncio.timeout(SOON):
        while not rows(home, query, *given):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.05)


async def test_bot_killed_at_any_moment_of_a_turn_leaves_no_message_as_if_it_went_on(
    discord: Discord, home: Path
) -> None:
    """A cell that had ended is shown, a running one is followed, and code that has not run is reported.

    Each in its own message.
    """
    ada, bob, eve = [discord.guild.member(name) for name in ("ada", "bob", "eve")]
    writes = "_ = open('told.txt', 'w').write('1')"
    slow = "import time\nprint('on')\ntime.sleep(3)\nprint('the end')"
    async with started(discord, home) as process:
        held = discord.faults.hold("PATCH", f"/channels/{ada.dm().id}/messages/*", times=None)
        asked = await ada.say(ada.dm(), code(writes))
        ended = await asked.wait_for_reply(timeout=2 * SOON)
        await until_there(home, "SELECT 1 FROM entries WHERE session_id = ? AND status = 'ok'", f"u{ada.id}")
        asked = await bob.say(bob.dm(), code(slow))
        runs = await asked.wait_for_reply(lambda m: "\non\n" in m.content, timeout=SOON)
        node = node_pid(home)
        assert node is not None
        os.kill(node, signal.SIGSTOP)  # so eve's kernel takes long to start
        try:
            asked = await eve.say(eve.dm(), code(writes))
            waits = await asked.wait_for_reply(timeout=SOON)
            await until_there(home, "SELECT 1 FROM message_cells WHERE message_id = ?", waits.id)
            process.kill()
            await process.wait()
        finally:
            os.kill(node, signal.SIGCONT)
        held.remove()
    assert [labels(message) for message in (ended, runs, waits)] == [["Stop"]] * 3
    # As if it had been killed before it recorded the cell with its message:
    rows(home, "UPDATE message_cells SET seq = 0 WHERE message_id = ?", runs.id)
    async with started(discord, home):
        await ended.wait_for(lambda m: finished(m) and "load_file(" in m.content, SOON)
        await runs.wait_for(lambda m: finished(m) and "the end" in m.content, SOON)
        await waits.wait_for(lambda m: not labels(m), SOON)
        told = [
            [m for m in person.dm().messages if m.author.id == discord.bot.id] for person in (ada, bob, eve)
        ]
        assert told == [[ended], [runs], [waits]]
        assert ended.file("told.txt").data == b"1"
        assert waits.content == f"-# {NOT_RUN}"
        assert not rows(home, "SELECT 1 FROM entries WHERE session_id = ?", f"u{eve.id}")
        await until_there(
            home, "SELECT 1 FROM message_cells WHERE turn = '' GROUP BY turn HAVING count(*) = 3"
        )


async def test_cell_that_ended_with_bot_and_kernel_gets_a_last_state(discord: Discord, home: Path) -> None:
    """In its own message, which no longer looks as if the cell still ran."""
    async with started(discord, home, NODE="none", SANDBOX="none") as process:
        answer = await asked_for(discord, SLOW, "line 1")
        process.kill()
        await process.wait()
    async with started(discord, home, NODE="none", SANDBOX="none"):
        await answer.wait_for(lambda m: finished(m) and "ended while I was away" in m.content, 2 * SOON)
        assert len(ours(discord)) == 1


async def test_buttons_of_an_earlier_bot_stop_and_answer_its_cell(discord: Discord, home: Path) -> None:
    """A cell that asked before the bot was killed is answered by the next one, by its owner only.

    A form opened earlier also works if its question still waits, but not if it belongs to an earlier one.
    """
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    asks = "from getpass import getpass\nkey = getpass('key? ')\nprint('for', input('who? '), len(key))\n"
    async with started(discord, home) as process:
        answer = await asked_for(discord, f"{asks}print('and', input('you? '))\nwhile True: pass", "key?")
        first, stale = [await (await ada.click(answer, "Answer")).wait_for_modal() for _ in range(2)]
        await ada.submit_modal(first, {first.fields()[0][0]: "swordfish"})
        await answer.wait_for(lambda m: "who?" in m.content, SOON)
        opened = await (await ada.click(answer, "Answer")).wait_for_modal()
        process.kill()
        await process.wait()
    shown = len(answer.history_of_states)
    async with started(discord, home):
        await answer.wait_for(lambda m: len(m.history_of_states) > shown and "Answer" in labels(m), SOON)
        refused = await (await bob.click(answer, "Stop")).wait_for_message(lambda m: m.ephemeral)
        assert "person whose cell" in refused.content
        late = await ada.submit_modal(stale, {stale.fields()[0][0]: "swordfish"})
        told = await late.wait_for_message(lambda m: m.ephemeral)
        assert "click **Answer** again" in told.content
        assert "swordfish" not in told.content
        await ada.submit_modal(opened, {opened.fields()[0][0]: "ada"})
        await answer.wait_for(lambda m: "for ada 9" in m.content and "you?" in m.content, SOON)
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "bob"})
        await answer.wait_for(lambda m: "and bob" in m.content, SOON)
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)


@pytest.mark.soak
async def test_bot_that_was_killed_while_it_asked_whether_to_kill_asks_again(
    discord: Discord, home: Path
) -> None:
    """In the same message, where only its owner may decide; no variable is lost until they do."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    deaf = (
        "import time\nsaid = 'on'\nwhile True:\n  try:\n    word, said = said, ''\n    if word: print(word)\n"
    )
    deaf += "    time.sleep(1)\n  except KeyboardInterrupt: pass"
    async with started(discord, home) as process:
        await run(discord, ada, "kept = 7")
        answer = await asked_for(discord, deaf, "\non\n")
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: labels(m)[:2] == ["Wait", "Kill"], SOON)
        process.kill()
        await process.wait()
    shown = len(answer.history_of_states)
    async with started(discord, home):
        await answer.wait_for(lambda m: len(m.history_of_states) > shown and "Kill" in labels(m), SOON)
        refused = await (await bob.click(answer, "Kill")).wait_for_message(lambda m: m.ephemeral)
        assert "person whose cell" in refused.content
        await (await ada.click(answer, "Kill")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Lost: kept" in m.content, SOON)


async def test_bot_that_is_told_to_end_leaves_every_message_in_a_last_state(
    discord: Discord, home: Path
) -> None:
    """SIGTERM: it ends in time, the message says that the cell goes on, and the next bot tells the rest."""
    ada = discord.guild.member("ada")
    async with started(discord, home) as process:
        await run(discord, ada, "kept = 7")
        answer = await asked_for(discord, SLOW, "line 1")
        process.send_signal(signal.SIGTERM)
        await answer.wait_for(lambda m: "goes on" in m.content, SOON)
        assert await asyncio.wait_for(process.wait(), GRACE) == 0
    assert not [message for message in ours(discord) if "Stop" in labels(message)]
    async with started(discord, home):
        await answer.wait_for(lambda m: finished(m) and "the end" in m.content, 2 * SOON)
        assert "line 0" in answer.content
        assert "7" in output(await run(discord, ada, "kept"))


async def test_cell_that_ends_in_the_grace_is_told_before_the_end(discord: Discord, home: Path) -> None:
    """A cell shorter than the grace period finishes normally, even if the terminal is closed."""
    async with started(discord, home, SHUTDOWN_GRACE="15") as process:
        answer = await asked_for(discord, "import time\nprint('on')\ntime.sleep(.5)\nprint('over')", "on")
        process.send_signal(signal.SIGHUP)
        assert await asyncio.wait_for(process.wait(), GRACE) == 0
    assert "over" in answer.content
    assert finished(answer)


def in_order(text: str, *pieces: str) -> bool:
    """Whether a text has each of these once, in this order."""
    places = [text.find(piece) for piece in pieces]
    return all(text.count(piece) == 1 for piece in pieces) and places == sorted(places)


async def test_answer_of_the_model_keeps_what_was_said_and_run(discord: Discord, home: Path) -> None:
    """Earlier words, cells and files are there when the last cell ends, and a note that no more will come."""
    ada = discord.guild.member("ada")
    async with ModelServer.start() as server:
        settings = {"OPENAI_BASE_URL": server.base_url}
        async with started(discord, home, **settings) as process:
            server.will(says("An earlier", " answer."))
            earlier = await ada.say(ada.dm(), "before")
            await earlier.wait_for_reply(lambda m: "earlier answer" in m.content, timeout=SOON)
            writes = "_ = open('one.txt', 'w').write('1')\nprint('one', 'over')"
            server.will(calls(run_python(writes), words=["First this."]))
            server.will(calls(run_python(SLOWISH), words=["Then that."]))
            asked = await ada.say(ada.dm(), "now")
            answer = await asked.wait_for_reply(lambda m: "line 1" in m.content, timeout=2 * SOON)
            process.kill()
            await process.wait()
        async with started(discord, home, **settings):
            await answer.wait_for(finished, 2 * SOON)
    told = ("First this.", "one over", "Then that.", "range(6)", "line 0", "\nthe end", "was not done")
    assert in_order(answer.content, *told)
    assert "earlier answer" not in answer.content
    assert answer.file("one.txt").data == b"1"


async def test_answer_in_words_alone_is_ended_by_the_next_bot(discord: Discord, home: Path) -> None:
    """If a bot is killed while the model writes, what it had said stays, and nothing looks live."""
    ada = discord.guild.member("ada")
    async with ModelServer.start() as server:
        settings = {"OPENAI_BASE_URL": server.base_url}
        async with started(discord, home, **settings) as process:
            server.will(says("Whole", " and over."), says("It was", " a dark", hold=asyncio.Event()))
            whole = await ada.say(ada.dm(), "first")
            over = await whole.wait_for_reply(lambda m: "and over" in m.content, timeout=SOON)
            await over.wait_for(lambda m: "Stop" not in labels(m), SOON)
            asked = await ada.say(ada.dm(), "now")
            answer = await asked.wait_for_reply(lambda m: "a dark" in m.content, timeout=SOON)
            process.kill()
            await process.wait()
        assert labels(answer) == ["Stop"]
        states = len(over.history_of_states)
        async with started(discord, home, **settings):
            await answer.wait_for(lambda m: "Ask again" in m.content, SOON)
    assert answer.content.startswith("It was a dark\n-# I was restarted")
    assert "Writing" not in answer.content
    assert labels(answer) == []
    assert len(over.history_of_states) == states


async def test_notebook_keeps_the_cells_that_ran(discord: Discord, home: Path) -> None:
    """What the earlier cells showed stays, and the answer says that the later ones did not run."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    sources = ("print('cell', 0)", SLOWISH, "print('cell', 2)")
    cells = [cell | {"id": f"c{n}", "source": source} for n, source in enumerate(sources)]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    async with started(discord, home) as process:
        await run(discord, ada, "print('of another message')")
        asked = await ada.slash(general, "notebook", replay=("a.ipynb", notebook))
        answer = await asked.wait_for_message(lambda m: "line 1" in m.content, timeout=2 * SOON)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), GRACE)
    assert in_order(answer.content, "cell 0", "line 0", "The cell goes on", "will not be done")
    async with started(discord, home):
        await answer.wait_for(lambda m: finished(m) and "was not done" in m.content, 2 * SOON)
    assert in_order(answer.content, "cell 0", "line 0", "\nthe end", "was not done")
    assert "another message" not in answer.content


async def test_answer_of_several_messages_is_there_once(discord: Discord, home: Path) -> None:
    """The earlier bot's further messages of a long answer are replaced by those of the whole answer."""
    long = "for n in range(300): print('number', n)\nimport time\ntime.sleep(6)\nprint('the end')"
    async with started(discord, home) as process:
        await asked_for(discord, long, "number 299")
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), GRACE)
    assert len(ours(discord)) > 1
    general = discord.guild.channel("general")
    async with started(discord, home):
        last = await general.wait_for(lambda m: finished(m) and "\nthe end" in m.content, 2 * SOON)
        await general.wait_for(lambda _: [m for m in ours(discord) if m.buttons] == [last], SOON)
    told = "\n".join(message.content for message in ours(discord))
    assert in_order(told, "number 0\n", "number 150\n", "number 299\n", "\nthe end")


async def test_code_of_a_form_stays_and_more_time_is_offered(discord: Discord, home: Path) -> None:
    """Code that exists nowhere else is still shown, and near its deadline the cell can be kept running."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    settings = {"CELL_TIMEOUT": "180s", "KEEP_RUNNING": "179s"}
    async with started(discord, home, **settings) as process:
        modal = await (await ada.slash(general, "run")).wait_for_modal()
        sent = await ada.submit_modal(modal, {"Python": "print('on')\nwhile True: pass"})
        answer = await sent.wait_for_message(lambda m: "\non\n" in m.content, timeout=2 * SOON)
        process.kill()
        await process.wait()
    shown = len(answer.history_of_states)
    async with started(discord, home, **settings):
        await answer.wait_for(
            lambda m: len(m.history_of_states) > shown and "Keep running" in labels(m), SOON
        )
        await (await ada.click(answer, "Keep running")).wait_for_ack()
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)
        await general.wait_for(lambda m: m.pinged == {ada.id})
    assert in_order(answer.content, "while True: pass\n```", "\non\n", "Interrupted")
    assert "was not done" not in answer.content


async def test_without_a_token_it_says_so(root: Path) -> None:
    """`python -m bot` without a token names the variable, and what can be used instead."""
    environment = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", env=environment, stderr=asyncio.subprocess.PIPE, cwd=root
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert b"DISCORD_TOKEN" in told
    assert b"bot.console" in told
