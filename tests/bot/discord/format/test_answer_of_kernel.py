"""From a cell in a real kernel to the messages that show it, with all parts working together."""

import pytest

from bot.discord.answers.pages import Pages
from bot.discord.format.answer import Draft
from bot.discord.format.attachments import MessageLimits, plan
from bot.discord.format.split import length
from bot.reply import Reply
from bot.scratch.drawing import Renderer
from bot.sessions import Sessions

CODE = """
import pandas as pd, sympy
import matplotlib.pyplot as plt
from IPython.display import display
for n in range(3): print(f"{n} of 3", end="\\r")
display(pd.DataFrame([[n * 1.5 for n in range(14)]], columns=[f"measure {n}" for n in range(14)]))
display(sympy.Integral(sympy.Symbol("x"), sympy.Symbol("x")))
plt.plot([1, 2]); plt.show()
open("two\\nlines `.txt", "w").write("text")
def inner(): return 1 / 0
inner()
"""


@pytest.mark.timeout(120)
async def test_a_cell_becomes_messages(sessions: Sessions) -> None:
    """A bar is one line; table, formula and plot are pictures; errors are coloured; the file has its id."""
    draft = Draft(code=CODE)
    lives: list[str] = []

    async def tell(reply: Reply) -> None:
        draft.add_reply(reply)
        lives.extend(draft.live_page(now=0)().parts)

    result = await sessions.execute_code(CODE, user_id=1, tell=tell)
    assert [item.kind for item in draft.drawings()()] == ["table", "latex"]
    page = await Pages(Renderer(sessions.pool), MessageLimits().file).final_page(1, draft)
    messages = plan(page.parts, page.uploads)
    assert [upload.name for upload in messages[-1].uploads] == [f"picture-{n}.png" for n in (1, 2, 3)]
    text = "\n".join(message.content for message in messages)
    assert "```\n2 of 3\n```" in text
    assert "```ansi\n\x1b[0;31mZeroDivisionError" in text
    assert f"`{result.generated_file_ids[0]}`" in text
    assert text.count("```") % 2 == 0
    assert lives
    assert max(map(length, lives)) <= 2000
