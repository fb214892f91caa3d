"""Run by the kernels' own Python: files as other programs write them, and what our readers say of each.

    python collection_program.py KERNELS_FOLDER FOLDER

Writes the collection into FOLDER. One JSON line: {file name: {"loaded": [type, content], "told": ...,
"card": ..., "bundled": [type, content]}}. The card is made in a process of its own, as `errands` does it.
"""

import bz2
import ctypes
import gzip
import io
import json
import lzma
import os
import plistlib
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

KERNELS, FOLDER = sys.argv[1], Path(sys.argv[2])
sys.path.insert(0, KERNELS)
sys.path.insert(1, str(FOLDER.parent))

import numpy as np  # noqa: E402
import openpyxl  # noqa: E402
import pandas as pd  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyreadstat  # noqa: E402
import scipy.io  # noqa: E402
from inside.loading import NotLoaded, load  # noqa: E402
from PIL import Image  # noqa: E402

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "\u00e9"]})
GERMAN = "Name;Preis;Menge\n\u00c4pfel;1,50;3\nBirnen;1.234,00;4\n"
SCRIPTS = {
    "cp1251": "имя,город\nИван,Москва\n",
    "gbk": "\u4ea7\u54c1;\u4ef7\u683c\n\u82f9\u679c;1,50\n",
    "shift_jis": "\u540d\u524d,\u5e74\u9f62\n\u592a\u90ce,30\n",
    "cp949": "\uc774\ub984,\ub098\uc774\n\uae40\ucca0\uc218,30\n",
    "cp1252": "Zitat,Preis\n\u201cgut\u201d,3 \u20ac\n",
}
PAGE = (
    "<html><body><table><tr><th>Name</th><th>Preis</th></tr>"
    "<tr><td>a</td><td>1,50</td></tr></table></body></html>"
)


