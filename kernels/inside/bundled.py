"""`load_file`, `file_path` and `list_files` over a folder, for a notebook that was taken away.

    from kernelcord_files import file_path, list_files, load_file

Stands in the bundle as `kernelcord_files/__init__.py`, beside `files.json`, which names the files by their
ids.
"""

import json
from pathlib import Path
from typing import Any

from . import loaders

FOLDER = Path(__file__).resolve().parent.parent


def load_file(id_or_name: str, *, raw: bool = False, **options: Any) -> Any:
    """Load a file as its natural object, by its id or its name; `raw=True` gives bytes."""
    entry = _find(id_or_name)
    data = Path(entry["path"]).read_bytes()
    return data if raw else loaders.load(data, entry["filename"], entry["type"], options)


def file_path(id_or_name: str) -> str:
    """The path of a file, by its id or its name."""
    return str(_find(id_or_name)["path"])


def list_files() -> Any:
    """The files of this folder, newest first, as a table."""
    import pandas as pd

    rows = [[entry[key] for key in ("file_id", "filename", "type", "size")] for entry in _index()]
    return pd.DataFrame(rows, columns=["id", "name", "type", "size"])


def _index() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((FOLDER / "files.json").read_text("utf-8"))
    return entries


def _find(wanted: str) -> dict[str, Any]:
    entries = _index()
    for entry in entries:
        if entry["file_id"] == wanted.lower():
            return entry | {"path": str(FOLDER / entry["path"])}
    for entry in entries:
        if entry["filename"] == wanted:
            here = Path(wanted)  # as a cell has just written it
            return entry | {"path": str(here if here.is_file() else FOLDER / entry["path"])}
    raise FileNotFoundError(f"no file {wanted}: it is not in this folder")
