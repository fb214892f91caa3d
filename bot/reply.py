"""What a front gets to show: a `Reply` for every event, every piece of the model's words, and every result.

What comes of cells that nobody waits for goes to the program's `Front`: late output, and cells that an
earlier program began.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from filestore.records import SessionRecord, StoredFile
from kernels.cell.events import Event, UnsavedValue
from kernels.cell.result import RunResult
from kernels.workspace.captured import Skipped

RETURN_CODES = {"ok": 0, "error": 1, "timeout": 124, "interrupted": 130, "out of memory": 137}


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file that a cell wrote; it is stored until `record.expires_at`."""

    record: StoredFile
    data: Callable[[], Awaitable[bytes]]  # reads the bytes; raises NoSuchFile once it has expired

    @property
    def filename(self) -> str:
        """Its name in the workspace."""
        return self.record.filename

    @property
    def type(self) -> str:
        """Its category: data, image, text, ..."""
        return self.record.file_type

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.record.file_size

    @property
    def file_id(self) -> str:
        """The id that loads it."""
        return self.record.file_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """What came of a person's code.

    `status` and `cause` are those of `kernels.cell.result.RunResult`. `return_code` is 0 ok, 1 error, 124
    time-out, 130 interrupted, 137 out of memory, and the kernel's own exit code if it died (-9: killed by
    signal 9). `output` is all text shown, without colours; `outputs` are the nbformat v4 output dicts.
    `error` is the traceback without colours, None if there was none. `execution_time` is in seconds. `memory`
    is the number of bytes that the kernel has taken since its start, if known.

    `lost` names the variables that went with a kernel. With `unnamed`, those of a cell that ended with it are
    gone too; with `earlier`, those of earlier cells, whose names nobody knows. `as_of`, `back` and `unsaved`
    are those of `kernels.cell.events.Restarted`, about saved variables. `unrecorded` is a sentence about a
    record that is not in the database yet, "" if it is there. `text_file` is the name of the
    generated file with the whole text of a cell of which `outputs` only have the beginning and the end.
    """

    status: str
    cell: int
    return_code: int
    output: str = ""
    outputs: tuple[dict[str, Any], ...] = ()
    error: str | None = None
    execution_time: float = 0.0
    execution_count: int | None = None
    generated_files: tuple[GeneratedFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    cause: str | None = None
    memory: int | None = None
    lost: tuple[str, ...] = ()
    unnamed: bool = False
    earlier: bool = False
    as_of: int = 0
    back: tuple[str, ...] = ()
    unsaved: tuple[UnsavedValue, ...] = ()
    unrecorded: str = ""
    text_file: str = ""

    @property
    def success(self) -> bool:
        """Whether the code ran to its end."""
        return self.status == "ok"

    @property
    def generated_file_ids(self) -> tuple[str, ...]:
        """The ids of `generated_files`, in the same order."""
        return tuple(file.file_id for file in self.generated_files)


@dataclass(frozen=True, slots=True)
class TurnUsage:
    """What one turn of the model used. `cost` is in US dollars, None if no price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    cell_seconds: float = 0.0
    model: str = ""


ShownSoFar = Callable[[int | None], tuple[dict[str, Any], ...]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One step of an answer.

    About cell number `cell`: an event, or files, or finally the result. `outputs` gives what the cell has
    shown so far, this event included, as `kernels.interface.Cell.outputs` does. With `late` the step came
    after the cell's end: a thread printed or wrote something, and there are no `outputs`. With `code` the
    model is about to run that code in the cell. The first step about a cell has the id of its `turn`.

    About the model (`cell` is 0): a piece of its `words`, or, as the last step of its turn, its `usage`.
    """

    cell: int
    event: Event | None = None
    files: tuple[GeneratedFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    result: ExecutionResult | None = None
    late: bool = False
    words: str = ""
    code: str = ""
    usage: TurnUsage | None = None
    outputs: ShownSoFar | None = None
    turn: str = ""


Tell = Callable[[Reply], Awaitable[None]]


async def tell_nobody(_reply: Reply) -> None:
    """For whoever only wants the result."""


class Front(Protocol):
    """Where people read what comes of their cells without having asked for it just now."""

    async def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        """Show what came after the end of a cell."""

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """Show a step of a cell that an earlier program began, even if only that it was broken off."""

    async def fail_resumed(self, record: SessionRecord, cell: int, error: Exception) -> None:
        """Say that such a cell comes to no result, and why."""

    async def end_answers(self, session_ids: Collection[str]) -> None:
        """Wait until nothing looks as if cells of these sessions, which are to be deleted, still ran."""


class NoFront:
    """For programs that only want results."""

    async def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        """Show nothing."""

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """Treat it like late output."""
        await self.tell_late(record, reply)

    async def fail_resumed(self, record: SessionRecord, cell: int, error: Exception) -> None:
        """Show nothing."""

    async def end_answers(self, session_ids: Collection[str]) -> None:
        """There are none."""


def return_code(result: RunResult) -> int:
    """The exit status that a shell would give for how the cell ended."""
    if result.status == "died":
        return result.exit_code if result.exit_code is not None else 1
    return RETURN_CODES.get(result.status, 1)