def texts():
    """Tables and other texts, by name."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"):
        yield f"german-{encoding}.csv", GERMAN.encode(encoding)
    for encoding, text in SCRIPTS.items():
        yield f"{encoding}.csv", text.encode(encoding)
        yield f"{encoding}.md", text.encode(encoding)
    yield "excel.csv", b"sep=;\r\na;b\r\n1;2\r\n"
    yield "tabs.csv", b"a\tb\n1\t2\n"
    yield "commas.tsv", b"a,b\n1,2\n"
    yield "tabs.tsv", b"a\tb\n1,5\t2\n"
    yield "pipes.psv", b"a|b\n1|2\n"
    yield "pipes.csv", b"a|b\n1|2\n"
    yield "quoted.csv", b'a,b\n"x; y","1,500"\n"z; w","2,500"\n'
    yield "dates.csv", b"Tag;Wert\n01.02.2024;1,5\n03.04.2024;2,5\n"
    yield "one.csv", b"Preis\n1,50\n2,50\n"
    yield "r.csv", b'"a","b"\n"1",1,2\n"2",3,4\n'
    yield "r2.csv", b"a;b\nx;1.234,5;2\nx;;3\n"
    yield "header.csv", b"a;b;c\n"
    yield "table.txt", b"city\tpeople\nOslo\t0.7\nLima\t10.1\n"
    yield "words.txt", b"Hello, world\nand more, too\n"
    yield "table.dat", b"x;y\n1;2\n"
    yield "binary.dat", bytes(range(256))
    yield "page.html", '<meta charset="koi8-r"><p>\u0441\u043b\u043e\u0432\u043e'.encode("koi8-r")
    yield "cookie.py", "# coding: cp1251\nx = '\u0441'\n".encode("cp1251")
    yield "several.json", b'{"a": 1}\n{"a": 2}{"a": 3}'
    yield "marked.json", b'\xef\xbb\xbf{"a": 1}'
    yield "pretty.jsonl", b'{\n "a": 1\n}\n{\n "a": 2\n}\n'
    yield "map.topojson", b'{"type": "Topology"}'
    yield (
        "old.ipynb",
        json.dumps({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code"}]}]}).encode(),
    )
    yield "list.plist", plistlib.dumps({"a": 1}, fmt=plistlib.FMT_BINARY)
    for kind in ("graphml", "fasta", "vcf", "env", "properties", "eml", "rtf", "ps", "json5", "gml", "osm"):
        yield f"words.{kind}", b"some words\n"
    yield "empty.csv", b""
    yield "empty.txt", b""


def packed():
    """What is packed as a whole."""
    text = GERMAN.encode()
    yield "packed.csv.gz", gzip.compress(text)
    yield "packed.psv.bz2", bz2.compress(b"a|b\n1|2\n")
    yield "packed.tsv.xz", lzma.compress(b"a\tb\n1\t2\n")
    for codec, ending in (("zstd", "zst"), ("lz4", "lz4")):
        with pa.CompressedOutputStream(FOLDER / f"packed.txt.{ending}", codec) as stream:
            stream.write(b"some words\n")
    yield "gzipped.csv", gzip.compress(text)
    for name, files in (
        ("one.zip", ["data.csv", "__MACOSX/._data.csv"]),
        ("packed.csv.zip", ["inner.csv"]),
        ("two.zip", ["a.csv", "b.csv"]),
        ("many.zip", [f"{number}.txt" for number in range(7000)]),
    ):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for file in files:
                archive.writestr(file, text if file.endswith(".csv") else b"x")
        yield name, stream.getvalue()


def workbooks():
    """Spreadsheets, and what is named like them."""
    book = openpyxl.Workbook()
    book.active.title = "Empty"
    sheet = book.create_sheet("Data")
    for row in (["a", "b"], [1, "x"], [2, "y"]):
        sheet.append(row)
    book.save(FOLDER / "sheets.xlsx")
    FRAME.to_excel(FOLDER / "single.xlsx", index=False, engine="xlsxwriter")
    yield "wrong.xlsx", b"a;b\n1,5;2\n"
    yield "words.xlsx", b"just words\n"
    yield "page.xls", PAGE.encode()
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    yield "old.xls", ole
    yield "locked.xlsx", ole + "EncryptedPackage".encode("utf-16-le")
    for name, entry, content in (
        ("sheet.ods", "mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("book.xlsb", "xl/workbook.bin", b"x"),
    ):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(entry, content)
        yield name, stream.getvalue()


def sas7bdat():
    """A data set of SAS by ReadStat's own writer, which pyreadstat has and does not offer."""
    library = ctypes.CDLL(
        next(str(path) for path in Path(pyreadstat.__file__).parent.glob("_readstat_writer*.so"))
    )
    pointer, written = ctypes.c_void_p, bytearray()
    for name in ("readstat_writer_init", "readstat_add_variable"):
        getattr(library, name).restype = pointer

    @ctypes.CFUNCTYPE(ctypes.c_ssize_t, pointer, ctypes.c_size_t, pointer)
    def write(data, length, _context):
        written.extend(ctypes.string_at(data, length))
        return length

    writer = pointer(library.readstat_writer_init())
    library.readstat_set_data_writer(writer, write)
    number, string = 5, 0  # READSTAT_TYPE_DOUBLE, READSTAT_TYPE_STRING
    library.readstat_add_variable.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t]
    library.readstat_insert_double_value.argtypes = [pointer, pointer, ctypes.c_double]
    a = pointer(library.readstat_add_variable(writer, b"a", number, 8))
    b = pointer(library.readstat_add_variable(writer, b"b", string, 8))
    library.readstat_begin_writing_sas7bdat(writer, None, ctypes.c_long(len(FRAME)))
    for one, other in FRAME.itertuples(index=False):
        library.readstat_begin_row(writer)
        library.readstat_insert_double_value(writer, a, one)
        library.readstat_insert_string_value(writer, b, other.encode())
        library.readstat_end_row(writer)
    library.readstat_end_writing(writer)
    return bytes(written)


def binaries():
    """Other binary files."""
    yield "set.sas7bdat", sas7bdat()
    for version in (5, 8):
        pyreadstat.write_xport(FRAME, FOLDER / f"v{version}.xpt", file_format_version=version)
    pyreadstat.write_sav(FRAME, FOLDER / "table.sav")
    pyreadstat.write_por(FRAME.replace("\u00e9", "e"), FOLDER / "table.por")
    FRAME.to_stata(FOLDER / "table.dta", write_index=False, version=118)
    rows = pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "\u00e9"]})
    rows.write_avro(FOLDER / "table.avro")
    rows.write_parquet(FOLDER / "table.parquet")
    rows.write_ipc(FOLDER / "table.feather")
    rows.write_ipc_stream(FOLDER / "stream.arrow")
    FRAME.to_orc(FOLDER / "table.orc")
    np.save(FOLDER / "array.npy", np.arange(6).reshape(2, 3))
    np.savez(FOLDER / "arrays.npz", one=np.arange(2), two=np.arange(3))
    scipy.io.savemat(FOLDER / "matrix.mat", {"m": np.arange(3)})
    with scipy.io.netcdf_file(FOLDER / "grid.nc", "w") as grid:
        grid.createDimension("x", 2)
        grid.createVariable("t", "f4", ("x",))[:] = [1.0, 2.0]
    for kind in ("png", "jpg", "gif", "webp", "bmp", "tiff", "ico", "ppm", "avif", "jp2"):
        Image.new("RGB", (32, 16)).save(FOLDER / f"picture.{kind}")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: https://exiftool.org/TagNames/EXIF.html
    Image.new("RGB", (32, 16)).save(FOLDER / "turned.jpg", exif=exif)
    shutil.copy(FOLDER / "picture.png", FOLDER / "picture.csv")
    shutil.copy(FOLDER / "picture.jpg", FOLDER / "picture.heic")
    shutil.copy(FOLDER / "table.parquet", FOLDER / "nameless")
    for name, mode in (("plain.db3", "delete"), ("log.db", "wal"), ("map.gpkg", "delete")):
        with sqlite3.connect(FOLDER / name) as base:
            base.execute(f"pragma journal_mode={mode}")
            base.execute("create table t (a)")
            base.execute("insert into t values (1)")
        base.close()
    yield "other.db", b"no sqlite"
    yield "deep.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)
    yield "deep.nc", b"\x89HDF\r\n\x1a\n" + bytes(100)
    yield "v73.mat", b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n"
    yield "r.rds", bytes(range(250))
    yield "module.wasm", b"\0asm\1\0\0\0" + bytes(100)
    yield "words.png", b"no picture"
    yield "broken.parquet", b"no parquet"


