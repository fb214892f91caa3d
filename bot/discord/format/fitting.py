"""Makes an answer fit into a few messages: texts that are too long go into files; their first lines stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import splitext

from bot.discord.format.attachments import MessageLimits, Upload
from bot.discord.format.markdown import closed, code_name, fenced
from bot.discord.format.split import LONGEST, cut, length, split
from bot.reply import GeneratedFile
from kernels.text.clipping import LEFT_OUT, human_size

__all__ = ["Block", "fitted"]

MESSAGES = MessageLimits().messages
FIRST_LINES = 700  # characters that stay in the message of a text that goes into a file
PART = "-part"  # in the name of a file with only part of a text; `kernels.cell.overflow` names files so, too


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an answer as Markdown, and what goes into a file when that is too long.

    `whole` goes into a file called `name`; without a name, into the file of the whole answer. `stored` is a
    file of the cell that already has the whole text.
    """

    text: str
    whole: str = ""
    name: str = ""
    stored: GeneratedFile | None = None


def fitted(blocks: Sequence[Block], footer: str) -> tuple[tuple[str, ...], list[Upload]]:
    """The texts of at most four messages, and files with whatever does not fit. `footer` stays whole.

    The longest blocks go into files first. Lengths are added up only once, so the time it takes is
    proportional to the number of blocks.
    """
    shown = list(blocks)
    uploads: list[Upload] = []
    lengths = [length(block.text) for block in shown]
    total = sum(lengths) + len(lengths) + length(footer)
    if (parts := _parts(shown, footer, total)) is not None:
        return parts, uploads
    for place in sorted(range(len(shown)), key=lambda place: -lengths[place]):
        block = shown[place]
        if lengths[place] <= FIRST_LINES:
            break
        if not block.name:
            continue
        if block.stored is None:
            upload = _upload(block.name, block.whole)
            uploads.append(upload)
            note = _note(upload.name, len(upload.data))
        else:
            note = _note(block.stored.filename, block.stored.size)
        head = fenced(block.whole, room=FIRST_LINES, keep="head")
        shown[place] = Block(f"{head}\n{note}")
        total += length(shown[place].text) - lengths[place]
        if (parts := _parts(shown, footer, total)) is not None:
            return parts, uploads
    upload = _upload("answer.md", "\n".join(block.whole or block.text for block in blocks))
    head = closed(cut("\n".join(block.text for block in shown), LONGEST * (MESSAGES - 2)))
    note = _note(upload.name, len(upload.data))
    return tuple(split(f"{head}\n{note}\n{footer}")), [*uploads, upload]


def _parts(blocks: Sequence[Block], footer: str, total: int) -> tuple[str, ...] | None:
    """The parts, or None if there are too many. `total` is the length of everything."""
    if total > LONGEST * MESSAGES:
        return None
    parts = split("\n".join([*(block.text for block in blocks), footer]))
    return tuple(parts) if len(parts) <= MESSAGES else None


def _upload(name: str, text: str) -> Upload:
    """A text as a file. If something was left out of the text before, the name says so."""
    if LEFT_OUT.search(text):
        stem, suffix = splitext(name)
        return Upload(f"{stem}{PART}{suffix}", text.encode("utf-8", "replace"), "The text, in part")
    return Upload(name, text.encode("utf-8", "replace"), "The whole text")


def _note(name: str, size: int) -> str:
    is_part = PART in name
    what = "what was kept of it" if is_part else "all of it"
    return f"-# … {what} is in {code_name(name)} ({human_size(size)})"
