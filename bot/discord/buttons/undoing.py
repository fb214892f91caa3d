"""What the button **Undo** below an answer does: it takes the answer's cells back, if they are the last."""

from bot.discord.api.interactions import Interaction, privately
from bot.discord.buttons.ownership import OwnAnswer, session_of
from bot.discord.commands.undoing import go
from bot.discord.context import Context
from bot.errors import UndoRefused
from bot.transcript import has_begun
from filestore.records import CellRecord

__all__ = ["undo_answer"]

LOOKED_AT = 200  # entries of the transcript, from the answer's first cell on
ALREADY = "This is undone already. `/redo` takes the last undo back."
NOT_LAST = "This is not your last cell any more, so it cannot be undone alone: {}."
STILL = "This still runs: stop it first."


async def undo_answer(context: Context, interaction: Interaction, cell: OwnAnswer) -> None:
    """Undo the cells of a person's own answer; the interaction was deferred. Raises: as `Session.undo`."""
    if cell.answer is not None:
        await privately(interaction, STILL)
        return
    if (refused := context.refusal(cell.user_id, ends=True)) is not None:
        await privately(interaction, refused)
        return
    session = await session_of(context, cell)
    first = await _first_cell(context, interaction, cell)
    found = await context.sessions.store.transcripts.entries(
        cell.session_id, after=first - 1, limit=LOOKED_AT, brief=True
    )
    counting = [one.seq for one in found if isinstance(one, CellRecord) and has_begun(one) and not one.undone]
    own = [seq for seq in counting if seq <= cell.seq]
    if not own:
        await privately(interaction, ALREADY)
    elif len(own) < len(counting):
        await privately(interaction, NOT_LAST.format(_how(len(counting), len(found))))
    else:
        try:
            await go(context, interaction, session, session.undo(len(own), of=own))
        except UndoRefused as error:
            if error.why != "not yours":  # a cell came in between
                raise
            await privately(interaction, NOT_LAST.format(_how(len(counting) + 1, len(found))))


async def _first_cell(context: Context, interaction: Interaction, cell: OwnAnswer) -> int:
    """The number of the first cell that the answer shows."""
    assert interaction.message is not None
    noted = await context.sessions.store.message_cells.get(interaction.message.id)
    return abs(noted.first) if noted is not None and noted.first else cell.seq


def _how(cells: int, found: int) -> str:
    """What to do instead, given how many cells count from the answer's first one on."""
    if found >= LOOKED_AT:
        return "there are many later ones"
    return f"`/undo` with cells:{cells} takes it back, with those after it"
