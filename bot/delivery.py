"""How an answer goes out: which messages, with which files. Pure: nothing is sent here.

for outgoing in plan(page.parts, page.uploads): ...
for outgoing in without_uploads(page.parts, page.uploads, "they were too large"): ...
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Limits", "Outgoing", "Upload", "plan", "without_uploads"]

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to send along. `file_id` is the id under which it is stored, "" where it is not."""

    name: str
    data: bytes
    description: str = ""
    file_id: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message takes: `files` of them, `request` bytes of them together, `file` bytes of each.

    `text` is in characters. An answer has at most `messages` messages of text and `messages` more of files.
    """

    files: int = 10
    request: int = 25 * MIB
    file: int = 10 * MIB
    text: int = 2000
    messages: int = 4


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message."""

    content: str
    uploads: tuple[Upload, ...] = ()


DEFAULT = Limits()


def plan(parts: Sequence[str], uploads: Sequence[Upload], limits: Limits = DEFAULT) -> tuple[Outgoing, ...]:
    """The messages of an answer: its texts in order, the files with the last and those after it.

    Names are made unique and safe. More files than a few messages hold go into a zip; of a file that no
    message holds a sentence says how to get it. At least one message.
    """
    raise NotImplementedError


def without_uploads(
    parts: Sequence[str], uploads: Sequence[Upload], why: str, limits: Limits = DEFAULT
) -> tuple[Outgoing, ...]:
    """The same answer where no file can be sent: `why` says so ("files may not be attached here").

    Each file is named, with how to get it.
    """
    raise NotImplementedError
