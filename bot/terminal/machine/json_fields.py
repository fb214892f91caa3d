"""What the machine interface says, as the fields of its JSON objects; docs/json.md lists them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from bot.continuity.undo.branches import Branch
from bot.continuity.undo.undone import NewCheckpoint, Undone
from bot.model.turn import ModelAnswer
from bot.notebooks.replay import Step
from bot.reply import ExecutionResult
from bot.wording.cell_messages import ending
from bot.wording.undo_messages import undone
from filestore.records import StoredFile
from kernels.cell.events import (
    ClearOutput,
    Display,
    Event,
    Failure,
    InputRequest,
    Queued,
    Restarted,
    Result,
    Stream,
    UnsavedValue,
    Unstopped,
)
from kernels.interface import State
from kernels.state.journey import SavedCell

__all__ = [
    "answer_fields",
    "branch_fields",
    "checkpoint_fields",
    "event_fields",
    "file_fields",
    "new_checkpoint_fields",
    "result_fields",
    "step_fields",
    "undone_fields",
    "variables_fields",
]

NAMES: dict[type[Event], str] = {
    Queued: "queued",
    Stream: "stream",
    Display: "display",
    Result: "value",
    Failure: "failure",
    ClearOutput: "clear",
    InputRequest: "question",
    Restarted: "restarted",
    Unstopped: "unstopped",
}


def event_fields(event: Event) -> dict[str, Any]:
    """An event of a running cell. A question's number is left out: answers go to the last question."""
    fields = structs.asdict(event)
    if isinstance(event, Restarted):
        fields["unsaved"] = _unsaved(event.unsaved)
    if isinstance(event, InputRequest):
        del fields["number"]
    return {"event": NAMES[type(event)], **fields}


def answer_fields(answer: ModelAnswer) -> dict[str, Any]:
    """The last line that answers words for the model."""
    cells = [result.cell for result in answer.results]
    return {"event": "answer", "words": answer.words, "cells": cells, "stopped": answer.stopped}


def step_fields(step: Step) -> dict[str, Any]:
    """One cell of a replayed notebook."""
    status = step.result.status if step.result else "left out"
    differs = list(step.differs)
    fields = {"number": step.number, "total": step.total, "status": status, "differs": differs}
    return {"event": "step", **fields} | ({"message": step.refused} if step.refused else {})


def file_fields(file: StoredFile) -> dict[str, Any]:
    """A stored file, with its size in bytes; `source` is "uploaded", "generated" or "notebook"."""
    return {
        "file_id": file.file_id,
        "filename": file.filename,
        "type": file.file_type,
        "size": file.file_size,
        "source": file.source,
        "uploaded_at": file.uploaded_at.isoformat(),
        "expires_at": file.expires_at.isoformat(),
    }


def result_fields(result: ExecutionResult) -> dict[str, Any]:
    """The last line that answers a cell."""
    return {
        "event": "result",
        "success": result.success,
        "status": result.status,
        "output": result.output,
        "error": result.error,
        "message": ending(result),
        "execution_time": result.execution_time,
        "execution_count": result.execution_count,
        "return_code": result.return_code,
        "generated_files": [file_fields(file.record) for file in result.generated_files],
        "generated_file_ids": list(result.generated_file_ids),
        "skipped": [{"name": one.name, "reason": one.reason} for one in result.skipped],
        "lost": list(result.lost),
        "as_of": result.as_of,
        "unsaved": _unsaved(result.unsaved),
        "unrecorded": result.unrecorded,
    }


def undone_fields(told: Undone) -> dict[str, Any]:
    """What came of an undo, a redo, or going back to a checkpoint."""
    return {
        "event": "undone",
        "kind": told.kind,
        "name": told.name,
        "cells": list(told.cells),
        "again": list(told.again),
        "as_of": told.as_of,
        "unkept": list(told.unkept),
        "changed": [{"name": one.name, "was": one.was, "now": one.now} for one in told.changed],
        "unsaved": _unsaved(told.unsaved),
        "files": [{"name": one.name, "cell": one.cell, "gone": one.gone} for one in told.files],
        "left": [{"name": one.name, "reason": one.why} for one in told.left],
        "for_good": told.for_good,
        "message": undone(told),
    }


def checkpoint_fields(name: str, saved: SavedCell) -> dict[str, Any]:
    """A checkpoint: the cell as of which it is (0: before the first one), and when that was saved."""
    at = datetime.fromtimestamp(saved.saved_at, UTC)
    return {"name": name, "cell": saved.cell, "saved_at": at.isoformat()}


def new_checkpoint_fields(name: str, made: NewCheckpoint) -> dict[str, Any]:
    """A checkpoint that was just made, and what it does not have."""
    return {"event": "checkpoint", **checkpoint_fields(name, made.saved), "unsaved": _unsaved(made.unsaved)}


def branch_fields(branch: Branch) -> dict[str, Any]:
    """A branch: the cell as of which it began (0: without variables), and whether it is shown now."""
    unsaved = _unsaved(branch.unsaved)
    return {"name": branch.name, "cell": branch.cell, "here": branch.here, "unsaved": unsaved}


def variables_fields(state: State) -> dict[str, Any]:
    """A person's variables, and what is saved of them: see `State`."""
    return {
        "event": "variables",
        "alive": state.alive,
        "variables": [asdict(variable) for variable in state.variables],
        "saved": state.saved,
        "saved_size": state.saved_size,
        "unsaved": _unsaved(state.unsaved),
    }


def _unsaved(values: Sequence[UnsavedValue]) -> list[dict[str, Any]]:
    return [structs.asdict(value) for value in values]
