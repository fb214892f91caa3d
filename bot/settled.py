"""The last state of an answer: its blocks of text in order, its files, and the lines that end it."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.delivery import Upload
from bot.failures import ending, lost_with
from bot.fitting import MESSAGES, Block
from bot.markup import fenced, output_block, plain
from bot.pieces import Attachment, Drawing, Piece, Text, Traceback, Words
from bot.receipt import generated, left_out, receipt
from bot.reply import GeneratedFile
from bot.rich import PLOTLY, SOURCE_OF_SVG, as_file, as_text
from bot.rich import drawing as as_drawing
from bot.split import LONGEST, balanced, cut
from bot.usage import TurnUsage
from bot.written import Entry, Said, Shown, code_block
from kernels.capture import Skipped
from kernels.text import strip_ansi

__all__ = ["Settled"]

ERROR = 1500  # characters of a traceback
SOURCE = 1000  # of a formula that is not drawn
ALTERNATIVE = 300  # characters of a picture's description
MOST_PARTS = 20_000  # of an SVG that is attached: everybody waits while it is looked through, for 60 ms
KINDS = {".html": "page", ".pdf": "document", ".svg": "drawing", SOURCE_OF_SVG: "drawing"} | dict.fromkeys(
    (".png", ".jpg", ".gif"), "picture"
)


class Settled:
    """Takes entries in order; `drawn` has PNGs by the place of their drawing among all drawings."""

    def __init__(self, drawn: Mapping[int, bytes], plotly_script: Callable[[], str] | None) -> None:
        self.uploads: list[Upload] = []
        self._blocks: list[Block] = []
        self._marks: set[int] = set()  # the blocks that only say where a picture belongs
        self._drawn = drawn
        self._drawings = 0
        self._plotly_script = plotly_script
        self._files: dict[str, GeneratedFile] = {}  # a later cell may have written the same one again
        self._skipped: list[Skipped] = []
        self._seconds: float | None = None
        self._memory: int | None = None
        self._texts = 0

    @property
    def blocks(self) -> list[Block]:
        """The text; a picture's place is told where there are several."""
        marked = len(self.uploads) > 1
        return [block for place, block in enumerate(self._blocks) if marked or place not in self._marks]

    @property
    def files(self) -> tuple[GeneratedFile, ...]:
        """What the cells wrote, each file once."""
        return tuple(self._files.values())

    def take(self, entry: Entry) -> None:
        """Add one entry."""
        if isinstance(entry, Said):
            if text := entry.text.strip():
                self._blocks.append(Block(balanced(text)))
            return
        if entry.late:
            self._add(f"-# Later, from cell {entry.number}:")
        if entry.code and entry.code.strip():
            self._add(code_block(entry.code))
        ended_with_its_kernel = entry.result is not None and entry.result.status not in ("ok", "error")
        before, after = ([], entry.notes) if ended_with_its_kernel else (entry.notes, [])
        for note in before:
            self._add(note)
        for piece in entry.pieces():
            self._take_piece(piece)
        self._end(entry)
        for note in after:
            self._add(note)

    def footer(self, usage: TurnUsage | None, note: str) -> str:
        """The lines below."""
        seconds = self._seconds if usage is None else usage.cell_seconds or None
        lines = [*generated(self.files), *left_out(self._skipped)]
        if note:
            lines.append(plain(note))
        if not self._blocks and not self.uploads and not lines:
            lines.append("-# Done: no output.")
        return "\n".join([*lines, *filter(None, [receipt(seconds, self._memory, usage)])])

    def _end(self, cell: Shown) -> None:
        self._files |= {file.file_id: file for file in cell.files}
        self._skipped += cell.skipped
        if cell.result is None:
            return
        self._seconds = (self._seconds or 0.0) + cell.result.execution_time
        self._memory = cell.result.memory
        if stopped := ending(cell.result):
            self._add(f"**{plain(stopped)}**")
        if not cell.notes and (told := lost_with(cell.result)):
            self._add(plain(told))
        if cell.result.unrecorded:
            self._add(f"-# {plain(cell.result.unrecorded)}")

    def _take_piece(self, piece: Piece) -> None:
        match piece:
            case Text(text):
                self._add_output(text)
            case Traceback(text):
                self._add(output_block(text, room=ERROR))
            case Words(text):
                self._add_text(balanced(text), text, "words", ".md")
            case Drawing():
                self._draw(piece)
            case Attachment(bundle):
                self._attach(bundle)

    def _add(self, text: str) -> None:
        self._blocks.append(Block(text))

    def _add_text(self, text: str, whole: str, kind: str, suffix: str) -> None:
        self._texts += 1
        self._blocks.append(Block(text, whole, f"{kind}-{self._texts}{suffix}"))

    def _add_output(self, text: str) -> None:
        whole = strip_ansi(text)
        goes_into_a_file = len(whole) > LONGEST * MESSAGES  # its colours are work for nothing
        block = fenced(whole) if goes_into_a_file else output_block(text)
        self._add_text(block, whole, "output", ".txt")

    def _draw(self, drawing: Drawing) -> None:
        picture = self._drawn.get(self._drawings)
        self._drawings += 1
        if picture is not None:
            self._upload(".png", picture, drawing.source if drawing.kind == "latex" else drawing.text)
        elif drawing.kind == "latex":
            self._add(fenced(drawing.source.strip().strip("$"), "latex", room=SOURCE))
        elif drawing.text:
            self._add_output(drawing.text)
        else:
            self._add(f"-# This {drawing.kind} could not be drawn as a picture; it is attached as it is.")
            source = drawing.source
            shown = (
                as_drawing(source, MOST_PARTS)
                if drawing.kind == "svg"
                else (".html", source.encode("utf-8", "replace"))
            )
            self._upload(*shown)

    def _attach(self, bundle: Mapping[str, Any]) -> None:
        if PLOTLY in bundle and not self._script():
            self._add("-# A figure of plotly: `/notebook` has it.")
        elif (shown := as_file(bundle, self._script, most_parts=MOST_PARTS)) is not None:
            self._upload(shown.suffix, shown.data)
        else:
            self._add_output(as_text(bundle))

    def _upload(self, suffix: str, data: bytes, description: str = "") -> None:
        kind = KINDS.get(suffix, "sound")
        number = 1 + sum(upload.name.startswith(kind) for upload in self.uploads)
        upload = Upload(f"{kind}-{number}{suffix}", data, cut(description.strip(), ALTERNATIVE))
        self.uploads.append(upload)
        self._marks.add(len(self._blocks))
        self._add(f"-# ↳ `{upload.name}`")

    def _script(self) -> str:
        return self._plotly_script() if self._plotly_script else ""
