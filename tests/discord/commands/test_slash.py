"""The slash commands, and "Run code" in a message's menu."""

import base64
import errno
import io
import json
import zipfile
from pathlib import Path

import nbformat
import pytest

from tests.discord.kernelcord import SOON, answered, code, finished, labels, output, run, running
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer, calls, run_python, says

SIZES = b"city,size\nRome,3\nOslo,1\n"


def valid(data: bytes) -> nbformat.NotebookNode:
    """The notebook, which must be valid for Jupyter."""
    book = nbformat.reads(data.decode(), as_version=4)
    nbformat.validate(book)
    return book


async def test_run_takes_a_line_or_opens_a_form(discord: Discord, data: Path) -> None:
    """/run runs its code and shows it; without code it opens a form for several lines."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.slash(general, "run", code="z = 5; print(z)")
        answer = await asked.wait_for_message(finished, timeout=SOON)
        assert "z = 5" in answer.content
        assert not answer.ephemeral
        modal = await (await ada.slash(general, "run")).wait_for_modal()
        submitted = await ada.submit_modal(modal, {"Python": "for n in range(2):\n    print('n', n + z)"})
        assert "n 6" in (await submitted.wait_for_message(finished, timeout=SOON)).content


async def test_run_code_of_a_message(discord: Discord, data: Path) -> None:
    """A message's menu runs its code in the kernel of the person who asks; they are told if there is none."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    written = await ada.say(general, f"look {code('seven = 7\nprint(seven * 6)')}")
    words = await ada.say(general, "no code at all, is it")
    async with running(discord, data):
        asked = await bob.context_menu("Run code", written)
        assert "42" in output(await asked.wait_for_message(finished, timeout=SOON))
        assert "7" in output(await run(discord, bob, "seven"))
        assert "NameError" in (await run(discord, ada, "seven")).content
        refused = await (await bob.context_menu("Run code", words)).wait_for_message()
        assert refused.ephemeral


async def test_run_code_of_an_answer(discord: Discord, data: Path) -> None:
    """An answer's code runs, not its output: all of it for its owner, only the visible part for others."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    lines = "\n".join(f"x{number} = {number}" for number in range(30))
    async with running(discord, data):
        short = await (await ada.slash(general, "run", code="print('well', 'done')")).wait_for_message(
            finished, timeout=SOON
        )
        modal = await (await ada.slash(general, "run")).wait_for_modal()
        submitted = await ada.submit_modal(modal, {"Python": f"{lines}\nprint('sum', x28 + x29)"})
        long = await submitted.wait_for_message(finished, timeout=SOON)
        unseen = await run(discord, ada, "print('not', 'repeated')")
        for person, answer, output in (
            (bob, short, "well done"),
            (ada, short, "well done"),
            (ada, long, "sum 57"),
            (ada, unseen, "not repeated"),
        ):
            again = await person.context_menu("Run code", answer)
            ran = await again.wait_for_message(finished, timeout=SOON)
            assert output in ran.content
            assert "Error" not in ran.content
        for answer, words in ((long, "only part"), (unseen, "no Python block")):
            refused = await (await bob.context_menu("Run code", answer)).wait_for_message()
            assert refused.ephemeral
            assert words in refused.content


async def test_run_code_of_the_models_answer(discord: Discord, data: Path) -> None:
    """Code that the model suggests runs, for the person it answered and for others."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(calls(run_python("first = 1")), says(f"Now try {code('print(first, 41)')}"))
        answer = await (await ada.slash(general, "ask", words="how?")).wait_for_message(
            lambda m: "try" in m.content and "tokens" in m.content, timeout=SOON
        )
        again = await ada.context_menu("Run code", answer)
        assert "1 41" in (await again.wait_for_message(finished, timeout=SOON)).content


