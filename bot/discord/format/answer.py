"""What a turn looks like in chat: one live message while it goes on, then the final state. Pure.

draft = Draft(code=code)
draft.add_reply(reply)                      # every Reply of the turn
page = draft.live_page(now=monotonic())()   # what the live message shows now
page = draft.final_page(drawn)()            # with pictures of what `draft.drawings()()` has named

The more a cell has shown, the longer a page takes to make. `live_page`, `drawings` and `final_page` therefore
return a function that makes it and that any thread may call: it works on a copy of the draft at that moment.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.discord.format.attachments import MessageLimits, Upload
from bot.discord.format.entries import (
    AnswerEntry,
    CellEntry,
    CellSnapshot,
    EntrySnapshot,
    WordsEntry,
    snapshot,
)
from bot.discord.format.final import Drawn, FinalAnswer
from bot.discord.format.fitting import fitted
from bot.discord.format.markdown import plain
from bot.discord.format.pieces import DrawingPiece
from bot.discord.format.progress import LAST, live_text
from bot.reply import GeneratedFile, Reply, TurnUsage
from bot.scratch.drawing import ToDraw
from bot.wording.cell_messages import restart
from kernels.cell.events import InputRequest, Queued, Restarted, Unstopped

__all__ = ["AnswerPage", "Draft"]

WAITING = 60.0  # seconds for which the number of waiting cells stays as shown, even if some of them end


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """An answer as it stands.

    `parts` are the message texts, each at most 2,000 characters long and with whole fences: exactly one of a
    live page, one to four of a final page. `uploads` are to be sent with the last of them. `files`, which the
    text names with their ids, may be sent along.
    """

    parts: tuple[str, ...]
    uploads: tuple[Upload, ...] = ()
    files: tuple[GeneratedFile, ...] = ()


class Draft:
    """One turn's answer as it grows. It does no I/O.

    `code` is the person's code, to be shown on top. `plotly_script` returns the JavaScript for plotly's
    figures, "" without it: see `kernels.notebooks.packages`. Only `final_page` calls it, and only if needed.
    """

    def __init__(self, *, code: str | None = None, plotly_script: Callable[[], str] = str) -> None:
        self._entries: list[AnswerEntry] = []
        self._typed = code
        self._plotly_script = plotly_script
        self.question: InputRequest | None = None  # what the running cell waits on, until it is answered
        self.unstopped: Unstopped | None = None  # it was stopped but goes on, and nobody has decided about it
        self._waiting = 0  # cells before this one
        self._waiting_told = 0  # the number that the message shows
        self._told_at = 0.0  # when it was first shown, by the clock of `live_page`
        self._held = 0  # bytes that the outputs of finished cells take
        self._usage: TurnUsage | None = None
        self._started: float | None = None

    def add_reply(self, reply: Reply) -> None:
        """Add one step of the answer."""
        if reply.words:
            self._last_words().text += reply.words
        if reply.usage is not None:
            self._usage = reply.usage
        if reply.cell == 0:
            return
        cell = self._cell_of(reply)
        if reply.event is not None:
            self._add_event(cell, reply)
        if reply.result is not None:
            self._held += cell.add_result(reply.result, self._held)
            self.question = self.unstopped = None
        cell.files.extend(reply.files)
        cell.skipped.extend(reply.skipped)

    def drawings(self) -> Callable[[], tuple[ToDraw, ...]]:
        """Finds what the sandbox has to draw before it is a picture: wide tables, LaTeX, SVG."""
        entries = self._snapshots()
        return lambda: _drawings(entries)

    def live_page(self, *, now: float) -> Callable[[], AnswerPage]:
        """Makes the live message; `now` is in seconds of any clock."""
        if self._started is None:
            self._started = now
        entries, waiting, elapsed = self._snapshots(LAST), self._before(now), now - self._started
        question, unstopped = self.question, self.unstopped
        return lambda: AnswerPage((live_text(entries, question, unstopped, waiting, elapsed),))

    def final_page(
        self, drawn: Drawn | None = None, *, note: str = "", largest: int = MessageLimits().file
    ) -> Callable[[], AnswerPage]:
        """Makes the final state.

        What is missing in `drawn` is shown as text. Files that cells wrote go along if they have at most
        `largest` bytes. `note` is one more sentence at the end of the text, such as that of an error that
        ended the turn.
        """
        entries, usage = self._snapshots(), self._usage

        def make() -> AnswerPage:
            final = FinalAnswer(drawn or {}, self._plotly_script, largest)
            for entry in entries:
                final.add_entry(entry)
            parts, long = fitted(final.blocks, final.footer(usage, note))
            return AnswerPage(parts or ("",), (*final.uploads, *long), final.files)

        return make

    def _snapshots(self, last: int | None = None) -> list[EntrySnapshot]:
        """The entries as they are now; with `last` only the last ones, and only the last outputs of each."""
        entries = self._entries or ([CellEntry(0, code=self._typed)] if self._typed else [])
        return [snapshot(entry, last) for entry in (entries[-last:] if last else entries)]

    def _before(self, now: float) -> int:
        """The number of cells that go first, as the message shows it. It is updated rarely.

        The end of each cell changes it for everybody who waits: with forty people that would be hundreds of
        edits.
        """
        if not (self._waiting and self._waiting_told) or now - self._told_at >= WAITING:
            self._waiting_told, self._told_at = self._waiting, now
        return self._waiting_told

    def _last_words(self) -> WordsEntry:
        """The entry that the model's words are added to."""
        match self._entries:
            case [*_, WordsEntry() as last]:
                return last
        self._entries.append(words := WordsEntry())
        return words

    def _cell_of(self, reply: Reply) -> CellEntry:
        """The entry of the reply's cell, or of what came after its end."""
        for entry in reversed(self._entries):
            if not isinstance(entry, CellEntry):
                continue
            if entry.number == reply.cell and entry.late == reply.late and not reply.code:
                return entry
        entry = CellEntry(reply.cell, code=reply.code or self._typed, late=reply.late)
        self._typed = None
        self._entries.append(entry)
        return entry

    def _add_event(self, cell: CellEntry, reply: Reply) -> None:
        match reply.event:
            case InputRequest() as question:
                self.question = question
            case Unstopped(asks=asks) as unstopped:
                self.question = self.question if asks else None
                self.unstopped = unstopped
            case _:
                self.question = None
        self._waiting = reply.event.position if isinstance(reply.event, Queued) else 0
        match reply.event:
            case Restarted() as restarted:
                cell.notes.append(plain(restart(restarted)))
            case InputRequest() | Unstopped() | Queued() | None:
                return
            case _ if reply.outputs is not None:
                cell.live = reply.outputs
            case event:
                cell.outputs.add_event(event)


def _drawings(entries: Iterable[EntrySnapshot]) -> tuple[ToDraw, ...]:
    drawings = (
        piece
        for entry in entries
        if isinstance(entry, CellSnapshot)
        for piece in entry.pieces()
        if isinstance(piece, DrawingPiece)
    )
    return tuple(ToDraw(key, piece.kind, piece.source) for key, piece in enumerate(drawings))
