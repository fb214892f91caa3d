"""Displays that a later cell updates: the earlier message changes."""

from pathlib import Path

from bot.discord.bounds import Bounds
from tests.discord.kernelcord import SOON, answered, code, finished, output, run, running
from tests.loopback.loopback import Discord
from tests.loopback.people.person import Person
from tests.loopback.rest.faults import Request
from tests.loopback.world.messages import Message

PICTURE = (
    "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots(); axes.plot([1, 2]); plt.close(figure)\n"
    "open('kept.txt', 'w').write('kept'); p = display(figure, display_id=True)"
)


async def test_an_updated_display_changes_the_message_of_its_cell(discord: Discord, data: Path) -> None:
    """Text in its place, a picture in place of the one before; a file that was written stays."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        first = await run(discord, ada, "print('before'); h = display('one', display_id=True)")
        drawn = await run(discord, ada, PICTURE)
        assert "'one'" in first.content
        assert [one.filename for one in drawn.attachments] == ["picture-1.png", "kept.txt"]
        before = {one.id for one in drawn.attachments}
        await run(discord, ada, "h.update('two'); axes.set_title('x'); p.update(figure)")
        await first.wait_for(lambda m: "'two'" in m.content, SOON)
        assert "before" in first.content
        assert "'one'" not in first.content
        assert first.components
        await drawn.wait_for(lambda m: {one.id for one in m.attachments} != before, SOON)
        names = sorted(one.filename for one in drawn.attachments)
        assert names == ["kept.txt", "picture-1.png"]


class Displays:
    """Messages, each with its own display (`h0` and so on) that shows "d"."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord
        self._before = 0  # how many requests there were once all was shown
        self.messages: list[Message] = []

    async def show(self, person: Person, displays: int) -> None:
        """Show this many."""
        for number in range(displays):
            text = f"h{number} = display('d', display_id='k{number}')"
            self.messages.append(await run(self._discord, person, text))
        self._before = len(self._discord.requests.all)

    @property
    def edits(self) -> list[Request]:
        """The edits of these messages since then, in order."""
        ids = {str(message.id) for message in self.messages}
        since = self._discord.requests.all[self._before :]
        return [r for r in since if r.method == "PATCH" and r.path.rpartition("/")[2] in ids]


async def test_updated_messages_wait_for_answers_that_move_and_are_edited_once(
    discord: Discord, data: Path
) -> None:
    """Two cells update two messages while the cell of another person runs in the channel.

    Discord counts all edits in the channel together, so each of these would make that person wait.
    """
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    displays = Displays(discord)
    async with running(discord, data, bounds=Bounds(edit_waits=10 * SOON)):
        await displays.show(ada, 2)
        endless = code("import time\nwhile True: print(1, flush=True); time.sleep(0.1)")
        asked = await bob.say(discord.guild.channel("general"), f"{discord.bot.mention} {endless}")
        answer = await asked.wait_for_reply(lambda m: "1" in output(m), timeout=SOON)
        for value in "ac":
            await run(discord, ada, f"for h in (h0, h1): h.update({value!r})")
        assert not displays.edits
        await bob.click(answer, "Stop")
        await answered(asked)
        for message in displays.messages:
            await message.wait_for(lambda m: "'c'" in m.content, SOON)
        made = displays.edits
    assert len(made) == 2
    last = discord.requests.matching("PATCH", f"/channels/*/messages/{answer.id}")[-1]
    order = discord.requests.all.index
    assert order(made[0]) > order(last)
    assert not [request.line() for request in discord.requests.all if request.status == 429]


async def test_an_update_of_an_old_cell_does_not_replace_a_newer_answer(discord: Discord, data: Path) -> None:
    """The person edits their message while its answer is about to be shown again: it holds a new one then."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('h = display("one", display_id=True)')}")
        answer = await answered(asked)
        looked_at = discord.faults.hold("GET", f"/channels/*/messages/{answer.id}")
        await run(discord, ada, "h.update('two')", ada.dm())
        await looked_at.wait_for_hit()
        await ada.edit(asked, f"{discord.bot.mention} {code('print(6 * 7)')}")
        await answer.wait_for(lambda m: finished(m) and "42" in output(m), SOON)
        looked_at.release()
    assert "42" in output(answer)
    assert "two" not in answer.content


async def test_what_is_updated_meanwhile_is_merged_and_the_end_shows_the_rest(
    discord: Discord, data: Path
) -> None:
    """During an endless pause there is one edit; a bot that shuts down makes the others.

    Each shows the final state, even if there are more than the transcript returns at once.
    """
    ada, displays = discord.guild.member("ada"), Displays(discord)
    async with running(discord, data, bounds=Bounds(apart=100 * SOON)):
        await displays.show(ada, 6)
        for value in "ac":
            await run(discord, ada, f"for h in (h0, h1, h2, h3, h4, h5): h.update({value!r})")
        assert len(displays.edits) <= 1
    assert ["'c'" in message.content for message in displays.messages] == [True] * 6
    assert len(displays.edits) <= 7
    assert all(map(finished, displays.messages))


async def test_a_late_update_is_shown_whatever_was_told_before_it(discord: Discord, data: Path) -> None:
    """The messages that late output may have are used up."""
    ada, displays = discord.guild.member("ada"), Displays(discord)
    async with running(discord, data, bounds=Bounds(late_messages=0)):
        await displays.show(ada, 1)
        text = (
            "import threading, time\ndef later():\n    time.sleep(2)\n    for n in range(50): h0.update(n)\n"
            "    h0.update('late')\nthreading.Thread(target=later).start()"
        )
        await run(discord, ada, text)
        await displays.messages[0].wait_for(lambda m: "'late'" in m.content, SOON)
        assert len(displays.edits) < 25