async def test_ask_takes_words_and_a_file(discord: Discord, data: Path) -> None:
    """/ask passes words and the card of a file to the model; /usage shows what that used."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(says("Two rows."))
        asked = await ada.slash(general, "ask", words="how many rows?", file=("t.csv", b"a\n1\n2\n"))
        await asked.wait_for_message(
            lambda m: "Two rows." in m.content and "tokens" in m.content, timeout=SOON
        )
        assert "t.csv" in server.requests[0].text
        await asked.wait_for_message(lambda m: "t.csv" in m.content and "2 rows" in m.content)
        used = await (await ada.slash(general, "usage")).wait_for_message()
        assert used.ephemeral
        assert "1 answer" in used.content
        assert "100 tokens in" in used.content


async def test_file_of_ask_that_is_not_stored_is_named(discord: Discord, data: Path) -> None:
    """A file over the size limit is not silently left out, and the question is answered."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with (
        ModelServer.start() as server,
        running(discord, data, openai_base_url=server.base_url, max_file="1kB"),
    ):
        server.will(says("No file here."))
        asked = await ada.slash(general, "ask", words="how many?", file=("t.csv", b"a" * 2000))
        await asked.wait_for_message(lambda m: "`t.csv` is not stored" in m.content, timeout=SOON)
        await asked.wait_for_message(lambda m: "No file here." in m.content, timeout=SOON)


async def test_ask_without_a_model_says_what_is_missing(discord: Discord, data: Path) -> None:
    """/ask says so, and names no setting: a member cannot set one."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        asked = await ada.slash(ada.dm(), "ask", words="hello")
        answer = await asked.wait_for_message(lambda m: "no model here" in m.content, timeout=SOON)
        assert "OPENAI" not in answer.content


async def test_stop_says_which_cell_it_stops_and_where(discord: Discord, data: Path) -> None:
    """From another channel, where a cell waits for one that asks for input, it stops the one that asks."""
    ada, general, other = (
        discord.guild.member("ada"),
        discord.guild.channel("general"),
        discord.guild.channel("other"),
    )
    async with running(discord, data):
        asked = await ada.say(other, f"{discord.bot.mention} {code('input()  # `<@1>')}")
        asks = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        waiting = await ada.say(general, f"{discord.bot.mention} {code('print(6 * 7)')}")
        await waiting.wait_for_reply(lambda m: "Waiting" in m.content, timeout=SOON)
        told = await (await ada.slash(general, "stop")).wait_for_message()
        assert told.content.startswith(
            f"Stopping the cell `input()  # ˋ<@1>` in <#{other.id}>. If it goes on"
        )
        assert told.ephemeral
        await asks.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)
        assert "42" in output(await answered(waiting))


async def test_stop_vars_and_reset(discord: Discord, data: Path) -> None:
    """/stop ends the running cell, /vars lists variables, /reset removes them; all privately."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        nothing = await (await ada.slash(general, "stop")).wait_for_message()
        assert "othing" in nothing.content
        await run(discord, ada, "kept_here = 12")
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(1)\nwhile True: pass')}")
        answer = await asked.wait_for_reply(lambda m: "1" in output(m), timeout=SOON)
        told = await (await ada.slash(general, "stop")).wait_for_message()
        assert told.content.startswith("Stopping the ")
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)
        listed = await (await ada.slash(general, "vars")).wait_for_message()
        assert "kept_here: int" in listed.content
        for message in (nothing, listed):
            assert message.ephemeral
        await (await ada.slash(general, "reset")).wait_for_message(timeout=SOON)
        assert "NameError" in (await run(discord, ada, "kept_here")).content


