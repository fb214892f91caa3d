"""The final state of an answer: its blocks of text in order, its files, and the lines at its end."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from bot.discord.format.ansi import has_colour
from bot.discord.format.attachments import Upload
from bot.discord.format.entries import CellSnapshot, EntrySnapshot, WordsEntry, code_block
from bot.discord.format.fitting import MESSAGES, Block
from bot.discord.format.footer import generated, left_out, receipt
from bot.discord.format.markdown import LOOKED_AT, closed, code_name, fenced, output_block, plain
from bot.discord.format.pieces import DrawingPiece, FilePiece, MarkdownPiece, Piece, TextPiece, TracebackPiece
from bot.discord.format.split import LONGEST, cut
from bot.reply import GeneratedFile, TurnUsage
from bot.rich import PICTURES, PLOTLY, SOURCE_OF_SVG, as_file, as_text
from bot.rich import drawing as as_drawing
from bot.wording.cell_messages import ending, lost_with
from kernels.text.clipping import clip, counted, strip_ansi
from kernels.workspace.captured import Skipped

__all__ = ["Drawn", "FinalAnswer"]

ERROR = 1500  # characters of a traceback
SOURCE = 1000  # characters of a formula that is not drawn
ALTERNATIVE = 300  # characters of a picture's description
MOST = 300  # texts, pictures and files of an answer, plus one more for each cell
TEXT = 8 << 20  # characters of one text
COLOURED = 128 << 10  # characters of coloured text, codes included: 16 times what an answer can show
LONG = LONGEST * MESSAGES  # characters beyond which a text always goes into a file
MOST_PARTS = 20_000  # elements of an SVG that is attached; checking that many takes 60 ms
KINDS = {".html": "page", ".pdf": "document", ".svg": "drawing", SOURCE_OF_SVG: "drawing"} | dict.fromkeys(
    PICTURES.values(), "picture"
)

Drawn = Mapping[tuple[str, str], bytes | None]  # PNGs by kind and source; None for what could not be drawn


class FinalAnswer:
    """Built from entries in order. Files of up to `largest` bytes are sent along with the answer."""

    def __init__(self, drawn: Drawn, plotly_script: Callable[[], str], largest: int) -> None:
        self.uploads: list[Upload] = []
        self._blocks: list[Block] = []
        self._marks: set[int] = set()  # the blocks that only show where a picture belongs
        self._drawn = drawn
        self._plotly_script = plotly_script
        self._largest = largest
        self._sent: dict[str, GeneratedFile] = {}  # the cell's files that are sent along, by name
        self._stored: GeneratedFile | None = None  # the file with all text of the cell
        self._files: dict[str, GeneratedFile] = {}  # by id: a later cell may have written the same file again
        self._skipped: list[Skipped] = []
        self._seconds: float | None = None
        self._memory: int | None = None
        self._texts = 0
        self._pieces = 0
        self._coloured = 0  # characters shown in colour so far
        self._named: Counter[str] = Counter()  # number of uploads of each kind

    @property
    def blocks(self) -> list[Block]:
        """The text; where each picture belongs is only shown if there are several."""
        marked = len(self._marks) > 1
        return [block for place, block in enumerate(self._blocks) if marked or place not in self._marks]

    @property
    def files(self) -> tuple[GeneratedFile, ...]:
        """The files that cells wrote, each once."""
        return tuple(self._files.values())

    def add_entry(self, entry: EntrySnapshot) -> None:
        """Add one entry."""
        if isinstance(entry, WordsEntry):
            if text := entry.text.strip():
                self._blocks.append(Block(closed(text)))
            return
        if entry.late:
            self._add(f"-# Later, from cell {entry.number}:")
        if entry.code and entry.code.strip():
            self._add(code_block(entry.code), fenced(entry.code, "py"))
        ended_with_its_kernel = entry.result is not None and entry.result.status not in ("ok", "error")
        before, after = ((), entry.notes) if ended_with_its_kernel else (entry.notes, ())
        self._blocks += map(Block, before)
        self._sent = {file.filename: file for file in entry.files if file.size <= self._largest}
        text_file = entry.result.text_file if entry.result is not None else ""
        self._stored = next((file for file in entry.files if text_file and file.filename == text_file), None)
        self._add_pieces(entry.pieces())
        self._end(entry)
        self._blocks += map(Block, after)

    def footer(self, usage: TurnUsage | None, note: str) -> str:
        """The lines at the end of the answer."""
        seconds = self._seconds if usage is None else usage.cell_seconds or None
        lines = [*generated(self.files), *left_out(self._skipped)]
        if note:
            lines.append(plain(note))
        if not self._blocks and not self.uploads and not lines:
            lines.append("-# Done: no output.")
        return "\n".join([*lines, *filter(None, [receipt(seconds, self._memory, usage)])])

    def _end(self, cell: CellSnapshot) -> None:
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

    def _add_pieces(self, pieces: Sequence[Piece]) -> None:
        """Add as many as there is room for, and always the last one: it may be the cell's error."""
        room = max(0, MOST - self._pieces)
        self._pieces += min(room, len(pieces))
        for piece in pieces[:room]:
            self._add_piece(piece)
        if left := pieces[room:-1]:
            self._add(f"-# … {counted(len(left), 'more output')} left out here: `/notebook` has all of them")
        for piece in pieces[room:][-1:]:
            self._add_piece(piece)

    def _add_piece(self, piece: Piece) -> None:
        match piece:
            case TextPiece(text):
                self._add_output(text)
            case TracebackPiece(text):
                self._add(self._in_colour(text, room=ERROR), fenced(strip_ansi(clip(text, TEXT))))
            case MarkdownPiece(text):
                whole = clip(text, TEXT)
                self._add_text(fenced(whole[: LONG + 1], "md"), whole, "words", ".md", None)
            case DrawingPiece():
                self._draw(piece)
            case FilePiece(bundle, files) if saved := self._sent.keys() & set(files):
                self._mark(min(saved))  # the same picture is sent as that file
            case FilePiece(bundle):
                self._attach(bundle)

    def _add(self, text: str, whole: str = "") -> None:
        self._blocks.append(Block(text, whole))

    def _add_text(self, text: str, whole: str, kind: str, suffix: str, stored: GeneratedFile | None) -> None:
        self._texts += 1
        self._blocks.append(Block(text, whole, f"{kind}-{self._texts}{suffix}", stored))

    def _add_output(self, text: str) -> None:
        text = clip(text, TEXT)
        whole = strip_ansi(text)
        surely_in_a_file = len(whole) > LONG  # colouring it would be wasted work
        block = fenced(whole[: LONG + 1]) if surely_in_a_file else self._in_colour(text)
        self._add_text(block, whole, "output", ".txt", self._stored)

    def _in_colour(self, text: str, room: int | None = None) -> str:
        """The text as a block, in colour while the answer has not too much coloured text."""
        if not has_colour(text):
            return output_block(text, room=room)
        looked_at = len(text) if room is None else min(len(text), 2 * LOOKED_AT * room)
        if self._coloured + looked_at > COLOURED:
            return fenced(strip_ansi(text), room=room)
        self._coloured += looked_at
        return output_block(text, room=room)

    def _draw(self, drawing: DrawingPiece) -> None:
        picture = self._drawn.get((drawing.kind, drawing.source))
        if picture is not None:
            self._upload(".png", picture, drawing.source if drawing.kind == "latex" else drawing.text)
        elif drawing.kind == "latex":
            self._add(fenced(drawing.source.strip().strip("$"), "latex", room=SOURCE))
        elif drawing.text:
            self._add_output(drawing.text)
        else:
            self._add(f"-# This {drawing.kind} could not be drawn as a picture; it is attached as it is.")
            if drawing.kind == "svg":
                self._upload(*as_drawing(drawing.source, MOST_PARTS))
            else:
                self._upload(".html", drawing.source.encode("utf-8", "replace"))

    def _attach(self, bundle: Mapping[str, Any]) -> None:
        if PLOTLY in bundle and not self._plotly_script():
            self._add("-# A plotly figure: `/notebook` has it.")
        elif (shown := as_file(bundle, self._plotly_script, most_parts=MOST_PARTS)) is not None:
            if (name := self._same(shown.data)) is not None:
                self._mark(name)
            else:
                self._upload(shown.suffix, shown.data)
        else:
            self._add_output(as_text(bundle))

    def _same(self, data: bytes) -> str | None:
        """The name of a file sent along with these very bytes: a cell may save a picture and show it."""
        alike = {file.record.sha256: name for name, file in self._sent.items() if file.size == len(data)}
        return alike.get(sha256(data).hexdigest()) if alike else None

    def _upload(self, suffix: str, data: bytes, description: str = "") -> None:
        kind = KINDS.get(suffix, "sound")
        self._named[kind] += 1
        description = cut(description[:TEXT].strip(), ALTERNATIVE)
        upload = Upload(f"{kind}-{self._named[kind]}{suffix}", data, description)
        self.uploads.append(upload)
        self._mark(upload.name)

    def _mark(self, name: str) -> None:
        """Show where a picture belongs."""
        self._marks.add(len(self._blocks))
        self._add(f"-# ↳ {code_name(name)}")
