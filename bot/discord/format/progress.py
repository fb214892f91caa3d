"""The one message that changes while a turn goes on: as much of the answer's end as fits.

It is made anew for every edit, from the end backwards until the message is full, so the work does not depend
on how much there is to show.
"""

from collections.abc import Iterator, Sequence

from bot.discord.format.entries import CellSnapshot, EntrySnapshot, WordsEntry, code_block
from bot.discord.format.footer import duration
from bot.discord.format.markdown import closed, fenced, output_block, plain
from bot.discord.format.pieces import MarkdownPiece, Piece, TextPiece, TracebackPiece
from bot.discord.format.split import LONGEST, cut, length
from bot.wording.cell_messages import DOES_NOT_STOP, kill_costs, without_answer
from kernels.cell.events import InputRequest, Unstopped

__all__ = ["LAST", "end_live_text", "live_text"]

OUTPUT = 1000  # characters of one output that are shown
WORDS = 64 << 10  # characters at the end of long words that are searched for the start of a fence
LAST = 100  # outputs of a cell; a message has no room for more
STEP = 10  # seconds by which the shown time grows: each change of it is an edit
PROMPT = 300  # characters
STATUS = "-# "  # how the last line begins
SMALLEST = 200  # characters of room below which no further block is started


def live_text(
    entries: Sequence[EntrySnapshot],
    question: InputRequest | None,
    unstopped: Unstopped | None,
    waiting: int,
    elapsed: float,
) -> str:
    """The message's text. `waiting` is the number of cells before this one, `elapsed` is in seconds."""
    asked = [_question(question)] if question else []
    if unstopped is not None:
        asked.append(_unstopped(unstopped))
    status = "\n".join(asked) or _status(entries, waiting, elapsed)
    room = LONGEST - length(status) - 1
    shown: list[str] = []
    for block, is_whole in _from_the_end(entries):
        if length(block) + 1 > room:
            if room > SMALLEST and not is_whole:
                shown.append(_end(block, room - 1))
            break
        shown.append(block)
        room -= length(block) + 1
    return "\n".join([*shown[::-1], status])


def end_live_text(shown: str, note: str) -> str:
    """The final state of a `live_text` that is all there is left of its answer, with a note below it."""
    words, _, status = shown.rpartition("\n")
    words = words if status.startswith(STATUS) else shown
    before, _, asked = words.rpartition("\n")
    words = before if asked.startswith(f"**{DOES_NOT_STOP}**") else words
    return f"{_end(words, LONGEST - length(note) - 4)}\n-# {note}".lstrip()


def _from_the_end(entries: Sequence[EntrySnapshot]) -> Iterator[tuple[str, bool]]:
    """The blocks, last first, each with whether it is a code block: those are shown whole or not at all."""
    for entry in reversed(entries):
        if isinstance(entry, WordsEntry):
            if text := entry.text[-WORDS:].strip():
                yield closed(text), False
        else:
            yield from ((text, text.startswith("```")) for text in _cell(entry))


def _cell(cell: CellSnapshot) -> Iterator[str]:
    """The cell's blocks, last first; each is made only when it is asked for."""
    yield from reversed(cell.notes)
    yield from map(_piece, reversed(cell.pieces()))
    if cell.code and not cell.code.isspace():
        yield code_block(cell.code)
    if cell.late:
        yield f"-# Later, from cell {cell.number}:"


def _piece(piece: Piece) -> str:
    match piece:
        case TextPiece(text):
            return output_block(text, room=OUTPUT, keep="tail")
        case TracebackPiece(text):
            return output_block(text, room=OUTPUT)
        case MarkdownPiece(text):
            return fenced(text, "md", room=OUTPUT, keep="tail")
    return "-# [a picture, shown at the end]"


def _end(words: str, room: int) -> str:
    """The end of `words`; a fence that is open where it starts is opened again."""
    if length(words) <= room:
        return words
    room -= len("```\n…")
    tail = cut(words[::-1], room)[::-1].lstrip("`")
    tail = tail[tail.find("\n", 0, len(tail) // 2) + 1 :]
    return f"```\n…{tail}" if tail.count("```") % 2 else f"…{tail}"


def _question(question: InputRequest) -> str:
    prompt = plain(cut(question.prompt.strip(), PROMPT))
    if question.password:
        return f"**Asks for a password:** {prompt}\n-# What you answer is never shown or stored."
    return f"**Asks:** {prompt or 'for input'}"


def _unstopped(unstopped: Unstopped) -> str:
    ask = "Wait for it, or kill it?"
    return f"**{DOES_NOT_STOP}** {ask} {plain(kill_costs(unstopped))}\n{STATUS}{without_answer(unstopped)}"


def _status(entries: Sequence[EntrySnapshot], waiting: int, elapsed: float) -> str:
    if waiting:
        return f"-# Waiting: {waiting} before this one."
    match entries[-1] if entries else None:
        case WordsEntry():
            doing = "Writing"
        case CellSnapshot(result=None):
            doing = "Running"
        case _:
            doing = "Thinking"
    steps = int(elapsed // STEP) * STEP
    return f"-# {doing} … {duration(steps)}" if steps else f"-# {doing} …"
