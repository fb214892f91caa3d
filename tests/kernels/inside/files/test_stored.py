"""`load_file`, `file_path` and `list_files` in the kernels' own Python, over a real broker."""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kernels.broker import Broker, FileRow, FileUnavailable, Opened
from kernels.inside.files import stored as inside_files

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[3]
PYTHON = REPOSITORY / ".venv-kernels" / "bin" / "python"
TYPES = {"txt": "text", "py": "code", "html": "web", "png": "image"}

FRAME = ["DataFrame", {"a": [1, 2], "b": ["x", "\u00e9"]}]
PICTURE = ["Image", [3, 2]]


class Folder:
    """A person's files: those of a folder, each under its own name as its id."""

    def __init__(self, stored: Path) -> None:
        self._stored = stored

    async def open(self, wanted: str) -> Opened:
        path = self._stored / wanted
        if not path.is_file():
            raise FileUnavailable.absent(wanted)
        file_type = TYPES.get(path.suffix[1:], "other")
        return Opened(wanted, wanted, file_type, path.stat().st_size, path.open("rb"))

    async def place(self, wanted: str) -> str:
        return f"placed-{wanted}"

    async def list(self) -> Sequence[FileRow]:
        now = datetime.now(UTC)
        left = timedelta(hours=47, minutes=12, seconds=30)
        return [
            FileRow("k7m3", "data.csv", "data", 1536, "uploaded", now.isoformat(), (now + left).isoformat())
        ]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `stored_program.py` printed; it is run once, in a workspace of its own."""

    async def run() -> dict[str, Any]:
        stored, workspace = tmp_path_factory.mktemp("stored"), tmp_path_factory.mktemp("workspace")
        async with Broker(Folder(stored)) as broker:
            requests = broker.request_socket.fileno()
            arguments = [
                str(HERE / "stored_program.py"),
                str(REPOSITORY / "kernels"),
                str(requests),
                str(stored),
            ]
            program = await asyncio.create_subprocess_exec(
                str(PYTHON),
                *arguments,
                cwd=workspace,
                env={"HOME": str(workspace), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=[requests],
            )
            output, errors = await program.communicate()
        assert program.returncode == 0, errors.decode()
        printed: dict[str, Any] = json.loads(output)
        return printed | {"workspace": str(workspace), "left": os.listdir(workspace)}

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((f"{name}.csv", FRAME) for name in ("utf8", "sig", "utf16", "latin")),
        *((f"{name}.txt", ["str", "\u00e9"]) for name in ("utf8", "sig", "utf16", "latin")),
        *((f"packed.csv.{packed}", FRAME) for packed in ("gz", "bz2", "xz")),
        *((f"table.{kind}", FRAME) for kind in ("parquet", "feather", "orc", "dta")),
        ("table.sav", ["DataFrame", {"a": [1.0, 2.0], "b": ["x", "\u00e9"]}]),
        ("table.xpt", ["DataFrame", {"a": [1.0, 2.0]}]),
        *((name, FRAME) for name in ("tabs.tsv", "book.xlsx", "records.json", "lines.jsonl", "frame.pkl")),
        ("mixed.jsonl", ["list", [1, {"a": 2}]]),
        ("object.json", ["dict", {"a": ["list", [1, 2]]}]),
        ("list.json", ["list", [1, 2]]),
        ("config.yaml", ["dict", {"a": ["list", [1, 2]]}]),
        ("many.yml", ["list", [{"a": 1}, {"b": 2}]]),
        ("config.toml", ["dict", {"a": ["int", 1]}]),
        ("array.npy", ["ndarray", [0, 1, 2]]),
        ("arrays.npz", ["dict", {"one": ["ndarray", [0, 1]], "two": ["ndarray", [0, 1, 2]]}]),
        ("matrix.mat", ["dict", {"m": ["ndarray", [0, 1, 2]]}]),
        ("object.pkl", ["dict", {"a": ["set", [1, 2]]}]),
        *((name, ["dict", {"a": ["ndarray", [0, 1, 2]]}]) for name in ("model.joblib", "joblib.pkl")),
        *((f"picture.{kind}", PICTURE) for kind in ("png", "jpg", "gif", "webp", "bmp", "tiff")),
        *((name, ["Connection", [1, 2]]) for name in ("plain.sqlite", "wal.db")),
        ("other.db", ["bytes", "no sqlite"]),
        ("page.html", ["str", "<p>"]),
        ("program.py", ["str", "x = 1"]),
        ("data.bin", ["bytes", "\x00\x01"]),
        ("archive.tar.gz", ["bytes", "\x1f\x8b"]),
    ],
)
def test_a_file_loads_as_its_natural_object(results: dict[str, Any], name: str, expected: object) -> None:
    """Each kind loads as what a person would have made of it, in any usual encoding."""
    assert results["loaded"][name] == expected


def test_options_reach_the_reader(results: dict[str, Any]) -> None:
    """A separator, a sheet, an orientation: `load_file` takes whatever the reader takes."""
    assert results["semicolon"] == FRAME
    assert results["sheet"] == ["DataFrame", {"c": [1, 2], "b": ["x", "\u00e9"]}]
    assert results["json option"] == FRAME


def test_raw_gives_the_bytes(results: dict[str, Any]) -> None:
    """Bytes are available even for files that no reader understands."""
    assert results["raw"] == ["bytes", "no parquet"]


@pytest.mark.parametrize("name", ["broken.parquet", "broken.png"])
def test_a_reader_that_fails_says_what_was_tried(results: dict[str, Any], name: str) -> None:
    """The error names the file, the kind it was read as, and how to get its bytes."""
    kind, text = results["loaded"][name]
    assert kind == "ValueError"
    assert text.startswith(f"{name} could not be read as {name.partition('.')[2]}: ")
    assert text.endswith(f"(load_file('{name}', raw=True) gives its bytes)")


def test_wrong_arguments_read_well(results: dict[str, Any]) -> None:
    """An unknown option or an unknown name gets a readable sentence."""
    assert results["bad option"][0] == "ValueError"
    assert "nonsense" in results["bad option"][1]
    assert results["not a name"] == ["TypeError", "a file is named by its id or its name, a str, not int"]


def test_a_placed_file_has_a_path_in_the_workspace(results: dict[str, Any]) -> None:
    """`file_path` asks the service to place the file, and knows where the workspace is."""
    assert results["path"] == f"{results['workspace']}/placed-utf8.csv"


def test_loading_leaves_nothing_in_the_workspace(results: dict[str, Any]) -> None:
    """Loading goes through memory: no file is left that capture would announce, and no descriptor."""
    assert [name for name in results["left"] if not name.startswith(".")] == []
    assert results["leaked"] == 0


def test_list_files_is_a_table_for_people(results: dict[str, Any]) -> None:
    """Sizes and times are as a person reads them."""
    listed = results["listed"]
    assert list(listed) == ["id", "name", "type", "size", "created", "time left"]
    assert (listed["id"], listed["size"], listed["time left"]) == (["k7m3"], ["1.5 KB"], ["47 h 12 min"])


def test_the_functions_are_no_names_of_the_person(results: dict[str, Any]) -> None:
    """`%who` does not show them, and `%reset` does not remove them."""
    assert results["cells"]["%who"] == "Interactive namespace is empty.\n"
    assert "k7m3" in results["cells"]["list_files()"]


def test_installing_is_light(results: dict[str, Any]) -> None:
    """A kernel that loads no file imports no library for this."""
    assert results["light"]


@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("load_file('absent')", "FileNotFoundError: no file absent: it expired, or is not yours"),
        ("load_file('broken.parquet')", "ValueError: broken.parquet could not be read as parquet: "),
    ],
)
def test_a_traceback_is_the_persons_line_and_the_sentence(
    results: dict[str, Any], code: str, last: str
) -> None:
    """At most one frame of our own code shows, and none of a library's."""
    traceback = results["cells"][code]
    assert traceback.strip().splitlines()[-1].startswith(last)
    assert traceback.count("inside/files/stored.py") == 1
    assert "site-packages" not in traceback
    assert "During handling" not in traceback


