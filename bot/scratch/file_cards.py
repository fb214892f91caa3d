"""A short card about each file that somebody has sent: what it contains, found out in the sandbox.

cards = await file_cards(session.files, session.scratch, files)       # {file id: text}
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from bot.files import PersonFiles
from bot.scratch.kernel import ScratchKernel
from filestore.records import StoredFile
from kernels.broker import FileUnavailable
from kernels.text.clipping import human_size, repair
from kernels.text.visible import one_line

__all__ = ["file_cards"]

log = logging.getLogger(__name__)

LONGEST = 900  # characters of a card
NAME = 80  # characters of a file's name in it
TIME = 30.0  # seconds for all files of a message


async def file_cards(
    source: PersonFiles, scratch: ScratchKernel, files: Sequence[StoredFile]
) -> dict[str, str]:
    """A card for every file, by file id, within half a minute: plain text of at most 900 characters.

    For a table it has the rows, the columns with types and nulls, and a sample; for a picture its size; for a
    notebook its cells. For a file that cannot be read it has type and size. The person's kernel is not used.
    Raises nothing.
    """
    try:
        found = await _found(source, scratch, files)
    except Exception:  # the message with the files is answered, whatever fails about a card
        log.exception("what %d files contain could not be found out", len(files))
        found = {}
    return {file.file_id: _card(file, found.get(file.file_id, {}).get("text/card")) for file in files}


async def _found(
    source: PersonFiles, scratch: ScratchKernel, files: Sequence[StoredFile]
) -> Mapping[str, Mapping[str, Any]]:
    """What the sandbox says of the files, by file id; those of which it says nothing are missing."""
    with contextlib.ExitStack() as stack:
        opened: dict[str, BinaryIO] = {}
        tasks: dict[str, dict[str, str]] = {}
        for file in {file.file_id: file for file in files}.values():
            with contextlib.suppress(FileUnavailable):  # it was deleted meanwhile
                opened[file.file_id] = stack.enter_context((await source.open(file.file_id)).file)
                about = {"filename": file.filename, "file_id": file.file_id}
                tasks[file.file_id] = {"path": file.file_id, **about}
        return await scratch.work("cards", tasks, opened, seconds=TIME) if tasks else {}


def _card(file: StoredFile, found: object) -> str:
    name = (
        file.filename if len(file.filename) <= NAME else f"{file.filename[: NAME - 12]}…{file.filename[-10:]}"
    )
    head = f"{name} ({file.file_type}, {human_size(file.file_size)}, id {file.file_id})"
    lines = repair(found[: 2 * LONGEST]).split("\n") if isinstance(found, str) else ()
    text = "\n".join(one_line(line, " ") for line in lines).strip()
    card = f"{head}: {text}" if text else head
    return card if len(card) <= LONGEST else card[: LONGEST - 1] + "…"
