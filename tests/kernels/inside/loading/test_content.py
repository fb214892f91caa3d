"""A file is recognised by its first bytes, whatever its name says."""

import io
import zipfile

import pytest

from kernels.inside.loading.content import NAMES, OLE, SIGNATURES, kind_of_content, known_as


def packed(*names: str, mimetype: bytes = b"") -> bytes:
    """A zip archive with these entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, mimetype)
    return stream.getvalue()


@pytest.mark.parametrize(("start", "kind"), SIGNATURES.items())
def test_a_signature_is_at_the_beginning(start: bytes, kind: str) -> None:
    """And nowhere else."""
    assert kind_of_content(start + bytes(100)) == kind
    assert kind_of_content(b"x" + start) == ""


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (packed("xl/workbook.xml"), "xlsx"),
        (packed("xl/workbook.bin"), "xlsb"),
        (packed("mimetype", mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), "ods"),
        (packed("mimetype", mimetype=b"application/epub+zip"), "zip"),
        (packed("a.csv"), "zip"),
        (packed("a.csv")[:-10], "zip"),
        (b"RIFF\x00\x00\x00\x00WEBP", "webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", ""),
        (b"", ""),
        (b"a,b\n1,2\n", ""),
    ],
)
def test_archives_and_containers_are_looked_into(data: bytes, kind: str) -> None:
    """A spreadsheet is a zip archive too; a broken archive is still one."""
    assert kind_of_content(data) == kind


def test_each_kind_has_a_name_for_people() -> None:
    """A kind without one is called by its own name."""
    assert set(SIGNATURES.values()) | {"webp", "zip", "xlsx", "xlsb", "ods"} == set(NAMES)
    assert known_as(kind_of_content(OLE)).startswith("an older Office document")
    assert known_as("abc") == "abc"
