"""What was said and run in a session, recorded so that it can become a notebook.

cell = await transcript.begin(request)          # recorded before its code may show anything
result = await transcript.finish(cell, run.result, kept)
await transcript.add_late(tag, event)           # what a thread printed after its cell
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from bot.files import KeptFiles
from bot.reply import ExecutionResult, return_code
from bot.request import Request
from bot.wording.cell_messages import ENDINGS, NEVER, SHORTENED, ending, lost_with, restart, unrecorded
from bot.wording.undo_messages import left_out
from filestore.errors import FileStoreError, NoSuchCell
from filestore.records import RUNNING, CellRecord, Output, Said
from filestore.spool import Early, SpooledTranscripts
from kernels.cell.display_updates import Updates, is_mark, is_note, shown
from kernels.cell.events import Event
from kernels.cell.outputs import Outputs
from kernels.cell.result import RunResult
from kernels.concurrency.cancellation import to_the_end
from kernels.notebooks.cells import Code, Markdown, StreamedCell
from kernels.text.clipping import clip, strip_ansi

__all__ = ["Transcript", "has_begun", "notebook_cell"]

log = logging.getLogger(__name__)

# The fields that are the same in both results; `finish` makes the others.
SHARED = {one.name for one in fields(RunResult)} & {one.name for one in fields(ExecutionResult)} - {
    "error",
    "skipped",
}
# And those that it has from the kernel's end.
OF_RESTART = ("lost", "unnamed", "earlier", "as_of", "back", "unsaved")
ERROR = 1 << 20  # characters of a traceback as text; the outputs have the whole traceback
UNKNOWN = "# This cell's code is not known: the database was restored from a copy that is older."
PAGE = 50  # entries; the record of each may hold tens of kilobytes of outputs
MOST_AGAIN, LARGEST_AGAIN = 4, 8 << 20  # cells shown again after an update of a display; bytes of one cell
LONGEST_AGAIN = 2000  # entries; longer transcripts are not searched for such cells
LATE = 64 * 1024  # characters of one piece of late output; the kernel limits all of it together


class Transcript:
    """The transcript of one session. `clock` gives the present, with a time zone."""

    def __init__(self, records: SpooledTranscripts, session_id: str, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._session_id = session_id
        self._clock = clock

    async def say(self, place: str, author: str, markdown: str) -> Said:
        """Record words. Raises: StoreUnavailable."""
        return await self._records.say(self._session_id, place, author, markdown, self._clock())

    async def begin(self, request: Request, early: Early | None = None) -> CellRecord:
        """Record that this code is about to run, if only in the spool.

        `early`, if given, may be called with the cell just before it is written: from then on the code may
        run, but nothing of it may be shown before this method returns. See `SpooledTranscripts.begin_cell`.

        Raises: SpoolFull, or QuotaExceeded for long code, and then the code must not run.

        A cancellation waits until the cell is written. The cell is then recorded as interrupted, unless
        `early` was called: in that case whoever runs the cell records its end.
        """
        runs = given_up = False

        def tell(cell: CellRecord) -> None:
            nonlocal runs
            if early is not None and not given_up:
                runs = True
                early(cell)

        begin = self._records.begin_cell(
            self._session_id,
            request.place,
            request.author,
            request.code,
            self._clock(),
            tell if early is not None else None,
        )
        beginning = asyncio.Task(begin, loop=asyncio.get_running_loop(), eager_start=True)
        if beginning.done():  # usually there was nothing to wait for
            return beginning.result()
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            given_up = True
            await to_the_end(self._given_up(beginning, runs=runs))
            raise

    async def _given_up(self, beginning: Awaitable[CellRecord], *, runs: bool) -> None:
        try:
            cell = await beginning
            if not runs:
                await self._records.finish_cell(self._session_id, cell.seq, status="interrupted")
        except FileStoreError:
            log.exception(
                "a cell of session %s that was given up may stay recorded as running", self._session_id
            )

    async def finish(self, cell: CellRecord, ran: RunResult, kept: KeptFiles) -> ExecutionResult:
        """Record the cell's result, and return it. If the record has to wait, the result says so."""
        shared: dict[str, Any] = {name: getattr(ran, name) for name in SHARED}
        result = ExecutionResult(
            **shared,
            cell=cell.seq,
            return_code=return_code(ran),
            error=strip_ansi(clip("\n".join(ran.error.traceback), ERROR)) if ran.error else None,
            generated_files=kept.files,
            skipped=kept.skipped,
            text_file=next((file.name for file in ran.captured if file.is_output), ""),
        )
        if (gone := ran.restarted) is not None:
            about = {name: getattr(gone, name) for name in OF_RESTART}
            result = replace(result, **about)
        try:
            finished = await self._records.finish_cell(
                self._session_id,
                cell.seq,
                status=result.status,
                outputs=(*_before(ran), *result.outputs, *_ended(result)),
                execution_time=result.execution_time,
                execution_count=result.execution_count,
                file_ids=result.generated_file_ids,
            )
        except FileStoreError as error:
            log.exception("cell %d of session %s could not be recorded", cell.seq, self._session_id)
            lost = not isinstance(error, NoSuchCell)  # in that case the person has deleted the transcript
            return replace(result, unrecorded=NEVER) if lost else result
        if not finished.whole:
            return replace(result, unrecorded=SHORTENED)
        waiting = self._records.waiting(self._session_id)
        return replace(result, unrecorded=unrecorded(waiting, cell.seq)) if waiting else result

    @property
    def waits(self) -> bool:
        """Whether some of its writes wait for the database."""
        return self._records.waiting(self._session_id) is not None

    async def leave_out(self, request: Request, cell: Code) -> None:
        """Record a cell of a replayed notebook that is not run, with the outputs that it had."""
        begun = await self.begin(request.with_code(cell.code))
        await self._records.finish_cell(
            self._session_id, begun.seq, status="skipped", outputs=cell.outputs, execution_count=cell.count
        )

    async def add_late(self, cell: int, event: Event | None, kept: KeptFiles) -> None:
        """Add to a cell's record what came after its end."""
        outputs = Outputs(max_text=LATE, max_shown=LATE * 1024)
        if event is not None:
            outputs.add_event(event)
        file_ids = [file.file_id for file in kept.files]
        try:
            await self._records.append_outputs(self._session_id, cell, outputs.cells(), file_ids=file_ids)
        except NoSuchCell:
            log.info("late output of cell %d of session %s came after its deletion", cell, self._session_id)
        except FileStoreError:
            log.exception("late output of cell %d of session %s is not recorded", cell, self._session_id)

    async def unfinished(self) -> list[CellRecord]:
        """The cells that were running when the previous program ended, in order."""
        return await self._records.unfinished(self._session_id)

    async def mark(self, cells: Sequence[int], *, undone: bool) -> None:
        """Record that cells are undone, or count again. Raises: SpoolFull."""
        await self._records.mark(self._session_id, cells, undone)

    async def has_run(self) -> bool:
        """Whether any cell has run, according to the records. Raises: StoreUnavailable."""
        async with aclosing(self.newest()) as pages:
            async for page in pages:
                if any(isinstance(entry, CellRecord) and _ran(entry) for entry in page):
                    return True
        return False

    async def next_after(self, seq: int) -> list[Said | CellRecord]:
        """A list with the first entry after this number, if there is one. Raises: StoreUnavailable."""
        return await self._records.entries(self._session_id, after=seq, limit=1, brief=True)

    async def adopt(self, seq: int, code: str) -> CellRecord:
        """Record a cell that runs already, under its number if that is free. Raises: StoreUnavailable."""
        cell = CellRecord(self._session_id, seq, "", "", code or UNKNOWN, (), RUNNING, self._clock())
        return replace(cell, seq=await self._records.restore(cell))

    async def note_broken_off(self, cells: Iterable[CellRecord]) -> None:
        """Record that these cells ended with the previous program, or with their kernel."""
        for cell in cells:
            await self._records.finish_cell(self._session_id, cell.seq, status="died")

    async def entries(self, place: str | None = None) -> list[Said | CellRecord]:
        """All entries in order with all outputs, or those of one place; for small transcripts."""
        entries: list[Said | CellRecord] = []
        while page := await self._records.entries(
            self._session_id, after=entries[-1].seq if entries else 0, place=place
        ):
            entries += page
        return entries

    async def each(self) -> AsyncIterator[Said | CellRecord]:
        """All entries in order, one page at a time; large outputs are shortened, see `outputs`."""
        after = 0
        while page := await self._records.entries(self._session_id, after=after, limit=PAGE, brief=True):
            after = page[-1].seq
            for entry in page:
                yield entry

    async def newest(
        self, place: str | None = None, *, before: int | None = None
    ) -> AsyncGenerator[list[Said | CellRecord]]:
        """Pages of the entries before number `before`, newest first; large outputs are shortened."""
        while page := await self._records.newest(self._session_id, before=before, limit=PAGE, place=place):
            before = page[-1].seq
            yield page

    async def said_in(self, places: Sequence[str]) -> AsyncGenerator[list[Said | CellRecord]]:
        """Pages as of `newest`, with the entries of these places."""
        only = places[0] if len(places) == 1 else None
        async with aclosing(self.newest(only)) as pages:
            async for page in pages:
                yield [entry for entry in page if entry.place in places]

    async def whole(self, entry: Said | CellRecord) -> Said | CellRecord:
        """The entry with all its outputs."""
        if isinstance(entry, Said) or not entry.outside:
            return entry
        outputs = tuple([output async for output in self.outputs(entry)])
        return replace(entry, outputs=outputs, outside=())

    def outputs(self, cell: CellRecord) -> AsyncIterator[Output]:
        """All outputs of a cell that `each` gave, one at a time: together they may be many megabytes."""
        return self._records.outputs(cell)

    async def notebook_cells(self, *, undone: bool = False) -> AsyncIterator[Markdown | Code | StreamedCell]:
        """All entries as the cells of a notebook; displays are as later cells have updated them.

        Cells that were undone are left out, which a last line says, unless they are wanted, too.
        """
        updates, out = await self._updates(undone=undone), 0
        async for entry in self.each():
            if isinstance(entry, CellRecord) and entry.undone and not undone:
                out += 1
                continue
            cell = notebook_cell(entry)
            if not isinstance(entry, CellRecord) or not isinstance(cell, Code):
                yield cell
            elif not entry.outside:
                updates.begin(entry.seq)
                outputs = tuple(map(updates.applied, entry.outputs))
                # What the cell has beyond these is a note on its end.
                yield replace(cell, outputs=(*outputs, *cell.outputs[len(outputs) :]))
            else:
                yield StreamedCell(replace(cell, outputs=()), _count(entry), self._updated(entry, updates))
        if out:
            yield Markdown(left_out(out), "")

    async def displaying(self, names: Collection[str], *, before: int) -> list[CellRecord]:
        """The newest cells before this number that have one of these displays, as the displays are now.

        They are few, and none is large. Raises: StoreUnavailable.
        """
        if before > LONGEST_AGAIN:  # reading all of it for each update would keep the database too busy
            return []
        updates = await self._updates()
        found: deque[CellRecord] = deque(maxlen=MOST_AGAIN)
        async for entry in self.each():
            if not isinstance(entry, CellRecord) or entry.seq >= before:
                continue
            has_one = not shown(entry.outputs).isdisjoint(names)
            if has_one and sum(part.size for part in entry.outside) <= LARGEST_AGAIN:
                found.append(entry)
        return [
            replace(
                entry,
                outputs=tuple([output async for output in self._updated(entry, updates)]),
                outside=(),
            )
            for entry in reversed(found)
        ]

    async def _updates(self, *, undone: bool = True) -> Updates:
        """What later cells, undone ones or not, did to displays.

        Large outputs are read only if they contain an update.
        """
        updates = Updates()
        async for entry in self.each():
            if not isinstance(entry, CellRecord) or (entry.undone and not undone):
                continue
            updates.begin(entry.seq)
            marks = [updates.pass_mark(output) for output in entry.outputs if is_mark(output)]
            if not entry.outside or any(marks):
                async for output in self.outputs(entry):
                    updates.note(output)
        return updates

    async def _updated(self, entry: CellRecord, updates: Updates) -> AsyncIterator[Output]:
        number = 0
        async for output in self.outputs(entry):
            number += 1
            yield updates.at((entry.seq, number), output)


