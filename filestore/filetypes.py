"""What kind of file a file is, by a table of extensions, and by its content where the name does not help.

file_type("table.csv")                      "data"
file_type("run.tar.gz")                     "archive"
file_type("picture.png", b"PK\\x03\\x04...")   "archive": the extension lies
file_type("mystery", b"%PDF-1.7...")        "document"
"""

import codecs
import re
from pathlib import PurePosixPath

import puremagic


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLE = {
    "data": (
        "csv tsv tab psv xlsx xls xlsm xlsb ods parquet pq feather arrow ipc orc avro "
        "sav zsav por dta sas7bdat xpt"
    ),
    "image": "png jpg jpeg gif bmp webp tif tiff svg ico heic heif avif psd jp2 ppm pgm pbm xbm xpm",
    "text": "txt text md markdown rst log tex bib srt vtt diff patch adoc org nfo",
    "code": (
        "py pyi pyx ipy r rmd jl sql js mjs ts jsx tsx java kt scala c h cpp hpp cc cs go rs rb php pl lua "
        "swift m sh bash zsh fish ps1 bat f90 asm hs ml clj ex erl dart groovy cmake mk tf proto"
    ),
    "scientific": (
        "npy npz pkl pickle joblib h5 hdf5 hdf h5ad mat nc nc4 cdf fits fit rds rda rdata pt pth onnx "
        "safetensors ckpt dcm nii pdb mol sdf cif fasta fastq vcf root tfrecord"
    ),
    "structured": (
        "json jsonl ndjson json5 yaml yml toml graphml gml xml xsd xsl ini cfg conf properties env plist"
    ),
    "archive": "zip tar gz tgz bz2 tbz2 xz txz 7z rar zst lz4 lzma whl jar deb rpm",
    "database": "db sqlite sqlite3 db3 duckdb mdb accdb dbf",
    "web": "html htm xhtml css scss sass less mhtml wasm vue svelte webmanifest rss atom har",
    "geospatial": "geojson topojson shp shx prj kml kmz gpx gpkg osm pbf las laz mbtiles",
    "document": "pdf doc docx odt rtf ppt pptx odp epub ps eps pages key numbers djvu msg eml",
    "audio": "mp3 wav flac ogg oga opus m4a aac aiff aif mid midi wma",
    "video": "mp4 m4v mov avi mkv webm mpg mpeg ogv wmv flv 3gp",
    "notebook": "ipynb",
    "other": "bin dat exe dll so dylib o a pyc class iso img dmg ttf otf woff woff2 pem crt",
}
BY_EXTENSION = {extension: kind for kind, extensions in TABLE.items() for extension in extensions.split()}
COMPRESSED = frozenset({"gz", "bz2", "xz", "zst", "lz4", "lzma", "zip"})  # "data.csv.gz" is data

# Formats that are always text, and formats of binary kinds that may be text too.
_TEXT = frozenset(
    extension
    for kind in ("text", "code", "structured", "notebook", "web")
    for extension in TABLE[kind].split()
    if extension not in ("plist", "wasm")
) | {"csv", "tsv", "tab", "psv"}
_TEXT_TOO = _words(
    "plist por svg ppm pgm pbm xbm xpm pdb mol sdf cif fasta fastq vcf mat fits fit pkl pickle "
    "geojson topojson prj kml gpx osm pdf rtf ps eps eml xls doc"
)
# Formats made of another one (zip, gzip, SQLite, HDF5, OLE...), so that their signature proves nothing.
_MADE_OF_ANOTHER = _words(
    "npz pt pth ckpt joblib h5ad nc nc4 cdf mat rds rda rdata root xls xlsx xlsm xlsb ods doc docx odt ppt "
    "pptx odp epub pages key numbers msg kmz gpkg mbtiles whl jar deb rpm db db3 m4a mov heic heif avif wma"
)
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, Zstandard
_SURE_OF_TEXT = 0.4  # puremagic's confidence grows by 0.1 with each byte of signature: four bytes, for a text
_SURE_OF_LIE = 0.3  # three bytes, against a known extension
_CONTROLS = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")  # logs have bells, backspaces, colours


def file_type(filename: str, head: bytes | None = None) -> str:
    """The category of TABLE that a file belongs to, else "other"; `head` is its first kilobytes."""
    extension, declared = _declared(filename)
    if not head:
        return declared
    if _is_text(head):
        if extension in _TEXT or extension in _TEXT_TOO:
            return declared
        if head.startswith(b"#!"):
            return "code"
        return next(iter(_signed(head, _SURE_OF_TEXT)), "text")
    if declared == "other":
        return next(iter(_signed(head, 0)), declared)
    if extension in _TEXT and head.startswith(_PACKED):  # it is unpacked when it is loaded
        return declared
    seen = _signed(head, _SURE_OF_LIE)
    if not seen or extension in _MADE_OF_ANOTHER or (extension in COMPRESSED and seen[0] == "archive"):
        return declared
    return declared if declared in seen and extension not in _TEXT else seen[0]


def _declared(filename: str) -> tuple[str, str]:
    """The extension that counts, and its kind."""
    suffixes = [suffix[1:].lower() for suffix in PurePosixPath(filename).suffixes[-2:]]
    extension = suffixes[-1] if suffixes else ""
    kind = BY_EXTENSION.get(extension, "other")
    inner = BY_EXTENSION.get(suffixes[0], "archive") if extension in COMPRESSED else kind
    return extension, inner


def _is_text(head: bytes) -> bool:
    """Whether the bytes read as text; the last character may be cut."""
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = codecs.getincrementaldecoder("utf-16" if wide else "utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not _CONTROLS.search(text)


def _signed(head: bytes, sure: float) -> list[str]:
    """The kinds whose signatures the bytes have, the likeliest first; an archive comes before its equals."""
    try:
        matches = puremagic.magic_string(head)
    except Exception:  # noqa: BLE001  hostile bytes may break the parser: then they have no signature
        return []
    known = [
        (match.confidence, BY_EXTENSION[extension])
        for match in matches
        if match.confidence >= sure
        and (extension := match.extension.rpartition(".")[2].lower()) in BY_EXTENSION
    ]
    known.sort(key=lambda found: (-found[0], found[1] != "archive"))
    return list(dict.fromkeys(kind for _, kind in known))
