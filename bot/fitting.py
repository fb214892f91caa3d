"""Makes an answer fit into a few messages: what is too long goes into a file, its first lines stay.

parts, uploads = fitted(blocks, footer)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.delivery import Limits, Upload
from bot.markup import fenced
from bot.split import LONGEST, balanced, cut, length, split
from kernels.text import human_size

__all__ = ["Block", "fitted"]

MESSAGES = Limits().messages
FIRST_LINES = 700  # characters that stay of a text that goes into a file


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an answer as Markdown; `whole` is for a file called `name`, where it gets too long."""

    text: str
    whole: str = ""
    name: str = ""


def fitted(blocks: Sequence[Block], footer: str) -> tuple[tuple[str, ...], list[Upload]]:
    """The texts of at most four messages, and files with what these do not hold. `footer` stays whole.

    The longest blocks go into files first. Lengths are added up once, so the time is in proportion to the
    number of blocks.
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
        if not block.whole:
            continue
        upload = _upload(block.name, block.whole)
        uploads.append(upload)
        head = fenced(block.whole, room=FIRST_LINES, keep="head")
        shown[place] = Block(f"{head}\n{_note(upload)}")
        total += length(shown[place].text) - lengths[place]
        if (parts := _parts(shown, footer, total)) is not None:
            return parts, uploads
    upload = _upload("answer.md", "\n".join(block.whole or block.text for block in blocks))
    head = balanced(cut("\n".join(block.text for block in shown), LONGEST * (MESSAGES - 2)))
    return tuple(split(f"{head}\n{_note(upload)}\n{footer}")), [*uploads, upload]


def _parts(blocks: Sequence[Block], footer: str, total: int) -> tuple[str, ...] | None:
    """The parts, or None where they are too many; `total` is the length of all."""
    if total > LONGEST * MESSAGES:
        return None
    parts = split("\n".join([*(block.text for block in blocks), footer]))
    return tuple(parts) if len(parts) <= MESSAGES else None


def _upload(name: str, text: str) -> Upload:
    return Upload(name, text.encode("utf-8", "replace"), "The whole text")


def _note(upload: Upload) -> str:
    return f"-# … all of it is in `{upload.name}` ({human_size(len(upload.data))})"
