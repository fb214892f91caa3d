"""File types: by extension from one table, or by content if the name does not help or is wrong."""

import gzip
import io
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filestore.filetypes import BY_EXTENSION, TABLE, file_type

AT_LEAST = {
    "data": 15,
    "image": 10,
    "text": 8,
    "code": 15,
    "scientific": 10,
    "structured": 7,
    "archive": 7,
    "database": 4,
    "web": 6,
    "geospatial": 5,
}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
GZIP = gzip.compress(b"a,b\n1,2\n", mtime=0)  # a date would give each test process different test ids
TEXT = "plain words, with ünïcode and 👩‍🚀\n".encode()


def zipped() -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hi")
    return buffer.getvalue()


def tarred() -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def sqlite(tmp_path: Path) -> bytes:
    """A SQLite database."""
    connection = sqlite3.connect(tmp_path / "made.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    return (tmp_path / "made.db").read_bytes()


def test_table_names_every_extension_once() -> None:
    """Each category has at least so many extensions, and no extension is in two categories."""
    counts = {kind: len(extensions.split()) for kind, extensions in TABLE.items()}
    assert {kind: counts[kind] for kind, least in AT_LEAST.items() if counts[kind] < least} == {}
    assert counts["document"] + counts["other"] >= 10
    assert sum(counts.values()) == len(BY_EXTENSION) >= 80
    assert set(TABLE) == {*AT_LEAST, "document", "audio", "video", "notebook", "other"}
    assert all(extension == extension.lower() for extension in BY_EXTENSION)


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        ("data.csv", "data"),
        ("T.TSV", "data"),
        ("a.xlsx", "data"),
        ("a.parquet", "data"),
        ("a.json", "structured"),
        ("a.yml", "structured"),
        ("a.toml", "structured"),
        ("a.xml", "structured"),
        ("summary.txt", "text"),
        ("README.md", "text"),
        ("run.log", "text"),
        ("plot.png", "image"),
        ("model.pkl", "scientific"),
        ("a.npy", "scientific"),
        ("archive.zip", "archive"),
        ("run.tar.gz", "archive"),
        ("data.csv.gz", "data"),
        ("a.json.bz2", "structured"),
        ("data.csv.zip", "data"),
        ("v1.2.gz", "archive"),
        ("map.geojson", "geospatial"),
        ("a.sqlite3", "database"),
        ("index.html", "web"),
        ("main.py", "code"),
        ("a.pdf", "document"),
        ("a.mp3", "audio"),
        ("a.mp4", "video"),
        ("a.ipynb", "notebook"),
        ("plots/v1.2/plot.png", "image"),
        ("a.bin", "other"),
        ("mystery", "other"),
        (".gitignore", "other"),
        ("csv", "other"),
        ("", "other"),
    ],
)
def test_extension_decides(filename: str, kind: str) -> None:
    """The last extension counts, whatever its case; for a compressed file, the one before it, if known."""
    assert file_type(filename) == kind


@pytest.mark.parametrize(
    ("filename", "head", "kind"),
    [
        ("mystery", PNG, "image"),
        ("mystery.xyz", PDF, "document"),
        ("dump.bin", PNG, "image"),
        ("mystery", zipped(), "archive"),
        ("mystery", tarred(), "archive"),
        ("mystery", GZIP, "archive"),
        ("mystery", pickle.dumps([1, 2]), "scientific"),
        ("mystery", b"PAR1" + bytes(40), "data"),
        ("mystery", b"<!DOCTYPE html><html>", "web"),
        ("mystery", b"#!/bin/sh\necho\n", "code"),
        ("README", TEXT, "text"),
        ("BMW", b"BMW is a maker of cars", "text"),
        ("notes", "words in UTF-16".encode("utf-16"), "text"),
        ("cut", TEXT[:-2], "text"),
        ("noise", bytes(range(256)), "other"),
    ],
)
def test_content_decides_when_the_extension_is_unknown(filename: str, head: bytes, kind: str) -> None:
    """Without a meaningful extension, the first bytes decide."""
    assert file_type(filename, head) == kind


@pytest.mark.parametrize(
    ("filename", "head", "kind"),
    [
        ("picture.png", zipped(), "archive"),
        ("picture.png", TEXT, "text"),
        ("table.csv", zipped(), "archive"),
        ("table.csv", PNG, "image"),
        ("script.py", PNG, "image"),
        ("model.pkl", PNG, "image"),
        ("table.xlsx", b"a,b\n1,2\n", "text"),
        ("bundle.zip", PNG, "image"),
        ("film.mp4", PDF, "document"),
    ],
)
def test_content_decides_when_the_extension_lies(filename: str, head: bytes, kind: str) -> None:
    """A name that contradicts what the bytes clearly are is not believed."""
    assert file_type(filename, head) == kind


@pytest.mark.parametrize(
    ("filename", "head"),
    [
        ("a.xlsx", zipped()),
        ("a.docx", zipped()),
        ("a.npz", zipped()),
        ("a.kmz", zipped()),
        ("a.csv.gz", GZIP),
        ("a.csv", GZIP),
        ("a.csv", "a,b\n".encode("utf-16")),
        ("a.csv", "é;ü\n".encode("latin-1")),
        ("a.svg", b'<?xml version="1.0"?><svg xmlns="x"></svg>'),
        ("a.ipynb", b'{"cells": []}'),
        ("a.geojson", b'{"type": "FeatureCollection"}'),
        ("a.pkl", pickle.dumps([1], protocol=0)),
        ("a.pkl", pickle.dumps([1])),
        ("a.xls", b"<html><table></table></html>"),
        ("a.sav", b"$FL2@(#) SPSS DATA FILE" + bytes(40)),
        ("a.dta", b"<stata_dta><header><release>118</release>\x00\x01"),
        ("a.feather", b"ARROW1\x00\x00" + bytes(40)),
        ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(40)),
        ("a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40)),
        ("a.webp", b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(40)),
        ("a.log", b"\x1b[31mred\x1b[0m\n"),
        ("a.csv", b""),
        ("a.pkl", b"\x80"),
    ],
)
def test_true_extension_is_believed(filename: str, head: bytes) -> None:
    """Formats made of other formats, and text in any encoding, are what their name says."""
    assert file_type(filename, head) == file_type(filename)


def test_database_is_told_from_what_is_made_of_one(tmp_path: Path) -> None:
    """SQLite content is a database, but a GeoPackage when its name says so."""
    head = sqlite(tmp_path)[:4096]
    assert [file_type(name, head) for name in ("mystery", "a.db", "a.gpkg", "a.png")] == [
        "database",
        "database",
        "geospatial",
        "database",
    ]


@given(filename=st.text(max_size=300), head=st.none() | st.binary(max_size=600))
def test_every_file_has_a_type(filename: str, head: bytes | None) -> None:
    """No name and no content makes the sniffing fail."""
    assert file_type(filename, head) in TABLE


@given(
    extension=st.sampled_from(sorted(BY_EXTENSION)),
    start=st.sampled_from(
        [b"PK\x03\x04", b"\x1f\x8b", b"RIFF", b"%PDF", b"\xd0\xcf\x11\xe0", b"{", b"\x00", b"OggS"]
    ),
    rest=st.binary(max_size=300),
)
def test_every_extension_copes_with_any_content(extension: str, start: bytes, rest: bytes) -> None:
    """A known extension with bytes that begin like something else still gets a type from the table."""
    assert file_type(f"a.{extension}", start + rest) in TABLE
