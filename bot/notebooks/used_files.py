"""The stored files that a session has used or made: they belong with its notebook.

    found = await used_files(session, files)        # records, newest first

A file belongs to the session if one of its cells made the file, or names it by its id or its name there; a
branch has those that it began with, too. Cells that were undone, and the versions that they made, are left
out, as they are in the notebook.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from bot.continuity.undo.versions import belonging_to
from bot.session import Session
from filestore.errors import NoSuchFile
from filestore.files import FileStore
from filestore.records import CellRecord, StoredFile

__all__ = ["at_start", "named", "used_files"]

SEARCHED = 4 << 20  # characters of code that are searched, in all cells together
LONGEST = 1000  # characters of a path that may contain a name
ASKED = 1000  # words that are looked up as ids of files that others may share
_ID = re.compile(r"\b[a-z0-9]{10}\b", re.IGNORECASE)
# A name may stand between quotes of one kind, or between characters that names seldom have.
_PLACES = tuple(map(re.compile, (r'[^"\n]+', r"[^'\n]+", r"[^\s'\"`()\[\]{},;=<>|&]+")))


async def used_files(session: Session, files: FileStore) -> list[StoredFile]:
    """The files that have not expired, newest first. Raises: StoreUnavailable."""
    own = {file.file_id: file async for file in files.all_of(session.record.user_id)}
    undone = {cell.seq async for cell in session.transcript.each() if getattr(cell, "undone", False)}
    named_so: dict[str, list[str]] = {}  # the ids of all versions of each name in the workspace
    belongs = belonging_to(session.record)
    for file in own.values():
        if belongs(file) and file.cell not in undone:
            named_so.setdefault(file.filename, []).append(file.file_id)
    found: dict[str, StoredFile] = {}
    asked: set[str] = set()
    left = SEARCHED
    async for entry in session.transcript.each():
        if not isinstance(entry, CellRecord) or entry.undone:
            continue
        code = entry.code[:left]
        left -= len(code)
        ids, names = await session.jobs.in_thread(named, code, named_so.keys())
        for file_id in (
            *entry.file_ids,
            *ids,
            *(version for name in names for version in _ends(named_so[name])),
        ):
            if file_id in own:
                found[file_id] = own[file_id]
            elif file_id not in asked and len(asked) < ASKED:
                asked.add(file_id)
                found |= await _shared(files, file_id, session.record.user_id)
    return sorted(found.values(), key=lambda file: (file.number, file.file_id), reverse=True)


def _ends(versions: Sequence[str]) -> Sequence[str]:
    """The newest and the oldest version of a name."""
    return versions if len(versions) < 2 else (versions[0], versions[-1])


def named(code: str, names: Collection[str]) -> tuple[list[str], list[str]]:
    """The words in `code` that may be ids, and the `names` that occur in it, with or without folders."""
    ids = dict.fromkeys(match[0].lower() for match in _ID.finditer(code))
    found: dict[str, None] = {}
    for place in _PLACES:
        for match in place.finditer(code):
            rest = match[0] if len(match[0]) <= LONGEST else ""
            while rest:
                if rest in names:
                    found[rest] = None
                rest = rest.partition("/")[2]
    return list(ids), list(found)


def at_start(found: Iterable[StoredFile], run_again: Collection[int]) -> list[StoredFile]:
    """For each name, the version that has to be there when all of the session's cells are run again.

    That is the oldest version, unless one of the cells that are run again makes it: an upload, or a file of a
    cell that did not end well. `run_again` has the numbers of the cells that are run.
    """
    first: dict[str, StoredFile] = {}
    for file in sorted(found, key=lambda file: (file.number, file.file_id)):
        first.setdefault(file.filename, file)
    return [file for file in first.values() if file.source == "uploaded" or file.cell not in run_again]


async def _shared(files: FileStore, file_id: str, user_id: int) -> dict[str, StoredFile]:
    """The file, if there is one that the person may read."""
    try:
        opened = await files.open(file_id, user_id)
    except NoSuchFile:  # expired, or ten letters that are not an id
        return {}
    opened.file.close()
    return {file_id: opened.record}
