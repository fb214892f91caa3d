"""Shows replies on a terminal: words and text as they come, the paths of saved pictures, files with ids.

screen = Screen(data / "pictures", plotly_script, colour=True)
screen.show(reply)
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.compose import now
from bot.reply import Reply, TurnUsage
from bot.rich import PICTURES, SOURCE_OF_SVG, as_file, as_text, only_script, output_text
from bot.wording.cell_messages import ending, restart
from filestore.records import CellRecord, StoredFile
from kernels.cell.display_updates import is_mark
from kernels.cell.events import ClearOutput, Display, Event, Failure, Queued, Restarted, Result, Stream
from kernels.text import visible
from kernels.text.clipping import counted, human_size, strip_ansi
from kernels.workspace.captured import Skipped

__all__ = ["Screen"]

KINDS = {
    ".html": "page",
    ".pdf": "document",
    SOURCE_OF_SVG: "source of a picture that does more than show",
} | dict.fromkeys((*PICTURES.values(), ".svg"), "picture")
SHOWN_BEFORE = 12  # lines shown of each earlier cell


class Screen:
    """Writes to standard output, and pictures to a folder. Without `colour` it writes no escape sequences."""

    def __init__(self, pictures: Path, plotly_script: Callable[[], str], *, colour: bool) -> None:
        self._pictures = pictures
        self._plotly_script = plotly_script
        self._colour = colour
        self._cell = 0
        self._count = 0  # pictures of this cell so far
        self._lines = 0  # rows on the screen that this cell has written
        self._midline = False
        self._clear_next = False
        self._waiting = False  # this cell waits for others, and this was said

    def show(self, reply: Reply) -> None:
        """Show one step of an answer."""
        if reply.cell != self._cell:
            self._cell, self._count, self._lines = reply.cell, 0, 0
            self._clear_next = self._waiting = False
        if reply.late and not isinstance(reply.event, Stream):
            self.note(f"Later, from cell {reply.cell}:")
        if reply.words:
            self._write(reply.words)
        if reply.code:
            self._show_code(reply.code)
        if reply.event is not None:
            self._show_event(reply.event)
        if reply.result is not None and (stopped := ending(reply.result)):
            self.note(stopped)
        if reply.result is not None and reply.result.unrecorded:
            self.note(reply.result.unrecorded)
        self.files([file.record for file in reply.files])
        self.skipped(reply.skipped)
        if reply.usage is not None:
            self.note(_usage_line(reply.usage))

    def line(self, text: str = "") -> None:
        """Write a line of its own."""
        self.end_line()
        self._write(text + "\n")

    def end_line(self) -> None:
        """Begin a new line unless at the start of one: a prompt clears the line that it is drawn on."""
        if self._midline:
            self._write("\n")

    def note(self, text: str) -> None:
        """Write a line of ours, which is not from the person's code."""
        self.line(f"\x1b[2m{visible.text(text)}\x1b[0m")

    def files(self, files: Sequence[StoredFile]) -> None:
        """Write a table of files: id, type, size, time left, name."""
        for file in files:
            size, left = human_size(file.file_size), time_left(file.expires_at, now())
            about = f"{file.file_type:<10} {size:>9}  {left:>8}  {visible.one_line(file.filename)}"
            self.line(f"  \x1b[36m{file.file_id}\x1b[0m  {about}")

    def skipped(self, skipped: Sequence[Skipped]) -> None:
        """Name the files that were not kept, each with the reason."""
        for one in skipped:
            self.note(f"  not kept: {visible.one_line(one.name)}: {visible.one_line(one.reason)}")

    def earlier(self, cell: CellRecord) -> None:
        """Show a cell of an earlier visit: its code and the first lines of its output."""
        self.line(f"\x1b[32mIn [{cell.execution_count or ' '}]:\x1b[0m {visible.text(cell.code)}")
        told = [one for one in cell.outputs if not is_mark(one) and not only_script(one.get("data", {}))]
        shown = "".join(map(output_text, told)).splitlines()
        for text in shown[:SHOWN_BEFORE]:
            self.line(text)
        if len(shown) > SHOWN_BEFORE:
            self.note(f"[{counted(len(shown) - SHOWN_BEFORE, 'more line')}]")
        if cell.status != "ok":
            self.note(f"({cell.status})")

    def _show_code(self, code: str) -> None:
        """Show the code that the model is about to run, marked line by line."""
        for number, text in enumerate(visible.text(code).rstrip().split("\n")):
            self.line(f"\x1b[32m{'>>>' if number == 0 else '...'}\x1b[0m {text}")

    def _show_event(self, event: Event) -> None:
        match event:
            case Stream(_, text):
                self._clear_if_due()
                self._write(text)
            case Display(bundle) | Result(bundle):
                self._clear_if_due()
                self._show_bundle(bundle)
            case Failure(traceback=lines):
                self.line("\n".join(lines))
            case ClearOutput(wait):
                self._clear_next = True
                if not wait:
                    self._clear_if_due()
            case Queued(position):
                if position and not self._waiting:  # said once, not whenever another cell ends
                    self.note(f"Waiting: {position} before this one.")
                self._waiting = position > 0
            case Restarted() as restarted:
                self.note(restart(restarted))

    def _show_bundle(self, bundle: Any) -> None:
        if only_script(bundle):
            return
        shown = as_file(bundle, self._plotly_script)
        if shown is None:
            self.line(as_text(bundle))
            return
        self._count += 1
        path = self._pictures / f"cell-{self._cell}-{self._count}{shown.suffix}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(shown.data)
        except OSError as error:
            self.note(f"[an output that could not be saved: {error}]")
        else:
            self.note(f"[{KINDS.get(shown.suffix, 'sound')}: {path}]")

    def _clear_if_due(self) -> None:
        """Erase what this cell has written, if all of it is still on the screen."""
        if self._clear_next and self._colour and 0 < self._lines < shutil.get_terminal_size().lines:
            sys.stdout.write(f"\r\x1b[{self._lines}A\x1b[J")
            self._lines, self._midline = 0, False
        self._clear_next = False

    def _write(self, text: str) -> None:
        text = visible.drawn(text)
        if not self._colour:
            text = strip_ansi(text)
        columns = shutil.get_terminal_size().columns
        self._lines += sum(1 + len(strip_ansi(row)) // columns for row in text.split("\n")[:-1])
        self._midline = not text.endswith("\n") if text else self._midline
        sys.stdout.write(text)
        sys.stdout.flush()


def time_left(until: datetime, present: datetime) -> str:
    """How long something is still kept: "48 h", "9 min", "30 s", or "now" at its end."""
    left = max(timedelta(), until - present)
    for unit, name in ((timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if left >= unit:
            return f"{left / unit:.0f} {name}"
    seconds = round(left.total_seconds())
    return f"{seconds} s" if seconds else "now"


def _usage_line(usage: TurnUsage) -> str:
    cost = "no known price" if usage.cost is None else f"${usage.cost:.4f}"
    return f"[{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, {cost}, {usage.model}]"
