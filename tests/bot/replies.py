"""Replies like those of a turn, made by hand."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.reply import ExecutionResult, GeneratedFile, NoFront, Reply
from filestore.records import SessionRecord, StoredFile
from kernels.cell.events import Display, Event, Stream
from kernels.cell.outputs import Outputs
from kernels.workspace.captured import Skipped

EXPIRES = datetime(2026, 12, 1, tzinfo=UTC)
RESULT = ExecutionResult(
    status="ok", cell=1, return_code=0, execution_time=1.25, execution_count=1, memory=84 << 20
)


class LateAnswers(NoFront):
    """A front that collects late replies and those of resumed cells."""

    def __init__(self, told: list[Reply]) -> None:
        self.told = told

    async def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        self.told.append(reply)


def printed(text: str, name: str = "stdout") -> Stream:
    """Something printed."""
    return Stream(name, text)


def shown(**bundle: Any) -> Display:
    """A display, its kinds as keywords: `text_plain="x"`."""
    return Display({key.replace("_", "/", 1).replace("_", "+"): value for key, value in bundle.items()})


def made(name: str, file_id: str = "k7m3q9x2va", size: int = 2048) -> GeneratedFile:
    """A file that a cell wrote."""
    record = StoredFile(
        file_id, 1, "u1", name, 1, f"1/{file_id}", size, "0" * 64, "data", "generated", EXPIRES, EXPIRES
    )

    async def read() -> bytes:
        return b"x" * size

    return GeneratedFile(record, read)


def cell(
    events: Iterable[Event],
    number: int = 1,
    *,
    files: tuple[GeneratedFile, ...] = (),
    skipped: tuple[Skipped, ...] = (),
    **result: Any,
) -> list[Reply]:
    """All replies of a cell that ran to its end; `result` changes what is in its ExecutionResult."""
    outputs = Outputs(max_text=1 << 20, max_shown=1 << 24)
    events = list(events)
    for event in events:
        outputs.add_event(event)
    ended = replace(RESULT, cell=number, outputs=outputs.cells(), **result)
    return [
        *(Reply(number, event) for event in events),
        Reply(number, files=files, skipped=skipped, result=ended),
    ]