def described(value):
    """The type of a loaded object, and its content as JSON has it."""
    kind = type(value).__name__
    match value:
        case pd.DataFrame():
            return [kind, json.loads(value.to_json(orient="split", index=False))]
        case np.ndarray():
            return [kind, list(value.shape)]
        case Image.Image():
            return ["Image", list(value.size)]
        case sqlite3.Connection():
            return [kind, value.execute("select count(*) from t").fetchone()[0]]
        case bytes():
            return [kind, len(value)]
        case dict():
            return [kind, sorted(map(str, value))]
    return [kind, value if isinstance(value, str | list) else ""]


def loaded(path):
    """What the reader gives, and what it tells; or its error."""
    try:
        found = load(path.read_bytes(), path.name)
    except NotLoaded as problem:
        return ["NotLoaded", str(problem)], ""
    return described(found.value), found.told(f"load_file({path.name!r})")


def bundled(path):
    """What a bundle's `load_file` gives."""
    import kernelcord_files

    try:
        return described(kernelcord_files.load_file(kernelcord_files.file_path(path.name)))
    except Exception as problem:  # noqa: BLE001  the test compares its text
        return ["NotLoaded", str(problem)]


def bundle(names):
    """The folder of a bundle: what `bot/notebooks/bundle.py` packs beside the files."""
    package = FOLDER.parent / "kernelcord_files"
    shutil.copytree(Path(KERNELS, "inside", "loading"), package / "loading")
    shutil.copy(Path(KERNELS, "inside", "bundled.py"), package / "__init__.py")
    shutil.copy(Path(KERNELS, "inside", "characters.py"), package)
    index = [
        {"file_id": name, "filename": name, "type": "", "path": f"{FOLDER.name}/{name}"} for name in names
    ]
    (FOLDER.parent / "files.json").write_text(json.dumps(index))


def cards(names):
    """The cards, from a process whose audit hook stays its own."""
    program = (
        "import json, sys; from inside.scratch import cards\n"
        "tasks = json.load(sys.stdin)\n"
        "print(json.dumps({task['filename']: cards.answer(task)['text/card'] for task in tasks}))"
    )
    tasks = [{"path": str(FOLDER / name), "filename": name, "file_id": name} for name in names]
    told = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(tasks),
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "PYTHONPATH": KERNELS},
    )
    return json.loads(told.stdout)


for source in (texts, packed, workbooks, binaries):
    for file, content in source():
        (FOLDER / file).write_bytes(content)
everything = sorted(os.listdir(FOLDER))
bundle(everything)
told_by_cards = cards(everything)
results = {}
for file in everything:
    value, told = loaded(FOLDER / file)
    results[file] = {
        "loaded": value,
        "told": told,
        "card": told_by_cards[file],
        "bundled": bundled(FOLDER / file),
    }
results["options"] = {
    "table": described(load(b"a;b\n1,5;2\n", "x.log", {"sep": ";"}).value),
    "as told": described(load(GERMAN.encode(), "x.csv", {"decimal": ".", "encoding": "latin-1"}).value),
    "pieces": type(load(GERMAN.encode(), "x.csv", {"chunksize": 1}).value).__name__,
}
for name, options in (("x.toml", {"sep": ";"}), ("x.csv", {"nonsense": 1})):
    try:
        load(b"a = 1", name, options)
    except NotLoaded as problem:
        results["options"][name] = str(problem)
print(json.dumps(results))
