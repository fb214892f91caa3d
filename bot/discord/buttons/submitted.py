"""What happens when a person submits a form: everything needed is in the form's name.

Discord closes the form, and what was typed is gone with it. If nothing can be done with the text, the person
gets it back in a private answer that says what to do instead. A password is shown to nobody.
"""

import logging

from bot.discord.api.interactions import Interaction, defer, give_back, privately
from bot.discord.api.speaking import MAY_NOT, may_speak
from bot.discord.buttons.actions import ANSWERED, run_for
from bot.discord.buttons.forms import name_of, typed
from bot.discord.buttons.ownership import claimed
from bot.discord.context import Context
from bot.discord.failures import BROKEN, EXPECTED
from bot.errors import NothingRuns
from bot.wording.error_messages import sentence
from kernels.errors import NoQuestion

__all__ = ["submit"]

log = logging.getLogger(__name__)

ASK_AGAIN = f"{ANSWERED} If the cell still asks, click **Answer** again."
UNKNOWN = "I do not know this form any more. Use `/run` again, or click the button that opened it."


async def submit(context: Context, interaction: Interaction) -> None:
    """Do what the form is for. Raises nothing."""
    name, *rest = name_of(interaction).split(":")
    text = typed(interaction)
    returned = "" if name == "password" else text
    try:
        match name, rest:
            case "run" | "edit", []:  # the answer to `/run` replaces the message that it announced
                await run_for(context, interaction, text, deferred=name == "run", typed=text)
            case "answer" | "password", [seq, question]:
                await _answer(context, interaction, int(seq), int(question), text, returned)
            case _:
                await privately(interaction, UNKNOWN)
    except Exception:  # our fault, whatever it is: log it, and tell the person
        log.exception("a form %r failed", name)
        await give_back(interaction, BROKEN, returned)


async def _answer(
    context: Context, interaction: Interaction, seq: int, question: int, text: str, returned: str
) -> None:
    """Answer this question of this cell, and no other: what was typed may be a password."""
    await defer(interaction, message=False)
    cell = await claimed(context, interaction, returned)
    if cell is None:
        return
    if not may_speak(interaction):
        await give_back(interaction, MAY_NOT, returned)
        return
    session = context.sessions.opened(cell.session_id)
    try:
        if session is None:
            raise NothingRuns
        session.answer_to(seq, question, text)
    except EXPECTED as error:
        gone = isinstance(error, NoQuestion | NothingRuns)
        await give_back(interaction, ASK_AGAIN if gone else sentence(error), returned)
        return
    if cell.answer is not None:
        cell.answer.draft.question = None
        cell.answer.touch()
