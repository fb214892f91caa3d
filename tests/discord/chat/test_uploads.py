"""Files that people send along."""

from pathlib import Path

import pytest

from bot.files import PersonFiles
from bot.scratch.kernel import ScratchKernel
from kernels.errors import KernelClosed
from tests.discord.kernelcord import SOON, answered, code, output, run, running
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer, calls, run_python, says

TABLE = b"city,size\nRome,3\nOslo,1\n"


async def test_five_files_at_once_all_survive(discord: Discord, data: Path) -> None:
    """Each of five files, two of one name among them, is stored, placed in the workspace and described."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    files = [
        ("a.csv", TABLE),
        ("a.csv", TABLE + b"Bonn,2\n"),
        ("b.txt", b"b"),
        ("c.json", b"[1]"),
        ("d.bin", b"\0"),
    ]
    async with running(discord, data):
        asked = await ada.say(
            general, f"{discord.bot.mention} {code('import os; sorted(os.listdir())')}", files=files
        )
        answer = await answered(asked)
        for name in ("a.csv", "a-2.csv", "b.txt", "c.json", "d.bin"):
            assert name in answer.content
        cards = await asked.wait_for_reply(lambda m: "city" in m.content)
        assert "```\na-2.csv" in cards.content
        listed = await ada.slash(general, "files")
        menu = (await listed.wait_for_message(lambda m: m.selects)).selects[0]
        assert len(menu["options"]) == 5


async def test_cards_of_many_files_fill_several_messages(discord: Discord, data: Path) -> None:
    """Cards that do not fit into one message are shown in complete blocks, with what was not stored."""
    ada = discord.guild.member("ada")
    dm = ada.dm()
    wide = ",".join(f"column_number_{number}" for number in range(40)).encode()
    files = [
        *((f"wide-{number}.csv", wide + b"\n" + b"1.5," * 39 + b"2\n") for number in range(4)),
        ("big", b"b" * 9000),
    ]
    async with running(discord, data, max_file="8kB"):
        await ada.say(dm, "", files=files)
        await dm.wait_for(lambda m: "`big` is not stored" in m.content, timeout=SOON)
    told = [m.content for m in dm.messages if m.author.id == discord.bot.id]
    assert len(told) > 1
    assert all(text.count("```") % 2 == 0 for text in told)
    for name, _ in files:
        assert name in "".join(told)


async def test_csv_becomes_a_plot_and_files_that_come_back(discord: Discord, data: Path) -> None:
    """The whole story: a CSV, a plot, a follow-up on its variables, files saved, one of them loaded by id."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        plot = "import pandas as pd\ndf = pd.read_csv('sizes.csv')\ndf.plot.bar(x='city');"
        server.will(calls(run_python(plot)), says("A bar for each city."))
        asked = await ada.say(general, f"{discord.bot.mention} plot it", files=[("sizes.csv", TABLE)])
        answer = await answered(asked)
        assert "A bar for each city." in answer.content
        assert any(a.data.startswith(b"\x89PNG") for a in answer.attachments)
        assert "sizes.csv" in server.requests[0].text
        save = "df.to_excel('s.xlsx', index=False)\ndf.to_parquet('s.parquet')\nprint(len(df))"
        server.will(calls(run_python(save)), says("Saved."))
        saved = await answered(await ada.say(general, f"{discord.bot.mention} save as xlsx and parquet"))
        assert "Generated 2 file(s)" in saved.content
        assert {"s.xlsx", "s.parquet"} <= {a.filename for a in saved.attachments}
        typed = await ada.autocomplete(general, "files", "file", "xlsx")
        file_id = (await typed.wait_for_choices())[0]["value"]
        foreign_choices = await bob.autocomplete(general, "files", "file", "xlsx")
        assert await foreign_choices.wait_for_choices() == []
        loaded = await run(discord, ada, f"print(load_file('{file_id}')['city'].tolist())")
        assert "['Rome', 'Oslo']" in loaded.content
        refused = await run(discord, bob, f"load_file('{file_id}')")
        assert "Rome" not in refused.content
        assert file_id in refused.content
        got = await ada.slash(general, "files", file=file_id)
        assert (await got.wait_for_message(lambda m: m.attachments, timeout=SOON)).file("s.xlsx").data[
            :2
        ] == b"PK"
        foreign = await bob.slash(general, "files", file=file_id)
        assert not (await foreign.wait_for_message()).attachments
        for kind, name in (("notebook", "session.ipynb"), ("bundle", "session.zip")):
            asked_for = await ada.slash(general, "notebook", kind=kind)
            message = await asked_for.wait_for_message(lambda m: m.attachments, timeout=SOON)
            assert message.ephemeral
            assert message.file(name).data


async def test_names_of_any_kind_and_files_without_a_byte(discord: Discord, data: Path) -> None:
    """Names that would lead elsewhere or are too long, and an empty file: all lie in the workspace."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    names = [
        "../../etc/passwd",
        "x" * 240 + ".csv",
        "noext",
        ".hidden",
        "a b`@everyone.txt",
        "-rf",
        "zero.csv",
    ]
    files = [(name, b"" if name == "zero.csv" else TABLE) for name in names]
    async with running(discord, data):
        names_of = "[name for name in os.listdir() if name != '.tmp']"
        text = f"import os\nnames = {names_of}\nprint(len(names), [name for name in names if '@' in name])"
        asked = await ada.say(general, f"{discord.bot.mention} {code(text)}", files=files)
        assert f"{len(names)} []" in (await answered(asked)).content


async def test_file_that_cannot_be_fetched_is_named(discord: Discord, data: Path) -> None:
    """If a file's link does not work, the person is told, and the rest of the message is handled."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('1 + 1')}", files=[("a.csv", TABLE)])
        asked.attachments[0].id += 1  # before the bot gets to it
        await asked.wait_for_reply(lambda m: "`a.csv` could not be read" in m.content, timeout=SOON)
        assert "2" in output(await answered(asked))


@pytest.mark.parametrize("error", [ValueError("fault"), OSError(5, "Input/output error"), KernelClosed()])
async def test_whatever_fails_about_files_their_message_is_answered(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A missing card does no harm, a file that cannot be stored is reported, and the code runs."""

    async def fails(*_: object, **__: object) -> None:
        raise error

    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        for patched, told in (((ScratchKernel, "work"), "(data, 24 B"), ((PersonFiles, "upload"), "`a.csv`")):
            with monkeypatch.context() as patch:
                patch.setattr(*patched, fails)
                text = f"{discord.bot.mention} {code('6 * 7')}"
                asked = await ada.say(general, text, files=[("a.csv", TABLE), ("b.csv", TABLE)])
                assert "42" in output(await answered(asked))
                assert any(told in m.content for m in general.messages if m.reference is asked)
