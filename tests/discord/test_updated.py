"""Displays that a later cell updates: the earlier message changes."""

from pathlib import Path

from tests.discord.kernelcord import SOON, run, running
from tests.discord.loopback import Discord

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
