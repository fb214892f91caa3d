"""What the model sees of a cell or a file: text within limits, and pictures.

text, pictures = of_result(result, restarted)
text = of_record(cell)                            # a cell of an earlier turn, from the transcript
text, pictures = of_file(opened, name)
"""

import base64
from collections.abc import Iterator, Sequence

from bot.model.picture_size import size_of
from bot.reply import ExecutionResult
from bot.request import Picture
from bot.rich import is_picture, output_text
from bot.wording.cell_messages import ending, restart
from filestore.records import CellRecord
from kernels.broker import Opened
from kernels.cell.display_updates import is_mark
from kernels.cell.events import Restarted
from kernels.inside.loading.encodings import encoding_of, is_binary
from kernels.text.clipping import clip, counted, human_size, strip_ansi

__all__ = ["TOGETHER", "attached", "of_file", "of_record", "of_result", "with_room"]

TEXT = 8_000  # characters of a cell's output: its beginning and its end
ERROR = 4_000  # characters of a traceback
EARLIER = 2_000  # characters of the output of a cell from an earlier turn
HEAD = 4_000  # bytes of a text file
PICTURES = 4  # of one cell that are shown
PICTURE = 4 * 1024 * 1024  # bytes of one picture
# Bytes of the pictures that are attached, and of those that the cells of one answer show: each request has
# all of them, as text, several times in memory.
TOGETHER = 16 * 1024 * 1024
NAMED = 40  # files, and pictures that are not shown, that are named; the rest are counted
READABLE = {"text", "code", "structured", "data", "web", "notebook"}  # types of files that may be text
ATTACHED = 8  # pictures sent along with a message
TAKEN = {"image/png", "image/jpeg", "image/gif", "image/webp"}  # what the APIs accept
SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif")  # the first of them that an output has


def of_result(result: ExecutionResult, restarted: Sequence[Restarted]) -> tuple[str, tuple[Picture, ...]]:
    """The result of a cell that the model ran; `restarted` are the restarts that were told during the cell.

    Decoding the pictures takes time: call it in a thread.
    """
    pictures, left_out = _pictures(result)
    parts = [
        *map(restart, restarted),
        clip(_without_traceback(result), TEXT),
        clip(result.error or "", ERROR),
        ending(result) or "",
        *_first(left_out, "further picture"),
        *_first(
            [
                f"File {file.filename}: id {file.file_id}, {human_size(file.size)}"
                for file in result.generated_files
            ],
            "further file",
        ),
        *_first([f"Not kept: {one.name}: {one.reason}" for one in result.skipped], "further file not kept"),
    ]
    text = "\n".join(part.rstrip("\n") for part in parts if part)
    return text or ("(a picture)" if pictures else "(no output)"), pictures


def _first(lines: Sequence[str], what: str) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - NAMED
    return [*lines[:NAMED], *([f"[{counted(more, what)}]"] if more > 0 else [])]


def _without_traceback(result: ExecutionResult) -> str:
    """The cell's output without the traceback, which has a limit of its own."""
    # Not `rpartition`: searching for a long text from the end takes Python quadratic time.
    before, traceback, after = result.output.partition(result.error or "\0")
    return f"{before}{after}" if traceback else result.output


def attached(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """The pictures that the model gets to see: only real ones, not too large and not too many."""
    fit = [one for one in pictures if len(one.data) <= PICTURE and size_of(one.data) and one.mime in TAKEN]
    return with_room(fit[:ATTACHED], TOGETHER)


def with_room(pictures: Sequence[Picture], room: int) -> tuple[Picture, ...]:
    """Those of the pictures that fit into this many bytes, in order."""
    fit: list[Picture] = []
    for picture in pictures:
        if len(picture.data) <= room:
            room -= len(picture.data)
            fit.append(picture)
    return tuple(fit)


def of_record(cell: CellRecord) -> str:
    """What a recorded cell showed, without its pictures."""
    parts = [
        "[a picture]\n" if is_picture(output.get("data", {})) else output_text(output)
        for output in cell.outputs
        if not is_mark(output)
    ]
    text = clip(strip_ansi("".join(parts)), EARLIER).rstrip("\n")
    files = [f"Files: {', '.join(cell.file_ids)}"] if cell.file_ids else []
    how = [] if cell.status in ("ok", "error") else [f"({cell.status})"]
    return "\n".join(part for part in (text, *how, *files) if part) or "(no output)"


def of_file(opened: Opened, name: str) -> tuple[str, tuple[Picture, ...]]:
    """A stored file that is now in the workspace as `name`; blocks while the file is read."""
    text = f"{name} is in the workspace: {opened.file_type}, {human_size(opened.size)}."
    if opened.file_type == "image" and opened.size <= PICTURE:
        data = opened.file.read(PICTURE)
        mime = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        if size_of(data) and data.startswith((b"\x89PNG", b"\xff\xd8")):
            return text, (Picture(mime, data),)
    if opened.file_type in READABLE:
        head = opened.file.read(HEAD)
        if len(head) == HEAD:  # it may end in the middle of a character
            shorter = (head[: HEAD - cut] for cut in range(4))
            head = next((one for one in shorter if encoding_of(one).sure), head)
        encoding = encoding_of(head)
        if encoding.sure and not is_binary(head):
            return f"{text} It begins:\n{head.decode(encoding.name, 'replace')}", ()
        if not is_binary(head):  # the kernel detects the encoding, and says so
            return f"{text} It is not UTF-8: load_file({opened.file_id!r}) in a cell finds its encoding.", ()
    return text, ()


def _pictures(result: ExecutionResult) -> tuple[tuple[Picture, ...], list[str]]:
    """The pictures that the model gets to see, and a line for each one that it does not."""
    pictures: list[Picture] = []
    left_out: list[str] = []
    for mime, data in _shown(result):
        if len(pictures) == PICTURES:
            left_out.append("[a further picture, not shown to you]")
        elif len(data) > PICTURE or size_of(data) is None:
            left_out.append(f"[a picture of {human_size(len(data))}, not shown to you]")
        else:
            pictures.append(Picture(mime, data))
    return tuple(pictures), left_out


def _shown(result: ExecutionResult) -> Iterator[tuple[str, bytes]]:
    for output in result.outputs:
        data = output.get("data", {})
        for mime in [mime for mime in SHOWN if mime in data][:1]:
            try:
                yield mime, base64.b64decode(data[mime])
            except (TypeError, ValueError):  # a cell may show anything under this type
                continue
