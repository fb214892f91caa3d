"""`load_file`, `file_path` and `list_files` over a folder, for a notebook that runs somewhere else.

    from kernelcord_files import file_path, list_files, load_file

In a bundle this is `kernelcord_files/__init__.py`, beside `files.json`, which lists the files by their ids.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .characters import one_line
from .loading import load

FOLDER = Path(__file__).resolve().parent.parent


def load_file(id_or_name: str, *, raw: bool = False, **options: Any) -> Any:
    """Load a file of this folder as its natural object, by its id or its name; `raw=True` gives bytes."""
    path, name = _find(id_or_name)
    data = path.read_bytes()
    if raw:
        return data
    loaded = load(data, name, options)
    if told := loaded.told(f"load_file({id_or_name!r})"):
        print(f"[{one_line(name)}: {told}]", file=sys.stderr)
    return loaded.value


def file_path(id_or_name: str) -> str:
    """The path of a file of this folder, by its id or its name."""
    return str(_find(id_or_name)[0])


def list_files() -> Any:
    """The files of this folder, newest first, as a table."""
    import pandas as pd

    rows = [[entry[key] for key in ("file_id", "filename", "type", "size")] for entry in _index()]
    return pd.DataFrame(rows, columns=["id", "name", "type", "size"])


def _index() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((FOLDER / "files.json").read_text("utf-8"))
    return entries


def _find(wanted: str) -> tuple[Path, str]:
    """A file's path and name: by its id, as a file that is there now, or by its name in the index."""
    entries = _index()
    for entry in entries:
        if entry["file_id"] == wanted.lower():
            return FOLDER / entry["path"], entry["filename"]
    for path in (Path(wanted), FOLDER / wanted):  # as a cell has just written it, or as it came in the bundle
        if path.is_file():
            return path, path.name
    for entry in entries:
        if entry["filename"] == wanted:
            return FOLDER / entry["path"], entry["filename"]
    raise FileNotFoundError(f"no file {one_line(wanted)}: it is not in this folder")
