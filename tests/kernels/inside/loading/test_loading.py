"""A collection of files as other programs write them: what each is loaded as, and that all readers agree."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from filestore.filetypes import file_type
from tests.conftest import KERNEL_PYTHON, ROOT

GERMAN = {"columns": ["Name", "Preis", "Menge"], "data": [["\u00c4pfel", 1.5, 3], ["Birnen", 1234.0, 4]]}
MARKS = '";" between columns and commas before decimals'
FRAME = {"columns": ["a", "b"], "data": [[1.0, "x"], [2.0, "\u00e9"]]}
ONE_ROW = {"columns": ["a", "b"], "data": [[1, 2]]}
# What an object of each type may be called in a list of files.
TYPES = {
    "DataFrame": {"data", "structured", "text", "archive", "other", "scientific"},
    "Image": {"image"},
    "str": {"text", "code", "web", "structured", "scientific", "geospatial", "document", "data"},
    "Connection": {"database", "geospatial"},
    "dict": {"structured", "scientific", "geospatial", "notebook"},
    "ndarray": {"scientific"},
    "netcdf_file": {"scientific"},
    "bytes": {"archive", "web", "database", "other", "text"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collection lies."""
    return tmp_path_factory.mktemp("collection") / "files"


@pytest.fixture(scope="module")
def collection(folder: Path) -> dict[str, Any]:
    """What the readers have said about each file."""
    folder.mkdir()
    program = Path(__file__).with_name("collection_program.py")
    done = subprocess.run(
        [KERNEL_PYTHON, program, ROOT / "kernels", folder],
        check=False,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def options(collection: dict[str, Any]) -> dict[str, Any]:
    """What the readers have made of options."""
    told: dict[str, Any] = collection["options"]
    return told


@pytest.fixture(scope="module")
def files(collection: dict[str, Any]) -> dict[str, Any]:
    """What the readers have said about files alone."""
    return {name: entry for name, entry in collection.items() if name != "options"}


def test_an_option_is_taken_at_its_word_or_refused(options: dict[str, Any]) -> None:
    """What it specifies is not guessed, any text can be a table, and an option no reader has is named."""
    assert options["table"] == ["DataFrame", {"columns": ["a", "b"], "data": [[1.5, 2]]}]
    assert options["as told"][1]["columns"] == ["Name", "Preis", "Menge"]
    assert options["as told"][1]["data"][0] == ["\u00c3\u0084pfel", "1,50", 3]
    assert options["pieces"] == "TextFileReader"
    assert options["x.toml"] == "could not be read as toml: TypeError: there is no option sep"
    assert "nonsense" in options["x.csv"]


def first_line(kind: str, content: Any) -> tuple[str, ...]:
    """How an object's card may begin; "" stands for a card with nothing but type and size."""
    match kind:
        case "NotLoaded":
            return ("empty",) if content == "is empty" else (content[:200],)
        case "DataFrame":
            rows, columns = len(content["data"]), len(content["columns"])
            return (f"table, {rows} row{'s'[rows == 1 :]} x {columns} column{'s'[columns == 1 :]}",)
        case "Image":
            return (f"picture, {content[0]} x {content[1]} pixels",)
        case "str":
            return ("text, " if content else "empty",)
        case "ndarray":
            return (f"array, shape {tuple(content)}",)
        case "dict":
            return (f"object with {len(content)} key", "notebook, ", f"{len(content)} array")
    others = {"Connection": ("database, 1 table",), "netcdf_file": ("data set, 1 variable",)}
    return others.get(kind, ("archive, ", ""))


def test_card_load_file_list_and_bundle_agree(files: dict[str, Any], folder: Path) -> None:
    """The card says what `load_file` gives and what was assumed; a bundle gives the same."""
    for name, entry in files.items():
        kind, content = entry["loaded"]
        first, *rest = entry["card"].split("\n")
        begins = first_line(kind, content)
        assert first.startswith(begins) if "" not in begins else first.startswith(begins[:1]) or not first, (
            name
        )
        assert entry["told"] == (rest[0] if entry["told"] else ""), (name, entry)
        if kind == "NotLoaded":
            assert content in entry["bundled"][1]
        else:
            assert entry["bundled"] == entry["loaded"], name
            listed = file_type(name, (folder / name).read_bytes()[:4096])
            assert listed in TYPES[kind], (name, kind, listed)


@pytest.mark.parametrize(
    ("name", "expected", "assumed"),
    [
        *((f"german-{one}.csv", GERMAN, f"read with {MARKS};") for one in ("utf-8", "utf-8-sig", "utf-16")),
        *((f"german-{one}.csv", GERMAN, f"encoding {one}, {MARKS}") for one in ("utf-16-le", "cp1252")),
        *((name, GERMAN, MARKS) for name in ("packed.csv.gz", "packed.csv.zip", "one.zip", "gzipped.csv")),
        ("excel.csv", ONE_ROW, ""),
        ("tabs.csv", ONE_ROW, "tabs between columns"),
        ("pipes.csv", ONE_ROW, '"|" between columns'),
        ("commas.tsv", ONE_ROW, '"," between columns'),
        *((name, ONE_ROW, "") for name in ("pipes.psv", "packed.psv.bz2", "packed.tsv.xz")),
        ("tabs.tsv", {"columns": ["a", "b"], "data": [[1.5, 2]]}, "commas before decimals"),
        ("one.csv", {"columns": ["Preis"], "data": [[1.5], [2.5]]}, "commas before decimals"),
        ("quoted.csv", {"columns": ["a", "b"], "data": [["x; y", "1,500"], ["z; w", "2,500"]]}, ""),
        (
            "dates.csv",
            {"columns": ["Tag", "Wert"], "data": [["01.02.2024", 1.5], ["03.04.2024", 2.5]]},
            "decimal=...",
        ),
        ("r.csv", {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}, "the first column is the index"),
        (
            "r2.csv",
            {"columns": ["a", "b"], "data": [[1234.5, 2], [None, 3]]},
            "the first column is the index",
        ),
        ("header.csv", {"columns": ["a", "b", "c"], "data": []}, '";" between columns'),
        ("table.txt", {"columns": ["city", "people"], "data": [["Oslo", 0.7], ["Lima", 10.1]]}, "raw=True"),
        ("table.dat", {"columns": ["x", "y"], "data": [[1, 2]]}, "raw=True"),
        ("cp1251.csv", {"columns": ["имя", "город"], "data": [["Иван", "Москва"]]}, "encoding cp1251"),
        ("gbk.csv", {"columns": ["产品", "价格"], "data": [["苹果", 1.5]]}, "encoding gb18030"),
        ("shift_jis.csv", {"columns": ["名前", "年齢"], "data": [["太郎", 30]]}, "encoding cp932"),
        ("cp949.csv", {"columns": ["이름", "나이"], "data": [["김철수", 30]]}, "encoding cp949"),
        ("cp1252.csv", {"columns": ["Zitat", "Preis"], "data": [["“gut”", "3 €"]]}, "encoding cp1252"),
        ("sheets.xlsx", {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}, '"Empty", "Data"'),
        ("wrong.xlsx", {"columns": ["a", "b"], "data": [[1.5, 2]]}, "a table of text, not a workbook"),
        ("page.xls", {"columns": ["Name", "Preis"], "data": [["a", 1.5]]}, "an HTML page"),
        ("several.json", {"columns": ["a"], "data": [[1], [2], [3]]}, "3 JSON values"),
        ("pretty.jsonl", {"columns": ["a"], "data": [[1], [2]]}, ""),
        *((f"table.{kind}", FRAME, "") for kind in ("avro", "parquet", "feather", "orc", "dta", "sav")),
        *((name, FRAME, "") for name in ("set.sas7bdat", "v5.xpt", "v8.xpt", "stream.arrow", "nameless")),
    ],
)
def test_a_table_is_read_as_it_was_meant(
    collection: dict[str, Any], name: str, expected: object, assumed: str
) -> None:
    """Encoding, separators and kind are found; each guess is stated with the option that changes it."""
    entry = collection[name]
    assert entry["loaded"] == ["DataFrame", expected]
    assert assumed in entry["told"]
    assert bool(entry["told"]) == bool(assumed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cp1251.md", "имя,город\nИван,Москва\n"),
        ("gbk.md", "产品;价格\n苹果;1,50\n"),
        ("shift_jis.md", "名前,年齢\n太郎,30\n"),
        ("cp949.md", "이름,나이\n김철수,30\n"),
        ("cp1252.md", "Zitat,Preis\n“gut”,3 €\n"),
        ("page.html", '<meta charset="koi8-r"><p>слово'),
        ("cookie.py", "# coding: cp1251\nx = 'с'\n"),
        ("words.txt", "Hello, world\nand more, too\n"),
        *((f"packed.txt.{packed}", "some words\n") for packed in ("zst", "lz4")),
    ],
)
def test_a_text_is_read_in_its_encoding(collection: dict[str, Any], name: str, expected: str) -> None:
    """Whether the file declares it or it has to be found."""
    assert collection[name]["loaded"] == ["str", expected]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("old.xls", "save it as .xlsx or .csv"),
        ("book.xlsb", "save it as .xlsx or .csv"),
        ("sheet.ods", "save it as .xlsx or .csv"),
        ("locked.xlsx", "save it without one"),
        ("words.xlsx", "it is text, not a workbook"),
        ("deep.h5", "save it as .csv, .parquet or .npz"),
        ("deep.nc", "save it as .csv, .parquet or .npz"),
        ("v73.mat", "save it with '-v7'"),
        ("r.rds", "save it in R with write.csv()"),
        ("empty.csv", "is empty"),
        ("words.png", "it is not a picture in a known format"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(collection: dict[str, Any], name: str, sentence: str) -> None:
    """A sentence that can be followed, and no library that nobody can install."""
    kind, text = collection[name]["loaded"]
    assert kind == "NotLoaded"
    assert sentence in text
    assert "optional dependency" not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("turned.jpg", ["Image", [16, 32]]),
        ("picture.csv", ["Image", [32, 16]]),
        ("picture.heic", ["Image", [32, 16]]),
        ("module.wasm", ["bytes", 108]),
        ("binary.dat", ["bytes", 256]),
        ("list.plist", ["dict", ["a"]]),
        ("map.topojson", ["dict", ["type"]]),
        ("log.db", ["Connection", 1]),
        ("map.gpkg", ["Connection", 1]),
        ("empty.txt", ["str", ""]),
    ],
)
def test_other_files_are_what_they_are(collection: dict[str, Any], name: str, expected: object) -> None:
    """Whatever the name says; a picture is turned the way the camera was held."""
    assert collection[name]["loaded"] == expected


def test_cards_count_everything(collection: dict[str, Any]) -> None:
    """All entries of an archive with their bytes, and the cells of a notebook in any format."""
    assert collection["many.zip"]["card"].startswith("archive, 7,000 entries, 7,000 B unpacked")
    assert collection["old.ipynb"]["card"] == "notebook, 1 cell: 1 code"