async def test_notebook_has_what_was_run_and_the_bundle_its_files(discord: Discord, data: Path) -> None:
    """The notebook is valid and has the person's own cells; its zip also has the files that they need."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    read = "rows = open('sizes.csv').read().split()\nprint(len(rows), 'rows')"
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"
    made = "open('out/' + 'made.txt', 'w').write('made')"
    cells = [read, plot, f"import os\nos.makedirs('out')\n{made}", "1 / 0"]
    async with running(discord, data):
        files = [("sizes.csv", SIZES), ("unused.bin", b"\0")]
        await answered(await ada.say(general, f"{discord.bot.mention} {code(read)}", files=files))
        await run(discord, bob, "print('of bob')\nopen('bob.txt', 'w').write('b')")
        for text in cells[1:]:
            await run(discord, ada, text)
        asked = await ada.slash(general, "notebook")
        alone = await asked.wait_for_message(lambda m: m.attachments, timeout=SOON)
        asked = await ada.slash(general, "notebook", kind="bundle")
        zipped = await asked.wait_for_message(lambda m: m.attachments, timeout=SOON)
    book = valid(alone.file("session.ipynb").data)
    assert [cell.source for cell in book.cells] == cells
    assert [cell.execution_count for cell in book.cells] == [1, 2, 3, 4]
    printed, plotted, result, failed = (cell.outputs for cell in book.cells)
    assert printed == [{"output_type": "stream", "name": "stdout", "text": "3 rows\n"}]
    (picture,) = [output.data["image/png"] for output in plotted if "image/png" in output.get("data", {})]
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert result[0].data["text/plain"] == "4"
    assert failed[0].ename == "ZeroDivisionError"
    with zipfile.ZipFile(io.BytesIO(zipped.file("session.zip").data)) as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held["sizes.csv"] == SIZES
    assert held["files/out/made.txt"] == b"made"
    assert not {"unused.bin", "bob.txt"} & set(held)
    assert {"README.md", "kernelcord_files/__init__.py", "kernelcord_files/loading/__init__.py"} <= set(held)
    index = {entry["path"]: entry["size"] for entry in json.loads(held["files.json"])}
    assert index == {"sizes.csv": len(SIZES), "files/out/made.txt": 4}
    first, *others = valid(held["notebook.ipynb"]).cells
    assert "kernelcord_files" in first.source
    assert [(cell.source, cell.outputs) for cell in others] == [(c.source, c.outputs) for c in book.cells]


async def test_notebook_is_given_and_run_again(discord: Discord, data: Path) -> None:
    """A notebook from /notebook runs when it is attached to /notebook, in anybody's kernel."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data):
        await run(discord, ada, "made = 20")
        await run(discord, ada, "print(made + 1)")
        given = await (await ada.slash(general, "notebook")).wait_for_message(
            lambda m: m.attachments, timeout=SOON
        )
        notebook = given.file("session.ipynb").data
        assert len(json.loads(notebook)["cells"]) == 2
        again = await bob.slash(general, "notebook", replay=("session.ipynb", notebook))
        ran = await again.wait_for_message(lambda m: "Ran 2 of 2" in m.content, timeout=SOON)
        assert "21" in output(ran)
        broken = await bob.slash(general, "notebook", replay=("session.ipynb", b"{"))
        await broken.wait_for_message(lambda m: "JSON" in m.content, timeout=SOON)


async def test_help_and_settings(discord: Discord, data: Path) -> None:
    """/help explains; /settings lets server managers change settings, and others only see them."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data):
        assert "/privacy" in (await (await bob.slash(general, "help")).wait_for_message()).content
        refused = await bob.slash(general, "settings", answer_in="thread")
        assert "manage" in (await refused.wait_for_message()).content
        changed = await ada.slash(general, "settings", answer_in="thread")
        assert "thread" in (await changed.wait_for_message()).content
        shown = await (await bob.slash(general, "settings")).wait_for_message()
        assert "thread" in shown.content
        assert shown.ephemeral


async def test_privacy_exports_and_deletes(discord: Discord, data: Path) -> None:
    """/privacy gives a zip of everything kept about a person, and deletes it once they have confirmed."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        await run(discord, ada, "mine = 1\nopen('mine.txt', 'w').write('x');")
        exported = await ada.slash(general, "privacy", what="export")
        message = await exported.wait_for_message(lambda m: m.attachments, timeout=SOON)
        assert message.ephemeral
        assert message.file("kernelcord-export.zip").data[:2] == b"PK"
        asked = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
        clicked = await ada.click(asked, "Delete everything")
        await clicked.wait_for_message(lambda m: "is deleted" in m.content, timeout=SOON)
        assert "no files" in (await (await ada.slash(general, "files")).wait_for_message()).content
        assert "NameError" in (await run(discord, ada, "mine")).content


