"""Everything that is kept of a person, as one zip, for `/privacy`.

with await export(sessions, user_id) as archive: ...        # a temporary file, positioned at its start
"""

import json
import tempfile
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, BinaryIO, cast

from bot.compose import now
from bot.notebooks.zipping import Zip
from bot.scheduling.jobs import Jobs
from bot.sessions import Sessions
from bot.transcript import Transcript
from filestore.errors import NoSuchFile
from filestore.records import EPOCH, CellRecord, Said, StoredFile
from kernels.notebooks import conversion
from kernels.notebooks.cells import NotebookError
from kernels.text.clipping import counted, human_size
from kernels.workspace.names import FreeNames

__all__ = ["export"]

KIND = "an export"  # a person can have one made at a time
IN_MEMORY = 8 << 20  # bytes; a larger zip goes to the disk
PIECE = 1 << 20  # bytes of a document that are read in one step
LARGEST = 512 << 20  # bytes of one document on the disk, if the zip has a limit
ENTRY = 1000  # bytes at most that a file needs in the zip besides its content
NAMED = 100  # things left out that are named
README = """\
# What Kernelcord keeps of you

- `files/`: the files that you have sent or made and that had not expired; `files.json` has their ids, when
  they go, and with whom you share them.
- `sessions/`: what was said and run in each of your sessions, as a Jupyter notebook and as JSON with all that
  is recorded.
- `usage.json`: the sum of what your turns took.
"""
SAVED = """\
- Not in here: your variables, which are saved after each of your cells, for your next kernel. Only a kernel
  of yours can read them: have a cell write what you want of them into a file.
"""
LEFT_OUT = "\nLeft out, because the zip would have been too large to send:\n\n"


async def export(
    sessions: Sessions, user_id: int, *, limit: int | None = None, saves: bool = False
) -> BinaryIO:
    """A zip of the person's files, transcripts (as notebooks and JSON) and usage.

    It is in a temporary file, which is deleted when it is closed. With `limit`, in bytes, the largest things
    are left out to keep the zip below that, and its README names them. With `saves` the README says that
    variables are saved, too; nothing of these is read.

    Raises: AtWork, TooBusy, StoreUnavailable.
    """
    output = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  the caller's
    try:
        async with sessions.jobs.job(user_id, KIND):
            with Zip(output, sessions.jobs) as archive:
                packing = _Packing(archive, sessions.jobs, limit)
                await _pack(packing, sessions, user_id)
                await archive.add_entry("README.md", packing.readme(SAVED if saves else ""))
    except BaseException:  # the file must not stay, whatever happens, even a cancellation
        output.close()
        raise
    output.seek(0)
    return output


