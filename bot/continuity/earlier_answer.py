"""An answer that an earlier program began, from the transcript: what it said and ran before its last cell.

for entry in await entries_before(session.transcript, cell, first):
    draft.add_reply(reply_of(entry, files))
await tell(broken_off_reply(cell))         # for a cell that was broken off
"""

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import replace

from bot.reply import RETURN_CODES, ExecutionResult, GeneratedFile, Reply
from bot.request import MODEL
from bot.transcript import Transcript
from filestore.records import CellRecord, Said

__all__ = ["broken_off_reply", "entries_before", "of_answer", "reply_of"]


async def entries_before(transcript: Transcript, cell: CellRecord, first: int) -> list[Said | CellRecord]:
    """The entries of the same answer before `cell`; no more of the transcript is read than necessary."""
    newest: list[Said | CellRecord] = []
    async with aclosing(transcript.newest(cell.place, before=cell.seq)) as pages:
        async for page in pages:
            newest += page
            if any(entry.seq < first and (cell.author != MODEL or _is_asked(entry)) for entry in page):
                break
    return [await transcript.whole(entry) for entry in of_answer(reversed(newest), cell, first)]


def of_answer(entries: Iterable[Said | CellRecord], cell: CellRecord, first: int) -> list[Said | CellRecord]:
    """Of a place's entries, in order, those of the same answer before `cell`.

    `first` is the number of the answer's first cell. Cells that a person ran during a replay are included,
    as nothing here distinguishes them; they have messages of their own.
    """
    entries, start = list(entries), first
    if cell.author == MODEL:
        start = max((entry.seq for entry in entries if entry.seq < first and _is_asked(entry)), default=first)
    return [entry for entry in entries if start <= entry.seq < cell.seq and _is_of(entry, cell.author)]


def reply_of(
    entry: Said | CellRecord, files: tuple[GeneratedFile, ...] = (), *, code: str | None = None
) -> Reply:
    """A whole entry as one step of an answer; `files` are those of a cell that still exist.

    The code of a cell is shown, or `code` in its place.
    """
    if isinstance(entry, Said):
        return Reply(0, words=f"{entry.markdown}\n\n")
    result = ExecutionResult(
        status=entry.status,
        cause="unknown",
        cell=entry.seq,
        return_code=RETURN_CODES.get(entry.status, 1),
        execution_time=entry.execution_time or 0.0,
        execution_count=entry.execution_count,
        outputs=entry.outputs,
        generated_files=files,
    )
    return Reply(entry.seq, code=entry.code if code is None else code, files=files, result=result)


def broken_off_reply(cell: CellRecord) -> Reply:
    """The last reply of a cell whose kernel ended while no program was running."""
    result = reply_of(replace(cell, status="died")).result
    assert result is not None  # it is a cell's
    return Reply(cell.seq, result=replace(result, cause="away"))


def _is_asked(entry: Said | CellRecord) -> bool:
    """Whether these are a person's words for the model; the words of a notebook have no author."""
    return isinstance(entry, Said) and entry.author not in ("", MODEL)


def _is_of(entry: Said | CellRecord, author: str) -> bool:
    shown = author == MODEL if isinstance(entry, Said) else entry.status != "skipped"
    return shown and entry.author == author
