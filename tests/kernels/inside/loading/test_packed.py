"""Files compressed as a whole are unpacked, and the only table in an archive is found."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from kernels.inside.loading.packed import BY_CONTENT, UNPACK, only_table
from kernels.inside.loading.source import NotLoaded


def archive(**files: bytes) -> bytes:
    """A zip archive of these files, with what macOS adds."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in {"__MACOSX/._x": b"", ".DS_Store": b"", "folder/": b"", **files}.items():
            made.writestr(name.replace("_csv", ".csv").replace("_png", ".png"), data)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("gz", gzip.compress(b"text")),
        ("bz2", bz2.compress(b"text")),
        ("xz", lzma.compress(b"text")),
        ("zip", archive(a_csv=b"text")),
    ],
    ids=["gz", "bz2", "xz", "zip"],
)
def test_each_kind_is_unpacked(kind: str, data: bytes) -> None:
    """`test_loading` tries those that Python cannot unpack with the kernels' libraries."""
    assert UNPACK[kind](data) == b"text"
    assert set(UNPACK) >= BY_CONTENT


def test_an_archive_of_several_files_is_not_one_file() -> None:
    """It says how many there are."""
    with pytest.raises(NotLoaded, match="has 2 files, and one was expected"):
        UNPACK["zip"](archive(a_csv=b"", b_csv=b""))


def test_the_only_table_of_an_archive_is_found() -> None:
    """No other single entry, no archive with several tables, and none that cannot be read."""
    assert only_table(archive(a_csv=b"a,b\n")) == ("a.csv", b"a,b\n")
    assert only_table(archive(a_png=b"")) is None
    assert only_table(archive(a_csv=b"", b_csv=b"")) is None
    assert only_table(b"PK\x03\x04 broken") is None
