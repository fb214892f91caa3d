"""Recognises a file by its first bytes: kind_of_content(b"PAR1...") is "parquet", as in a file's extension.

The signatures are from the formats' own specifications; most are collected in
https://www.garykessler.net/library/file_sigs.html.
"""

import zipfile
from io import BytesIO

__all__ = ["OLE", "kind_of_content", "known_as"]

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of Microsoft's compound files: xls, doc, msg
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF8": "gif",
    b"II*\0": "tif",
    b"MM\0*": "tif",
    b"SQLite format 3\0": "sqlite",
    b"PAR1": "parquet",
    b"ARROW1\0\0": "arrow",
    b"\x93NUMPY": "npy",
    b"Obj\x01": "avro",
    b"\x89HDF\r\n\x1a\n": "h5",
    b"CDF\x01": "nc",
    b"CDF\x02": "nc",
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"%PDF-": "pdf",
    OLE: "ole",
}
NAMES = {
    "png": "a PNG picture",
    "jpg": "a JPEG picture",
    "gif": "a GIF picture",
    "webp": "a WebP picture",
    "tif": "a TIFF picture",
    "sqlite": "an SQLite database",
    "parquet": "a Parquet table",
    "arrow": "an Arrow table",
    "npy": "a NumPy array",
    "avro": "an Avro table",
    "h5": "an HDF5 file",
    "nc": "a NetCDF file",
    "gz": "packed with gzip",
    "bz2": "packed with bzip2",
    "xz": "packed with xz",
    "zst": "packed with Zstandard",
    "zip": "a ZIP archive",
    "xlsx": "an Excel workbook",
    "xlsb": "a binary Excel workbook",
    "ods": "an OpenDocument spreadsheet",
    "ole": "an older Office document, or one with a password",
    "pdf": "a PDF document",
}


def kind_of_content(data: bytes) -> str:
    """The extension that fits the content; "" if it has no signature that is known here."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_zip(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), "")


def known_as(kind: str) -> str:
    """A kind of `kind_of_content` in words."""
    return NAMES.get(kind, kind)


def _of_zip(data: bytes) -> str:
    """Which kind of zip archive it is: spreadsheets are some too."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = set(archive.namelist())
            if "xl/workbook.bin" in names:
                return "xlsb"
            if "xl/workbook.xml" in names:
                return "xlsx"
            if "mimetype" in names and archive.read("mimetype").endswith(b"opendocument.spreadsheet"):
                return "ods"
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):  # broken, or protected by a password
        pass
    return "zip"
