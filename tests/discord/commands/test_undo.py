"""Undo, redo and checkpoints on Discord: by command, and by the button below an answer."""

from pathlib import Path

import pytest

from bot.continuity.undo import branches
from tests.discord.kernelcord import SOON, finished, output, run, running, said, saved
from tests.loopback.loopback import Discord
from tests.loopback.world.messages import Message

HERE = {"node": "none", "preload": "none"}  # kernels in this process, which start at once


def undone(message: Message) -> bool:
    """Whether an answer is marked as undone."""
    return message.content.endswith("-# undone")


async def test_undo_takes_back_variables_and_files(discord: Discord, tmp_path: Path) -> None:
    """The last cells, by command or button; the answers show it, and redo takes it back."""
    ada = discord.guild.member("ada")
    async with running(discord, tmp_path, **HERE):
        first = await run(discord, ada, "x = 1\nopen('a.txt', 'w').write('one');")
        await saved(ada, 1)
        second = await run(discord, ada, "x = 2\nopen('a.txt', 'w').write('two');")
        refused = await (await ada.click(first, "Undo")).wait_for_message(lambda m: m.ephemeral)
        assert "`/undo` with cells:2" in refused.content
        clicked = await ada.click(second, "Undo")
        told = await clicked.wait_for_message(lambda m: m.ephemeral and "Undone" in m.content, timeout=SOON)
        assert "cell 2" in told.content
        assert "`x`" in told.content
        assert "`a.txt`" in told.content
        await second.wait_for(lambda m: undone(m) and finished(m), SOON)
        assert not undone(first)
        assert "1 one" in output(await run(discord, ada, "print(x, open('a.txt').read())"))
        again = await (await ada.click(second, "Undo")).wait_for_message(lambda m: m.ephemeral)
        assert "undone already" in again.content
        assert "Undone: cells 1 and 3" in await said(ada, "undo", cells=2)
        await first.wait_for(undone, SOON)
        assert "Redone" in await said(ada, "redo")
        await first.wait_for(lambda m: not undone(m), SOON)
        assert "1 one" in output(await run(discord, ada, "print(x, open('a.txt').read())"))
        assert "othing to" in await said(ada, "redo")


async def test_a_checkpoint_is_kept_until_it_is_forgotten(discord: Discord, tmp_path: Path) -> None:
    """It is offered by name, listed, gone back to, and its variables are what they were."""
    ada = discord.guild.member("ada")
    async with running(discord, tmp_path, **HERE):
        await run(discord, ada, "x = [1]\nconn = open('c.txt', 'w')")
        assert "`clean`" in await said(ada, "checkpoint", what="save", name="clean")
        await run(discord, ada, "x.append(2)")
        offered = await ada.autocomplete(ada.dm(), "checkpoint", "name", "cl", what="restore")
        assert [choice["value"] for choice in await offered.wait_for_choices()] == ["clean"]
        assert "`clean`, as after cell 1" in await said(ada, "checkpoint", what="list")
        assert "Back at checkpoint `clean`" in await said(ada, "checkpoint", what="restore", name="clean")
        assert "x is [1]" in output(await run(discord, ada, "print('x is', x)"))
        assert "Saved as of cell" in await said(ada, "vars")
        assert "forgotten" in await said(ada, "checkpoint", what="forget", name="clean")
        assert "no checkpoint" in await said(ada, "checkpoint", what="restore", name="clean")
        assert "with a name" in await said(ada, "checkpoint", what="save")


async def test_without_saved_variables_nothing_is_undone(discord: Discord, tmp_path: Path) -> None:
    """The command says so, and there is no button for it."""
    ada = discord.guild.member("ada")
    async with running(discord, tmp_path, state="off", **HERE):
        answer = await run(discord, ada, "x = 1")
        assert "Undo" not in [button.label for button in answer.buttons]
        assert "not saved here" in await said(ada, "undo")


async def test_a_branch_is_a_thread_of_its_own(
    discord: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins with variables and files, changes nothing here, and its cells are its own."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, tmp_path, **HERE):
        await run(discord, ada, "x, lazy = [1], (y for y in [])\nopen('a.txt', 'w').write('one');")
        asked = await ada.slash(general, "branch", name="what if")
        told = await asked.wait_for_message(lambda m: "Your branch is in" in m.content, timeout=SOON)
        assert told.ephemeral
        (thread,) = general.threads
        assert thread.name == "what if"
        assert f"<#{thread.id}>" in told.content
        assert "lazy" in told.content  # which is not in it
        begun = await thread.wait_for(lambda m: "`what if`" in m.content, SOON)
        assert ada.mention in begun.content
        assert "lazy" not in begun.content  # others read this
        changed = await run(discord, ada, "x.append(2); print(x, open('a.txt').read())", thread)
        assert "[1, 2] one" in output(changed)
        assert "x is [1]" in output(await run(discord, ada, "print('x is', x)"))
        clicked = await ada.click(changed, "Undo")
        await clicked.wait_for_message(lambda m: m.ephemeral and "Undone" in m.content, timeout=SOON)
        assert "now [1]" in output(await run(discord, ada, "print('now', x)", thread))
        unnamed = await (await ada.slash(general, "branch")).wait_for_message(timeout=SOON)
        assert "Your branch is in" in unnamed.content
        monkeypatch.setattr(branches, "MOST", 2)
        refused = await (await ada.slash(general, "branch")).wait_for_message(timeout=SOON)
        assert "20 branches already" in refused.content
        assert len(general.threads) == 2


async def test_a_branch_in_direct_messages_goes_by_name(discord: Discord, tmp_path: Path) -> None:
    """It takes the place over, `main` leads back, and the buttons below its answers stay its own."""
    ada = discord.guild.member("ada")
    async with running(discord, tmp_path, **HERE):
        await run(discord, ada, "x = 1", ada.dm())
        assert "no branches" in await said(ada, "branch")
        assert "`main` leads back" in await said(ada, "branch", name="b")
        in_branch = await run(discord, ada, "x = 2", ada.dm())
        assert "back where your branches began" in await said(ada, "branch", name="main")
        assert "x 1" in output(await run(discord, ada, "print('x', x)", ada.dm()))
        clicked = await ada.click(in_branch, "Undo")
        await clicked.wait_for_message(lambda m: m.ephemeral and "Undone" in m.content, timeout=SOON)
        assert "You are in the branch `b`" in await said(ada, "branch", name="b")
        assert "x 1" in output(await run(discord, ada, "print('x', x)", ada.dm()))
        assert "You are in `b`" in await said(ada, "branch")
