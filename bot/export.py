"""All that is kept of a person, as one zip, for `/privacy`.

with await export(sessions, user_id) as archive: ...        # a temporary file, at its start
"""

import asyncio
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from bot.sessions import Sessions
from bot.transcript import Transcript, notebook_cells
from filestore.errors import NoSuchFile
from filestore.files import PAGE_LIMIT
from filestore.records import EPOCH, CellRecord, Cursor, Said, StoredFile
from kernels import notebook as notebooks
from kernels.names import Places
from kernels.text import human_size

__all__ = ["export"]

IN_MEMORY = 8 << 20  # bytes; what is larger lies on the disk
ENTRY = 1000  # bytes that a file needs in the zip beside its content, at most
README = """\
# What Kernelcord keeps of you

- `files/`: the files that you have sent or made and that had not expired; `files.json` has their ids, when
  they go, and with whom you share them.
- `sessions/`: what was said and run in each of your sessions, as a Jupyter notebook and as JSON with all that
  is recorded, and the session's settings.
- `usage.json`: the sum of what your turns took.
"""
LEFT_OUT = "\nLeft out, for the zip would have been too large to send:\n\n"


async def export(sessions: Sessions, user_id: int, *, limit: int | None = None) -> BinaryIO:
    """A zip of the person's files, transcripts (as notebooks and JSON), usage and settings.

    It lies in a temporary file that goes when it is closed. With `limit`, in bytes, the largest things are
    left out so that the zip is below that; its README names them. Raises: StoreUnavailable.
    """
    output = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  the caller's
    try:
        with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
            packing = _Packing(archive, limit)
            await _pack(packing, sessions, user_id)
            left = "".join(f"- {line}\n" for line in packing.left_out)
            packing.text("README.md", README + (LEFT_OUT + left if left else ""))
    except BaseException:  # whatever ends it, a cancelled task too, the file must not stay
        output.close()
        raise
    output.seek(0)
    return output


class _Packing:
    """The zip, and what no longer fits into it."""

    def __init__(self, archive: zipfile.ZipFile, limit: int | None) -> None:
        self._archive = archive
        self._room = (
            None if limit is None else limit - len(README) - 20 * ENTRY
        )  # for the README, with a list
        self.left_out: list[str] = []

    def text(self, path: str, text: str) -> None:
        """Add something small."""
        self._archive.writestr(path, text)

    async def data(self, path: str, data: bytes) -> None:
        """Add a document, or note that it is left out."""
        size = len(await asyncio.to_thread(zlib.compress, data, 1)) if self._room is not None else 0
        if self.takes(size, f"{path} ({human_size(len(data))})"):
            await asyncio.to_thread(self._archive.writestr, path, data)

    async def file(self, path: str, file: BinaryIO) -> None:
        """Add an open file."""
        await asyncio.to_thread(self._copy, path, file)

    def takes(self, size: int, what: str) -> bool:
        """Whether there is room for so many bytes; it is taken then, and else `what` is noted."""
        if self._room is None:
            return True
        if size + ENTRY > self._room:
            self.left_out.append(what)
            return False
        self._room -= size + ENTRY
        return True

    def _copy(self, path: str, file: BinaryIO) -> None:
        with self._archive.open(path, "w", force_zip64=True) as entry:
            shutil.copyfileobj(file, entry)


async def _pack(packing: _Packing, sessions: Sessions, user_id: int) -> None:
    store = sessions.store
    total = await store.usage.total(user_id, EPOCH)
    packing.text("usage.json", _json(asdict(total)))
    places = Places()
    for record in await store.sessions.of_user(user_id):
        folder = f"sessions/{places.free(record.session_id, '-2')}"
        packing.text(f"{folder}/session.json", _json(asdict(record)))
        entries = await Transcript(store.transcripts, record.session_id, _now).entries()
        await packing.data(f"{folder}/transcript.json", _json([_entry(entry) for entry in entries]).encode())
        notebook = await asyncio.to_thread(notebooks.write, notebook_cells(entries), packages={})
        await packing.data(f"{folder}/notebook.ipynb", notebook)
    files = await _all_files(sessions, user_id)
    index = [asdict(file) | {"shared_with": await store.shares.people(file.file_id)} for file in files]
    packing.text("files.json", _json(index))
    await _pack_files(packing, sessions, user_id, files)


async def _pack_files(
    packing: _Packing, sessions: Sessions, user_id: int, files: Sequence[StoredFile]
) -> None:
    """The smallest first, so that as many as can be are in the zip."""
    places = Places()
    for file in sorted(files, key=lambda file: (file.file_size, file.file_id)):
        if not packing.takes(
            file.file_size, f"{file.filename} ({human_size(file.file_size)}, id {file.file_id})"
        ):
            continue
        try:
            opened = await sessions.files.open(file.file_id, user_id)
        except NoSuchFile:  # it has expired meanwhile
            continue
        with opened.file:
            await packing.file(f"files/{places.free(file.filename, f'-{file.file_id}')}", opened.file)


async def _all_files(sessions: Sessions, user_id: int) -> list[StoredFile]:
    files: list[StoredFile] = []
    after: Cursor | None = None
    while True:
        page = await sessions.files.list_user_files(user_id, limit=PAGE_LIMIT, after=after)
        files += page.files
        if (after := page.next) is None:
            return files


def _entry(entry: Said | CellRecord) -> dict[str, Any]:
    return {"kind": "words" if isinstance(entry, Said) else "cell", **asdict(entry)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def _now() -> datetime:
    return datetime.now(UTC)
