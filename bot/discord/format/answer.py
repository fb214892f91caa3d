"""What a turn looks like in chat: one live message while it goes on, and the last state. Pure.

draft = Draft(code=code)
draft.add(reply)                            # every Reply of the turn
page = draft.page(now=monotonic())          # what the live message shows now
page = draft.final(await studio.draw(draft.to_draw, user_id))

Making a page takes the longer the more a cell has shown. `live`, `drawings` and `last` therefore return a
function that does it and that any thread may call: it works on a copy of what there was at that moment.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.discord.format.attachments import Limits, Upload
from bot.discord.format.entries import Entry, Said, Shown, Snapshot, Still, still
from bot.discord.format.final import Settled
from bot.discord.format.fitting import fitted
from bot.discord.format.markdown import plain
from bot.discord.format.pieces import Drawing
from bot.discord.format.progress import LAST, live
from bot.reply import GeneratedFile, Reply
from bot.scratch.drawing import ToDraw
from bot.spending.usage import TurnUsage
from bot.wording.error_messages import restart
from kernels.cell.events import InputRequest, Queued, Restarted, Unstopped

__all__ = ["Draft", "Page"]

WAITING = 60.0  # seconds for which a number of cells that go first stands, though some of them have ended


@dataclass(frozen=True, slots=True)
class Page:
    """An answer as it stands.

    `parts` are the message texts, each at most 2,000 characters and with whole fences: exactly one of a live
    page, one to four of the last. `uploads` are to be sent with the last of them; `files`, which the text
    names with their ids, may be.
    """

    parts: tuple[str, ...]
    uploads: tuple[Upload, ...] = ()
    files: tuple[GeneratedFile, ...] = ()


class Draft:
    """One turn's answer as it grows. Nothing in it waits or reads.

    `code` is what the person typed, to be shown on top. `plotly_script` gives the JavaScript for figures of
    plotly, see `kernels.notebooks.packages.plotly_script`; it is called at most in `final`.
    """

    def __init__(self, *, code: str | None = None, plotly_script: Callable[[], str] | None = None) -> None:
        self._entries: list[Entry] = []
        self._typed = code
        self._plotly_script = plotly_script
        self._question: InputRequest | None = None
        self._unstopped: Unstopped | None = None
        self._waiting = 0  # cells before this one
        self._waiting_told = 0  # the number that the message says
        self._told_at = 0.0  # since when it does, by the clock of `page`
        self._held = 0  # bytes that the outputs of cells that have ended take
        self._usage: TurnUsage | None = None
        self._started: float | None = None

    def add(self, reply: Reply) -> None:
        """Take one step of the answer in."""
        if reply.words:
            self._said().text += reply.words
        if reply.usage is not None:
            self._usage = reply.usage
        if reply.cell == 0:
            return
        shown = self._shown(reply)
        if reply.event is not None:
            self._happened(shown, reply)
        if reply.result is not None:
            self._held += shown.end(reply.result, self._held)
            self._question = self._unstopped = None
        shown.files.extend(reply.files)
        shown.skipped.extend(reply.skipped)

    def answered(self) -> None:
        """The question has its answer."""
        self._question = None

    def decided(self) -> None:
        """The cell is waited for, or its kernel was killed."""
        self._unstopped = None

    @property
    def unstopped(self) -> Unstopped | None:
        """That the running cell was stopped and goes on, while nobody has decided what is to be done."""
        return self._unstopped

    @property
    def question(self) -> InputRequest | None:
        """What the running cell asks and waits for now."""
        return self._question

    @property
    def to_draw(self) -> tuple[ToDraw, ...]:
        """What is a picture only once it was drawn in the sandbox: wide tables, LaTeX, SVG."""
        return self.drawings()()

    def drawings(self) -> Callable[[], tuple[ToDraw, ...]]:
        """Finds what `to_draw` says."""
        entries = self._still()
        return lambda: _drawings(entries)

    def page(self, *, now: float) -> Page:
        """The live message; `now` in seconds of any clock."""
        return self.live(now=now)()

    def live(self, *, now: float) -> Callable[[], Page]:
        """Makes the page of `page`."""
        if self._started is None:
            self._started = now
        entries, waiting, elapsed = self._still(LAST), self._before(now), now - self._started
        question, unstopped = self._question, self._unstopped
        return lambda: Page((live(entries, question, unstopped, waiting, elapsed),))

    def final(
        self, drawn: Mapping[int, bytes] | None = None, *, note: str = "", largest: int = Limits().file
    ) -> Page:
        """The last state; `drawn` has PNGs by the keys of `to_draw`, and what it lacks is shown as text.

        Of the files that cells wrote, those of up to `largest` bytes go along.

        `note` is a sentence of the front's own that ends the text, such as that of an error
        (`bot.wording.error_messages.sentence`) that ended the turn.
        """
        return self.last(drawn, note=note, largest=largest)()

    def last(
        self, drawn: Mapping[int, bytes] | None = None, *, note: str = "", largest: int = Limits().file
    ) -> Callable[[], Page]:
        """Makes the page of `final`."""
        entries, usage = self._still(), self._usage

        def made() -> Page:
            settled = Settled(drawn or {}, self._plotly_script, largest)
            for entry in entries:
                settled.take(entry)
            parts, long = fitted(settled.blocks, settled.footer(usage, note))
            return Page(parts or ("",), (*settled.uploads, *long), settled.files)

        return made

    def _still(self, last: int | None = None) -> list[Still]:
        """The entries as they are now; with `last` only the last ones, and of each cell the last outputs."""
        entries = self._entries or ([Shown(0, code=self._typed)] if self._typed else [])
        return [still(entry, last) for entry in (entries[-last:] if last else entries)]

    def _before(self, now: float) -> int:
        """The number of cells that go first, as the message says it, which moves rarely.

        Each end of a cell moves it for everybody who waits: forty people would make hundreds of edits.
        """
        if not (self._waiting and self._waiting_told) or now - self._told_at >= WAITING:
            self._waiting_told, self._told_at = self._waiting, now
        return self._waiting_told

    def _said(self) -> Said:
        if not self._entries or not isinstance(self._entries[-1], Said):
            self._entries.append(Said())
        last = self._entries[-1]
        assert isinstance(last, Said)
        return last

    def _shown(self, reply: Reply) -> Shown:
        """What stands for the reply's cell, or for what came after its end."""
        for entry in reversed(self._entries):
            if not isinstance(entry, Shown):
                continue
            if entry.number == reply.cell and entry.late == reply.late and not reply.code:
                return entry
        entry = Shown(reply.cell, code=reply.code or self._typed, late=reply.late)
        self._typed = None
        self._entries.append(entry)
        return entry

    def _happened(self, shown: Shown, reply: Reply) -> None:
        match reply.event:
            case InputRequest() as question:
                self._question = question
            case Unstopped(asks=asks) as unstopped:
                self._question = self._question if asks else None
                self._unstopped = unstopped
            case _:
                self._question = None
        self._waiting = reply.event.position if isinstance(reply.event, Queued) else 0
        match reply.event:
            case Restarted() as restarted:
                shown.notes.append(plain(restart(restarted)))
            case InputRequest() | Unstopped() | Queued() | None:
                return
            case event:
                shown.outputs.add_event(event)


def _drawings(entries: Iterable[Still]) -> tuple[ToDraw, ...]:
    drawings = (
        piece
        for entry in entries
        if isinstance(entry, Snapshot)
        for piece in entry.pieces()
        if isinstance(piece, Drawing)
    )
    return tuple(ToDraw(key, piece.kind, piece.source) for key, piece in enumerate(drawings))
