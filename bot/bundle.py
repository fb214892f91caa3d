"""A session to take away: its notebook, and a zip with the notebook and the files that it used or made.

    data = await notebook(session)
    data = await bundle(session, files)
    data = await replayed(session, imported)       # of a session that has run this notebook and nothing else

In the zip the files lie under their names and in their folders, as in the workspace, and the notebook's first
cell defines `load_file`, `file_path` and `list_files` over its folder, so that it runs anywhere that has
Jupyter and the same packages.
"""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import kernels.inside
from bot.session import Session
from bot.transcript import notebook_cells
from filestore.errors import NoSuchFile
from filestore.files import PAGE_LIMIT, FileStore
from filestore.records import CellRecord, Cursor, LoadedFile, Said, StoredFile
from kernels import notebook as notebooks
from kernels.names import Places
from kernels.notebook import Cell, Code, Imported
from kernels.packages import installed

__all__ = ["bundle", "notebook", "replayed", "zipped"]

FILE_ID = re.compile(r"\b[a-z0-9]{10}\b", re.IGNORECASE)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of every entry: the same transcript gives the same zip
FIRST_CELL = Code(
    "# load_file, file_path and list_files over the files beside this notebook\n"
    "from kernelcord_files import file_path, list_files, load_file"
)
README = """\
# A Kernelcord session

`notebook.ipynb` is the session: open it in Jupyter. The files that it used or made, and that had not expired,
lie beside it; `files.json` names them by their ids. The first cell defines `load_file`, `file_path` and
`list_files` for this folder. Cells that did not finish well are tagged `skip-execution`: Jupyter's own tools
leave them out.

To run it again: `jupyter nbconvert --to notebook --execute notebook.ipynb`
"""


async def notebook(session: Session) -> bytes:
    """The session as a `.ipynb`."""
    return await _written(session, notebook_cells(await session.transcript.entries()))


async def replayed(session: Session, imported: Imported) -> bytes:
    """The notebook with the outputs that it has now; its words, raw text and tags are as they were."""
    found = notebook_cells(await session.transcript.entries())
    return await _written(session, list(map(_again, imported.cells, found)))


async def bundle(session: Session, files: FileStore) -> bytes:
    """The session as a `.zip`: notebook, files, a README, and what the first cell needs."""
    entries = await session.transcript.entries()
    found = await _files(entries, session, files)
    content = await _written(session, [FIRST_CELL, *notebook_cells(entries)])
    return await asyncio.to_thread(_zip, content, found)


def zipped(packed: Mapping[str, bytes]) -> bytes:
    """A `.zip` of these files, by their paths in it."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in packed.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), data, zipfile.ZIP_DEFLATED)
    return output.getvalue()


def _again(before: Cell, now: Cell) -> Cell:
    """A cell of a replayed notebook; `now` is what the transcript has of it."""
    return replace(now, tags=before.tags) if isinstance(now, Code) and isinstance(before, Code) else before


async def _written(session: Session, cells: Sequence[Cell]) -> bytes:
    packages = await asyncio.to_thread(installed, session.python)
    return await asyncio.to_thread(notebooks.write, cells, packages=packages)


async def _files(
    entries: Sequence[Said | CellRecord], session: Session, files: FileStore
) -> list[LoadedFile]:
    """The person's files that cells made, or name by id or by name, newest first."""
    cells = [entry for entry in entries if isinstance(entry, CellRecord)]
    code = "\n".join(cell.code for cell in cells)
    made = [file_id for cell in cells for file_id in cell.file_ids]
    used = [match.lower() for match in FILE_ID.findall(code)]
    named = [file.file_id for file in await _newest(session, files) if file.filename in code]
    loaded: dict[str, LoadedFile] = {}
    for file_id in dict.fromkeys(made + used + named):
        try:
            loaded[file_id] = await files.load_file(file_id, session.record.user_id)
        except NoSuchFile:  # expired, or ten letters that are no id
            continue
    return sorted(loaded.values(), key=lambda file: (file.record.number, file.record.file_id), reverse=True)


async def _newest(session: Session, files: FileStore) -> Iterable[StoredFile]:
    """The newest version of each file of the session, which is what its workspace holds under that name."""
    found: dict[str, StoredFile] = {}
    after: Cursor | None = None
    while True:
        page = await files.list_user_files(
            session.record.user_id, limit=PAGE_LIMIT, after=after, session_id=session.record.session_id
        )
        for file in page.files:
            found.setdefault(file.filename, file)
        if (after := page.next) is None:
            return found.values()


def _zip(content: bytes, files: Sequence[LoadedFile]) -> bytes:
    inside = Path(kernels.inside.__file__).parent
    packed = {
        "notebook.ipynb": content,
        "README.md": README.encode(),
        "files.json": b"",  # when all have their places
        "kernelcord_files/__init__.py": (inside / "bundled.py").read_bytes(),
        "kernelcord_files/loaders.py": (inside / "loaders.py").read_bytes(),
    }
    places = Places(packed)
    index = []
    for file in files:
        path = places.free(file.record.filename, f"-{file.record.file_id}")
        packed[path] = file.data
        index.append(
            {
                "file_id": file.record.file_id,
                "filename": file.record.filename,
                "type": file.record.file_type,
                "size": file.record.file_size,
                "path": path,
            }
        )
    packed["files.json"] = json.dumps(index, indent=1).encode()
    return zipped(packed)
