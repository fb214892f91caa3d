"""Two people, and what they put into a file store."""

from pathlib import Path

from filestore.files import FileStore
from filestore.records import StoredFile

ANN, BOB, SESSION = 7, 8, "user:7"


async def put(
    files: FileStore, name: str = "a.csv", content: bytes = b"a,b\n1,2\n", **other: object
) -> StoredFile:
    """Put a file of Ann's."""
    arguments = {"user_id": ANN, "session_id": SESSION, "source": "generated"} | other
    return await files.put(filename=name, content=content, **arguments)  # type: ignore[arg-type]


def bytes_on_disk(tmp_path: Path) -> list[str]:
    """The names of all files that hold bytes."""
    return sorted(path.name for path in (tmp_path / "files").rglob("*") if path.is_file())