class _Packing:
    """The zip, and what does not fit into it."""

    def __init__(self, archive: Zip, jobs: Jobs, limit: int | None) -> None:
        self.archive = archive
        self._jobs = jobs
        # The README with its list has to fit too.
        self._room = None if limit is None else limit - len(README + SAVED) - NAMED * ENTRY // 2
        self._left_out: list[str] = []

    async def add_document(self, path: str, write: Callable[[BinaryIO], Awaitable[None]]) -> None:
        """Add what `write` writes, or note that it was left out."""
        with tempfile.TemporaryFile() as file:
            try:
                await write(file)
            except (NotebookError, _TooLongError) as error:
                self._left_out.append(f"{path} ({error})")
                return
            size = file.seek(0, 2)
            if self.reserve(await self._deflated(file), f"{path} ({human_size(size)})"):
                await self.archive.add_entry(path, file)

    def reserve(self, size: int, what: str) -> bool:
        """Whether there is room for this many bytes. If so, it is reserved; if not, `what` is noted."""
        if self._room is None:
            return True
        if size + ENTRY > self._room:
            self._left_out.append(what)
            return False
        self._room -= size + ENTRY
        return True

    def readme(self, saved: str) -> str:
        """A text that says what is in the zip, what is not, and what is `saved` elsewhere."""
        more = len(self._left_out) - NAMED
        lines = [*self._left_out[:NAMED], *([f"and {counted(more, 'more file')}"] if more > 0 else [])]
        left = "".join(f"- {line}\n" for line in lines)
        return README + saved + (LEFT_OUT + left if left else "")

    async def add_array(self, path: str, items: AsyncIterable[dict[str, Any]]) -> None:
        """Add a JSON array as a document."""

        async def write(file: BinaryIO) -> None:
            before = "["
            async for item in items:
                await self._write(file, f"{before}\n", item)
                before = ","
            await self._write(file, _end(before))

        await self.add_document(path, write)

    async def write_transcript(self, transcript: Transcript, file: BinaryIO) -> None:
        """Write a transcript as a JSON array, with one output of a large cell in memory at a time."""
        before = "["
        async for entry in transcript.each():
            if isinstance(entry, Said) or not entry.outside:
                await self._write(file, f"{before}\n", _entry(entry))
            else:  # its outputs are inserted into an empty array; within a text, the quotes would be escaped
                start, _, end = _json(_entry(entry) | {"outputs": []}).partition('"outputs": []')
                await self._write(file, f'{before}\n{start}"outputs": ')
                between = "["
                async for output in transcript.outputs(entry):
                    await self._write(file, f"{between}\n", output)
                    between = ","
                await self._write(file, _end(between).rstrip() + end)
            before = ","
        await self._write(file, _end(before))

    async def _write(self, file: BinaryIO, text: str, *values: Any) -> None:
        """Write a text, and JSON values. Raises: _TooLongError."""
        await self._jobs.in_thread(
            lambda: file.write("".join([text, *map(_json, values)]).encode("utf-8", "replace"))
        )
        if self._room is not None and file.tell() > LARGEST:
            raise _TooLongError(f"over {human_size(LARGEST)}")

    async def _deflated(self, file: BinaryIO) -> int:
        """About how many bytes a document takes in the zip, or more than there is room; 0 without a limit."""
        file.seek(0)
        if self._room is None:
            return 0
        size, compress = 0, zlib.compressobj(1)
        while size <= self._room and (piece := file.read(PIECE)):
            size += len(await self._jobs.in_thread(compress.compress, piece))
        return size + len(compress.flush())


class _TooLongError(Exception):
    """A document that is too large for the disk; the text says how large it may be."""


async def _pack(packing: _Packing, sessions: Sessions, user_id: int) -> None:
    store = sessions.store
    total = await store.usage.total(user_id, EPOCH)
    await packing.archive.add_entry("usage.json", _json(asdict(total)))
    names = FreeNames()
    for record in await store.sessions.of_user(user_id):
        folder = f"sessions/{names.free(record.session_id, '-2')}"
        await packing.archive.add_entry(f"{folder}/session.json", _json(asdict(record)))
        transcript = Transcript(store.transcripts, record.session_id, now)
        await packing.add_document(f"{folder}/transcript.json", partial(packing.write_transcript, transcript))
        await packing.add_document(f"{folder}/notebook.ipynb", partial(_write_notebook, transcript))
    files = [file async for file in sessions.files.all_of(user_id)]
    await packing.add_array("files.json", _with_shares(sessions, files))
    await _pack_files(packing, sessions, user_id, files)


async def _write_notebook(transcript: Transcript, file: BinaryIO) -> None:
    await conversion.write(transcript.notebook_cells(), file)


async def _with_shares(sessions: Sessions, files: Sequence[StoredFile]) -> AsyncIterator[dict[str, Any]]:
    for file in files:
        yield asdict(file) | {"shared_with": await sessions.store.shares.people(file.file_id)}


async def _pack_files(
    packing: _Packing, sessions: Sessions, user_id: int, files: Sequence[StoredFile]
) -> None:
    """The smallest first, so that as many as possible fit into the zip."""
    names = FreeNames()
    for file in sorted(files, key=lambda file: (file.file_size, file.file_id)):
        what = f"{file.filename} ({human_size(file.file_size)}, id {file.file_id})"
        if not packing.reserve(file.file_size, what):
            continue
        try:
            opened = await sessions.files.open(file.file_id, user_id)
        except NoSuchFile:  # it has expired in the meantime
            continue
        with opened.file:
            path = f"files/{names.free(file.filename, f'-{file.file_id}')}"
            await packing.archive.add_entry(path, opened.file)


def _entry(entry: Said | CellRecord) -> dict[str, Any]:
    fields = {"kind": "words" if isinstance(entry, Said) else "cell", **asdict(entry)}
    fields.pop("outside", None)  # only says where we store the outputs
    return fields


def _end(before: str) -> str:
    return "[]\n" if before == "[" else "\n]\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
