"""Spreadsheets that nothing here reads say what to do; `test_loading` tries those that can be read."""

import io
import zipfile

import pytest

from kernels.inside.loading import workbooks
from kernels.inside.loading.content import OLE
from kernels.inside.loading.source import NotLoaded, Source


def packed(name: str, content: bytes = b"") -> bytes:
    """A zip archive with one entry."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (OLE + bytes(600), "is an Excel workbook from before 2007"),
        (OLE + bytes(600) + workbooks.ENCRYPTED, "is protected by a password"),
        (packed("xl/workbook.bin"), "is a binary Excel workbook"),
        (
            packed("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
            "is an OpenDocument spreadsheet",
        ),
        (packed("a.csv"), "it is damaged, or another ZIP archive"),
        (b"%PDF-1.7", "it is a PDF document"),
        (bytes(range(256)) * 3, "it is not a workbook"),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            "is an XML spreadsheet of Excel 2003",
        ),
    ],
)
def test_what_it_is_decides_and_not_its_name(data: bytes, sentence: str) -> None:
    """The sentence can be followed, or says what the file is."""
    with pytest.raises(NotLoaded, match=sentence):
        workbooks.read(Source(data, "a.xlsx", "xlsx", {}))