def test_a_name_of_several_lines_is_one_in_what_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file name cannot add a line to what was assumed or to an error."""
    (tmp_path / "x\ny\x1b[2J.txt").write_bytes(b"caf\xe9 au lait, tr\xe8s bon\n")
    (tmp_path / "x\nempty.csv").write_bytes(b"")
    ours, theirs = socket.socketpair()
    files = inside_files._StoredFiles(theirs.detach(), str(tmp_path))
    with ours, files._request_socket:
        assert files.load_file("x\ny\x1b[2J.txt").startswith("caf\u00e9")
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("[x_y_[2J.txt: read with the encoding ")
        said = r"^x_empty\.csv is empty \(load_file\('x\\nempty\.csv', raw=True\)"
        with pytest.raises(ValueError, match=said):
            files.load_file("x\nempty.csv")


@pytest.mark.parametrize(
    ("answer", "kind", "number"),
    [
        ({"missing": True}, FileNotFoundError, None),
        ({"missing": False}, OSError, None),
        ({"missing": False, "errno": errno.EDQUOT}, OSError, errno.EDQUOT),
        ({"missing": False, "errno": errno.ENOSPC}, OSError, errno.ENOSPC),
    ],
)
def test_what_is_refused_is_the_error_that_programs_expect(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], kind: type[OSError], number: int | None
) -> None:
    """Only a file that is not there is not found."""
    told = json.dumps({"ok": False, "message": "the sentence"} | answer).encode()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        files = inside_files._StoredFiles(os.dup(ours.fileno()), "/")
        monkeypatch.setattr(files, "_exchange", lambda _request: (told, b""))
        with pytest.raises(kind, match="the sentence") as refused:
            files.file_path("k7m3q9x2va")
        files._request_socket.close()
    assert (type(refused.value), refused.value.errno) == (kind, number)
