"""A person with one stored file."""

from collections.abc import Sequence
from io import BytesIO

from kernels.broker import FileRow, FileUnavailable, Opened
from kernels.interface import PersonKernel

CONTENT = b"city,people\nUlm,126000\n" * 1000
ROW = FileRow(
    "k7m3q9x2va",
    "cities.csv",
    "data",
    len(CONTENT),
    "uploaded",
    "2030-01-01T00:00:00+00:00",
    "2130-01-01T00:00:00+00:00",
)


class SomeFiles:
    """The kernels.broker.FileSource of a person who has `cities.csv`."""

    kernel: PersonKernel

    async def open(self, wanted: str) -> Opened:
        if wanted not in (ROW.file_id, ROW.filename):
            raise FileUnavailable.absent(wanted)
        return Opened(ROW.file_id, ROW.filename, ROW.file_type, ROW.size, BytesIO(CONTENT))

    async def place(self, wanted: str) -> str:
        opened = await self.open(wanted)
        return await self.kernel.place(opened.filename, opened.file, beside=opened.file_id)

    async def list(self) -> Sequence[FileRow]:
        return [ROW]