async def test_nothing_stays_of_outputs_that_a_killed_bot_was_drawing(
    discord: Discord, tmp_path: Path
) -> None:
    """They lie in workspaces that belong to nobody; /privacy and a full reset delete them all."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")

    def left() -> list[Path]:
        return list((tmp_path / "workspaces").glob("renderer-*"))

    def leave() -> None:
        for number in range(3):
            folder = tmp_path / "workspaces" / f"renderer-{number}.apart"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "tasks.json").write_text("{}")

    leave()
    async with running(discord, tmp_path, node="none", preload="none"):
        asked = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
        clicked = await ada.click(asked, "Delete everything")
        await clicked.wait_for_message(lambda m: "is deleted" in m.content, timeout=SOON)
        assert left() == []
    leave()
    async with running(discord, tmp_path, node="none", preload="none"):
        reset = await ada.slash(general, "reset", everything=True)
        await reset.wait_for_message(lambda m: "are deleted" in m.content, timeout=SOON)
        assert left() == []


async def test_privacy_gives_no_budget_back_and_says_so(discord: Discord, data: Path) -> None:
    """What counts towards today's limit survives the deletion and a full reset, and both answers say so."""
    cleo, general = discord.guild.member("cleo"), discord.guild.channel("general")
    async with (
        ModelServer.start() as server,
        running(discord, data, openai_base_url=server.base_url, daily_tokens=5000),
    ):
        server.will(says("Dear.", usage=(4000, 900, 0)))
        asked = await cleo.slash(general, "ask", words="how?")
        await asked.wait_for_message(lambda m: "Dear." in m.content and "tokens" in m.content, timeout=SOON)
        reset = await cleo.slash(general, "reset", everything=True)
        await reset.wait_for_message(lambda m: "are deleted" in m.content, timeout=SOON)
        confirm = await (await cleo.slash(general, "privacy", what="delete")).wait_for_message()
        assert "today's limit counts" in confirm.content
        clicked = await cleo.click(confirm, "Delete everything")
        told = await clicked.wait_for_message(lambda m: "is deleted" in m.content, timeout=SOON)
        assert "today's limit counts" in told.content
        used = await (await cleo.slash(general, "usage")).wait_for_message()
        assert "4,000 tokens in" in used.content
        refused = await cleo.slash(general, "ask", words="and now?")
        await refused.wait_for_message(lambda m: "5,000 tokens for today" in m.content, timeout=SOON)
        assert len(server.requests) == 1


async def test_an_export_for_which_the_disk_has_no_room_is_told(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is given, as for a notebook, and it is not called a fault of ours."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")

    async def full(*_: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bot.discord.commands.privacy.export", full)
    async with running(discord, data):
        asked = await ada.slash(general, "privacy", what="export")
        message = await asked.wait_for_message()
        assert message.content.startswith("The disk is full. Delete files with /files, or wait")
        assert message.ephemeral


async def test_app_of_a_person_in_a_server_without_the_bot(discord: Discord, data: Path) -> None:
    """A person who installed the bot for themselves is answered where it is absent, by interaction alone."""
    away = discord.add_guild("away", owner="bob", with_bot=False)
    bob = away.member("bob")
    bob.has_installed_bot = True
    async with running(discord, data):
        asked = await bob.slash(
            away.channel("general"), "run", code="print(3 + 4)\nopen('f.txt', 'w').write('f');"
        )
        answer = await asked.wait_for_message(lambda m: finished(m) and "7" in output(m), timeout=SOON)
        assert answer.file("f.txt").data == b"f"
        assert labels(answer)
        long = await bob.slash(
            away.channel("general"), "run", code="print('\\n'.join('word ' * 300 for _ in range(4)))"
        )
        await long.wait_for_message(finished, timeout=SOON)
        again = await bob.click(answer, "Re-run")
        await again.wait_for_message(lambda m: m is not answer and finished(m), timeout=SOON)


async def test_resets_count_as_turns_do(discord: Discord, data: Path) -> None:
    """Each ends a kernel, which delays other people's: somebody who asks for too many is told to wait."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, rate=2):
        told = [
            (
                await (await ada.slash(general, "reset", everything=True)).wait_for_message(timeout=SOON)
            ).content
            for _ in range(3)
        ]
    assert ["fresh kernel" in text for text in told] == [True, True, False]
    assert "a lot in one minute" in told[2]
