"""What the model is told about the past: what was said and run in this place, as much of the newest as fits.

history = History(model="gpt-6.1-terra", room=32_000)
async for page in session.transcript.newest(place):
    if not await in_thread(history.add_page, page):
        break
history.entries()

Of cells that were undone it only learns the numbers, once what was said before the next cell has passed. It
only ever gets the entries of one place, so that what was said in a DM is never repeated in a channel.
"""

import json
from collections.abc import Iterable, Sequence

from bot.model.conversation import ChatMessage, Item, ToolCall, ToolResult
from bot.model.tokens import entry_tokens
from bot.model.view import of_record
from bot.request import MODEL
from bot.wording.undo_messages import cells_in_words
from filestore.records import CellRecord, Said
from kernels.text.clipping import clip

__all__ = ["History"]

WORDS = 20_000  # characters of one message
CODE = 8_000  # characters of one cell

Group = Sequence[Item]  # kept or left out as a whole: every API refuses a call without its result


class History:
    """Collects pages of entries, newest first, up to `room` tokens; older entries are left out."""

    def __init__(self, *, model: str, room: int) -> None:
        self._model = model
        self._room = room
        self._kept: list[Group] = []
        self._undone: list[int] = []  # between two cells that count, the newest first
        self._last = 0  # where the later of the two is

    def add_page(self, page: Iterable[Said | CellRecord]) -> bool:
        """Add a page; return whether there is room for more. Counting takes time: call it in a thread."""
        for entry in page:
            if isinstance(entry, CellRecord) and entry.undone:
                self._undone.append(entry.seq)
                continue
            if isinstance(entry, CellRecord):
                self._tell_undone()
            group = _group(entry)
            self._room -= sum(entry_tokens(part, self._model) for part in group)
            if self._room < 0:
                return False
            self._kept.append(group)
            if isinstance(entry, CellRecord):
                self._last = len(self._kept)
        return True

    def entries(self) -> list[Item]:
        """The entries in order, beginning with a person's."""
        self._tell_undone()
        kept = list(self._kept)
        while kept and not _is_persons(kept[-1]):
            kept.pop()
        return [entry for group in reversed(kept) for entry in group]

    def _tell_undone(self) -> None:
        """Tell of undone cells in one note, after what was said with them."""
        if self._undone:
            cells, self._undone = cells_in_words(self._undone[::-1]), []
            were = "was" if cells.startswith("cell ") else "were"
            note = ChatMessage("note", f"{cells[0].upper()}{cells[1:]} {were} undone.")
            self._kept.insert(self._last, [note])


def _is_persons(group: Group) -> bool:
    return isinstance(group[0], ChatMessage) and group[0].by == "person"


def _group(entry: Said | CellRecord) -> Group:
    if isinstance(entry, Said):
        return [ChatMessage("model" if entry.author == MODEL else "person", clip(entry.markdown, WORDS))]
    if entry.author != MODEL:
        code, output = clip(entry.code, CODE), of_record(entry)
        return [
            ChatMessage("person", f"I ran this myself:\n```py\n{code}\n```\nIt showed:\n```\n{output}\n```")
        ]
    call_id = f"cell_{entry.seq}"
    arguments = json.dumps({"code": clip(entry.code, CODE)})
    return [ToolCall(call_id, "run_python", arguments), ToolResult(call_id, of_record(entry))]
