"""A person's stored files, as their kernel and their cells use them.

files = PersonFiles(store, record, pool)       # it is the kernel's FileSource: load_file asks here
await files.bring(["k7m3q9x2va"])              # into the workspace, under their names
kept = await files.keep(captured, skipped, cell)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.failures import sentence
from bot.reply import GeneratedFile
from filestore.errors import FileStoreError, NoSuchFile, TooManyFiles
from filestore.files import FileStore
from filestore.records import SessionRecord, StoredFile
from kernels.capture import Captured, FileChanged, Skipped
from kernels.errors import KernelError
from kernels.files import FileRow, FileUnavailable, Opened
from kernels.protocols import Kernels, PersonKernel

__all__ = ["Kept", "PersonFiles"]

LISTED = 200  # files that `list_files()` shows in a cell


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a cell's files: stored ones with their ids, and what was left with the reason."""

    files: tuple[GeneratedFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class PersonFiles:
    """One person's files in one session; also what the kernel's broker asks."""

    def __init__(self, store: FileStore, record: SessionRecord, pool: Kernels) -> None:
        self._store = store
        self._user_id = record.user_id
        self._session_id = record.session_id
        self.kernel: PersonKernel = pool.kernel(record.session_id, self)

    async def keep(self, captured: Iterable[Captured], skipped: Iterable[Skipped], cell: int | None) -> Kept:
        """Store what a cell wrote; what cannot be stored is skipped with the reason, never raised."""
        files: list[GeneratedFile] = []
        left, captured = list(skipped), list(captured)
        for number, file in enumerate(captured):
            try:
                async with file.content() as content:
                    stored = await self._store.put(
                        self._user_id, self._session_id, file.name, content, source="generated", cell=cell
                    )
            except TooManyFiles as error:  # so it would be with those after it, once each was written
                more = len(captured) - number - 1
                left.append(Skipped(f"{file.name} and {more:,} more" if more else file.name, sentence(error)))
                break
            except (FileStoreError, FileChanged, KernelError, OSError) as error:
                left.append(Skipped(file.name, sentence(error)))
            else:
                files.append(self.generated(stored))
        return Kept(tuple(files), tuple(left))

    async def upload(self, name: str, data: bytes) -> StoredFile:
        """Store a file of the person's and place it in the workspace. Raises: as `FileStore.put`."""
        stored = await self._store.put(self._user_id, self._session_id, name, data, source="uploaded")
        await self.kernel.place(stored.filename, data)
        return stored

    async def bring(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Put stored files into the workspace; returns their names. Raises: NoSuchFile, and puts none."""
        found = [await self._store.find(one, self._user_id, self._session_id) for one in wanted]
        names = []
        for stored in found:
            opened = await self._store.open(stored.file_id, self._user_id)
            with opened.file:
                names.append(await self.kernel.place(stored.filename, opened.file))
        return tuple(names)

    def generated(self, stored: StoredFile) -> GeneratedFile:
        """The stored file as a front shows it."""

        async def read() -> bytes:
            return (await self._store.load_file(stored.file_id, self._user_id)).data

        return GeneratedFile(stored, read)

    # What a cell asks (kernels.files.FileSource):

    async def open(self, wanted: str) -> Opened:
        """The file for `load_file`. Raises: FileUnavailable."""
        try:
            stored = await self._store.find(wanted, self._user_id, self._session_id)
            opened = await self._store.open(stored.file_id, self._user_id)
        except NoSuchFile as error:
            raise FileUnavailable(str(error)) from None
        return Opened(stored.file_id, stored.filename, stored.file_type, stored.file_size, opened.file)

    async def place(self, wanted: str) -> str:
        """The file for `file_path`, put beside the person's own. Raises: FileUnavailable."""
        opened = await self.open(wanted)
        with opened.file:
            return await self.kernel.place(opened.filename, opened.file, beside=opened.file_id)

    async def list(self) -> Sequence[FileRow]:
        """The files for `list_files()`, newest first."""
        page = await self._store.list_user_files(self._user_id, limit=LISTED)
        return [
            FileRow(
                file.file_id,
                file.filename,
                file.file_type,
                file.file_size,
                file.source,
                file.uploaded_at.isoformat(),
                file.expires_at.isoformat(),
            )
            for file in page.files
        ]
