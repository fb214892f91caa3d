"""A session as a download: its notebook, or a zip with the notebook and the files that it used or made.

    zipped = await notebook(session, target)            # `target` is an open file
    await bundle(session, files, target, limit=10 << 20)
    await replayed(session, imported, target)           # of a session that has only run this

In the zip, files that existed before the first cell, such as uploads, have the names and folders that they
had in the workspace, so cells that changed them can do so again. All versions made by cells are in `files/`.
The notebook's first cell defines `load_file`, `file_path` and `list_files` for its folder, so that the
notebook runs wherever Jupyter and the same packages are installed. None of this is in memory as a whole.
"""

import json
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import kernels.inside
from bot.continuity.undo.versions import belonging_to
from bot.notebooks.used_files import at_start, used_files
from bot.notebooks.zipping import Zip
from bot.session import Session
from filestore.errors import NoSuchFile
from filestore.files import FileStore
from filestore.records import CellRecord, StoredFile
from kernels.concurrency.threads import in_thread
from kernels.notebooks import conversion
from kernels.notebooks.cells import Cell, Code, Notebook, StreamedCell
from kernels.notebooks.packages import installed
from kernels.workspace.names import FreeNames

__all__ = ["KIND", "bundle", "notebook", "replayed"]

KIND = "a notebook"  # a person can have one made at a time, with its files or without
FIRST_CELL = Code(
    "# load_file, file_path and list_files over the files beside this notebook\n"
    "from kernelcord_files import file_path, list_files, load_file"
)
README = """\
# A Kernelcord session

`notebook.ipynb` is the session: open it in Jupyter. The files that it began with lie beside it, and those
that its cells made in `files`, as far as they had not expired; `files.json` names all of them by their ids.
A name that some system does not take, or that a command could take for an option, has an underscore in it.
The first cell defines `load_file`, `file_path` and `list_files` for this folder. Cells that did not finish
well are tagged `skip-execution`: Jupyter's own tools leave them out.

To run it again: `jupyter nbconvert --to notebook --execute notebook.ipynb`
"""
INSIDE = Path(kernels.inside.__file__).parent
OF_OURS = {  # modules that are added to the zip, and their sources
    "kernelcord_files/__init__.py": INSIDE / "bundled.py",
    "kernelcord_files/characters.py": INSIDE / "characters.py",
    **{f"kernelcord_files/loading/{file.name}": file for file in sorted((INSIDE / "loading").glob("*.py"))},
}


async def notebook(session: Session, target: BinaryIO, *, limit: int | None = None) -> bool:
    """Write the session as a `.ipynb`, or in a zip if it has more than `limit` bytes.

    Returns whether it is zipped. Raises: OverLimit if the zip is too large as well; AtWork, TooBusy,
    NotebookError, StoreUnavailable, OSError.
    """
    async with session.jobs.job(session.record.user_id, KIND):
        if limit is None:
            await _write(session, _cells(session), target)
            return False
        with tempfile.TemporaryFile() as content:
            await _write(session, _cells(session), content)
            zipped = content.tell() > limit
            if zipped:
                with Zip(target, session.jobs, limit) as archive:
                    await archive.add_entry("session.ipynb", content)
            else:
                content.seek(0)
                await session.jobs.in_thread(shutil.copyfileobj, content, target)
            return zipped


async def replayed(session: Session, imported: Notebook, target: BinaryIO) -> None:
    """Write the notebook with its new outputs; everything else is as it was.

    Raises: as `notebook`.
    """
    async with session.jobs.job(session.record.user_id, KIND):
        await _write(session, _again(session, imported), target, imported.metadata)


async def bundle(session: Session, files: FileStore, target: BinaryIO, *, limit: int | None = None) -> None:
    """Write the session as a `.zip`: notebook, files, a README, and what the first cell needs.

    Raises: OverLimit as soon as the zip has more than `limit` bytes; else as `notebook`.
    """
    async with session.jobs.job(session.record.user_id, KIND):
        with Zip(target, session.jobs, limit) as archive:
            await _pack(session, files, archive)


async def _pack(session: Session, files: FileStore, archive: Zip) -> None:
    with tempfile.TemporaryFile() as content:
        await _write(session, _cells(session, FIRST_CELL), content)
        await archive.add_entry("notebook.ipynb", content)
    await archive.add_entry("README.md", README)
    for path, source in OF_OURS.items():
        await archive.add_entry(path, source.read_bytes())
    names = FreeNames(["notebook.ipynb", "README.md", "files.json", *OF_OURS])
    index = []
    used = await used_files(session, files)
    own = filter(belonging_to(session.record), used)
    initial = {file.file_id for file in at_start(own, await _well_ended(session))}
    for file in used:
        try:
            opened = await files.open(file.file_id, session.record.user_id)
        except NoSuchFile:  # it has expired in the meantime
            continue
        name = file.filename if file.file_id in initial else f"files/{file.filename}"
        path = names.free(name, f"-{file.file_id}")
        with opened.file:
            await archive.add_entry(path, opened.file)
        index.append(_entry(file, path))
    await archive.add_entry("files.json", json.dumps(index, indent=1))


async def _well_ended(session: Session) -> set[int]:
    """The numbers of the cells that run again when the notebook is run."""
    return {
        entry.seq
        async for entry in session.transcript.each()
        if isinstance(entry, CellRecord) and entry.status == "ok" and not entry.undone
    }


def _entry(file: StoredFile, path: str) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "filename": file.filename,
        "type": file.file_type,
        "size": file.file_size,
        "path": path,
    }


async def _write(
    session: Session,
    cells: AsyncIterable[Cell | StreamedCell],
    target: BinaryIO,
    about: dict[str, Any] | None = None,
) -> None:
    packages = await in_thread(installed, session.python)
    await conversion.write(cells, target, packages=packages, about=about)


async def _cells(session: Session, *first: Cell, undone: bool = False) -> AsyncIterator[Cell | StreamedCell]:
    for cell in first:
        yield cell
    async for recorded in session.transcript.notebook_cells(undone=undone):
        yield recorded


async def _again(session: Session, imported: Notebook) -> AsyncIterator[Cell | StreamedCell]:
    """The cells of a replayed notebook, with the results that the transcript has."""
    before = iter(imported.cells)
    async for now in _cells(session, undone=True):
        cell = await session.jobs.in_thread(next, before, None)
        if cell is None:
            return
        if isinstance(now, StreamedCell) and isinstance(cell, Code):
            yield replace(now, code=replace(now.code, tags=cell.tags, original=cell.original))
        elif isinstance(now, Code) and isinstance(cell, Code):
            yield replace(now, tags=cell.tags, original=cell.original)
        else:
            yield cell
