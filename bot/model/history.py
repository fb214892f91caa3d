"""What the model is told of the past: what was said and run in this place, the newest that fits.

past = History(model="gpt-6.1-terra", room=32_000)
async for page in session.transcript.newest(place):
    if not await in_thread(past.add, page):
        break
history = past.entries()

Only one place's entries ever come in here, so that what was said in a DM is never told in a channel.
"""

import json
from collections.abc import Iterable, Sequence

from bot.model.conversation import HistoryEntry, Message, ToolCall, ToolResult
from bot.model.tokens import entry_tokens
from bot.model.view import of_record
from filestore.records import CellRecord, Said
from kernels.text.clipping import clip

__all__ = ["MODEL", "History", "person"]

MODEL = "Kernelcord"  # the author of what the model says and runs
WORDS = 20_000  # characters of one message
CODE = 8_000  # characters of one cell

Group = Sequence[HistoryEntry]  # stays whole: a call without its result is refused by every API


def person(author: str) -> str:
    """A person's name as the author of their words; nobody is called like the model."""
    return f"{author} (a person)" if author.strip().casefold() == MODEL.casefold() else author


class History:
    """Takes pages of entries, the newest first, until `room` tokens are full; older ones are left out."""

    def __init__(self, *, model: str, room: int) -> None:
        self._model = model
        self._room = room
        self._kept: list[Group] = []

    def add(self, page: Iterable[Said | CellRecord]) -> bool:
        """Take entries in; whether there is room for more. Counting takes time: call it in a thread."""
        for entry in page:
            group = _group(entry)
            self._room -= sum(entry_tokens(part, self._model) for part in group)
            if self._room < 0:
                return False
            self._kept.append(group)
        return True

    def entries(self) -> list[HistoryEntry]:
        """What was taken, in order, beginning with a person's."""
        kept = list(self._kept)
        while kept and not _is_persons(kept[-1]):
            kept.pop()
        return [entry for group in reversed(kept) for entry in group]


def _is_persons(group: Group) -> bool:
    return isinstance(group[0], Message) and group[0].by == "person"


def _group(entry: Said | CellRecord) -> Group:
    if isinstance(entry, Said):
        return [Message("model" if entry.author == MODEL else "person", clip(entry.markdown, WORDS))]
    if entry.author != MODEL:
        code, output = clip(entry.code, CODE), of_record(entry)
        return [Message("person", f"I ran this myself:\n```py\n{code}\n```\nIt showed:\n```\n{output}\n```")]
    call_id = f"cell_{entry.seq}"
    arguments = json.dumps({"code": clip(entry.code, CODE)})
    return [ToolCall(call_id, "run_python", arguments), ToolResult(call_id, of_record(entry))]
