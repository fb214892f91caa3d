"""A transcript as it will be once what waits is in the database."""

from collections.abc import Iterable
from dataclasses import replace

from filestore.records import CellRecord, Said
from filestore.spool.writes import CellFinished, CellsMarked, EntryAdded, OutputsAppended, Write

__all__ = ["with_writes"]


def with_writes(
    entries: Iterable[Said | CellRecord], writes: Iterable[Write], *, after: int = 0, place: str | None = None
) -> list[Said | CellRecord]:
    """Apply what waits to the entries; those that wait are added from `after` on, of `place` (None: any)."""
    found = {entry.seq: entry for entry in entries}
    for write in writes:
        match write:
            case EntryAdded(entry) if entry.seq > after and place in (None, entry.place):
                found.setdefault(entry.seq, entry)
            case OutputsAppended() | CellFinished():
                cell = found.get(write.seq)
                if isinstance(cell, CellRecord):
                    found[write.seq] = _changed(cell, write)
            case CellsMarked():
                for seq in write.seqs:
                    marked = found.get(seq)
                    if isinstance(marked, CellRecord):
                        found[seq] = replace(marked, undone=write.undone)
    return [found[seq] for seq in sorted(found)]


def _changed(cell: CellRecord, write: OutputsAppended | CellFinished) -> CellRecord:
    file_ids = tuple(dict.fromkeys([*cell.file_ids, *write.file_ids]))
    if isinstance(write, OutputsAppended):
        return replace(cell, outputs=(*cell.outputs, *write.outputs), file_ids=file_ids)
    return replace(
        cell,
        status=write.status,
        outputs=cell.outputs if write.outputs is None else write.outputs,
        outside=cell.outside if write.outputs is None else (),
        execution_time=write.execution_time,
        execution_count=write.execution_count,
        file_ids=file_ids,
    )
