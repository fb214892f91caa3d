"""The short form of a cell's outputs: what they showed, in a few lines, without pictures.

short(outputs)               # at most about LIMIT characters of JSON, whatever the outputs are
short(outputs, MADE_ROOM)    # with a note at the end

The cell's record has it if the outputs themselves lie outside, or if there was no room for them. The model's
history is made of it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from filestore.records import Output

__all__ = ["LIMIT", "LOST", "MADE_ROOM", "NO_ROOM", "note", "short", "size_of"]

LIMIT = 6000  # characters of JSON of a short form, approximately
TEXT = 1200  # characters of one output: its head and tail
SHOWN = 4  # outputs: the first ones, and the last ones
ENOUGH = 1 << 16  # characters above which the exact size does not matter
# The first of them that a display has is shown.
TEXTS = ("text/plain", "text/markdown", "text/latex", "text/html")
PICTURE = "[a picture]"
MADE_ROOM = "Shortened: your quota was used up, and this output made room for newer ones."
NO_ROOM = "Shortened: your quota had no room for this output. Delete files to make room."
NAME = 64  # characters of a display's id that a mark can name
MARKED = 32  # displays that a mark can name
UPDATE = "update_display_data"  # the type of an output that updates a display of an earlier cell
LOST = "The rest of this output is lost: its bytes are missing."


def size_of(outputs: Sequence[Output]) -> int:
    """How many bytes outputs are as JSON; for large ones an estimate, without making the JSON."""
    total, waiting = 0, list[Any](outputs)
    while waiting and total <= ENOUGH:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list | tuple):
            if len(part) > ENOUGH:  # each item takes at least one character
                return len(part)
            waiting += part
        elif isinstance(part, int):
            total += part.bit_length() // 4
        total += len(part) if isinstance(part, str) else 1
    return total if total > ENOUGH else len(json.dumps(list(outputs)))


def note(text: str) -> Output:
    """An output with words of ours."""
    return {"output_type": "stream", "name": "stderr", "text": f"[{text}]\n"}


def short(outputs: Sequence[Output], why: str = "") -> list[Output]:
    """The short form, with the note `why` at its end if one is given."""
    marks = _marks(outputs)
    outputs = [output for output in outputs if output.get("output_type") != UPDATE]
    first, last = outputs[:SHOWN], outputs[max(SHOWN, len(outputs) - SHOWN) :]
    more = len(outputs) - len(first) - len(last)
    room = TEXT
    while True:
        between = [note(f"{more:,} more outputs")] if more else []
        made = [*_shortened(first, room), *between, *_shortened(last, room), *marks]
        if len(json.dumps(made)) <= LIMIT or room < 2 * len(PICTURE):
            return [*made, *([note(why)] if why else [])]
        room //= 2


def _marks(outputs: Iterable[Output]) -> list[Output]:
    """A mark that names the displays that can be updated, or says that some update others."""
    ids: list[str] = []
    updates = False
    for output in outputs:
        match output.get("transient"):
            case {"display_id": str(name), **others}:
                ids.append(name)
                updates = updates or others.get("updated") is True or output["output_type"] == UPDATE
    if not ids:
        return []
    updates = updates or len(ids) > MARKED or max(map(len, ids)) > NAME
    told = {"shown": [] if updates else ids, "updates": updates}
    return [{"output_type": UPDATE, "data": {}, "metadata": {}, "transient": told}]


def _shortened(outputs: Iterable[Output], room: int) -> Iterator[Output]:
    for output in outputs:
        match output.get("output_type"):
            case "stream":
                name = "stderr" if output.get("name") == "stderr" else "stdout"
                yield {"output_type": "stream", "name": name, "text": _clip(output.get("text"), room)}
            case "error":
                lines = "\n".join(map(str, output.get("traceback", ())))
                yield {
                    "output_type": "error",
                    "ename": _clip(output.get("ename"), 100),
                    "evalue": _clip(output.get("evalue"), room),
                    "traceback": _clip(lines, room).split("\n"),
                }
            case _:
                yield {
                    "output_type": "display_data",
                    "data": {"text/plain": _plain(output.get("data"), room)},
                    "metadata": {},
                }


def _plain(data: Any, room: int) -> str:
    bundle = data if isinstance(data, dict) else {}
    if any(str(mime).startswith("image/") for mime in bundle):
        return PICTURE
    texts = [bundle[mime] for mime in TEXTS if mime in bundle]
    return _clip(texts[0], room) if texts else f"[{_clip(', '.join(map(str, bundle)), 100)}]"


def _clip(text: Any, room: int) -> str:
    if not isinstance(text, str):
        return ""
    if len(text) <= room:
        return text
    head, tail = text[: room // 2], text[-(room - room // 2) :]
    return f"{head}\n[… {len(text) - room:,} characters …]\n{tail}"