def _before(ran: RunResult) -> list[Output]:
    """For the notebook: a note that the cell began with a fresh kernel, and what was lost."""
    if ran.restarted is None or ran.status not in ("ok", "error"):
        return []
    return [_note(restart(ran.restarted))]


def _ended(result: ExecutionResult) -> list[Output]:
    """For the notebook: a note on how the cell ended, if its output does not say, and what was lost."""
    told = filter(None, (ending(result), lost_with(result)))
    text = " ".join(told) if ending(result) else ""
    return [_note(text)] if text else []


def _note(text: str) -> Output:
    return {"output_type": "stream", "name": "stderr", "text": f"[{text}]\n", "transient": {"note": True}}


def _count(entry: CellRecord) -> int:
    """How many outputs a cell has in all."""
    return len(entry.outputs) + sum(part.count - part.short for part in entry.outside)


def _ran(cell: CellRecord) -> bool:
    """Whether the cell has run: a cell that was stopped while it waited has no execution count."""
    if cell.status == "interrupted":
        return cell.execution_count is not None
    return cell.status not in (RUNNING, "skipped")


def has_begun(cell: CellRecord) -> bool:
    """Whether the cell has run, or runs now."""
    return cell.status == RUNNING or _ran(cell)


def notebook_cell(entry: Said | CellRecord) -> Markdown | Code:
    """The entry as the cell of a notebook."""
    if isinstance(entry, Said):
        return Markdown(entry.markdown, entry.author)
    ended = ENDINGS.get((entry.status, None))
    # Otherwise the program ended before it could record this.
    told = entry.outside or any(map(is_note, entry.outputs))
    return Code(
        entry.code,
        entry.outputs if told or not ended else (*entry.outputs, _note(ended)),
        entry.execution_count,
        entry.status,
        entry.file_ids,
        entry.author,
        entry.execution_time,
    )
