"""How an answer goes out: which messages, with which files. Pure: nothing is sent here.

for outgoing in plan(page.parts, page.uploads): ...
for outgoing in without_uploads(page.parts, page.uploads, "files may not be attached here"): ...
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.discord.format.markdown import code_name, plain
from bot.discord.format.split import LONGEST, length, split
from kernels.text.clipping import counted, human_size
from kernels.workspace.names import FreeNames, safe_name

__all__ = ["Limits", "Outgoing", "Upload", "plan", "without_uploads"]

MIB = 1 << 20
FORM = 16 << 10  # bytes of a request beside its files, at most
ZIP_ENTRY = 200  # bytes that a zip needs for an entry, without its name which stands there twice
LONGEST_NAME = 100  # characters of an attachment's name
NAMED = 20  # files that are named in sentences; the rest is counted


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

    `text` is in characters. An answer has at most `messages` messages of text, and `messages` more of files.
    Of more than `loose` files all but those of the first message go into a zip.
    """

    files: int = 10
    request: int = 25 * MIB
    file: int = 10 * MIB
    text: int = LONGEST
    messages: int = 4
    loose: int = 20


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message."""

    content: str
    uploads: tuple[Upload, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A file as it goes out, and those that it brings: itself, or what is in the zip."""

    upload: Upload
    brings: tuple[Upload, ...]


DEFAULT = Limits()


def plan(parts: Sequence[str], uploads: Sequence[Upload], limits: Limits = DEFAULT) -> tuple[Outgoing, ...]:
    """The messages of an answer: its texts in order, the files with the last and those after it.

    Names are made unique and safe. More files than a few messages hold go into a zip; of a file that no
    message holds a sentence says how to get it. At least one message.
    """
    named = _named(uploads)
    most = min(limits.file, limits.request - FORM)
    groups = _groups([_Parcel(upload, (upload,)) for upload in named if len(upload.data) <= most], limits)
    if len(named) > limits.loose or len(groups) > limits.messages:
        rest = [parcel.upload for group in groups[1:] for parcel in group]
        groups = [*groups[:1], *_groups(_zipped(rest, most), limits)]
    sent = groups[: limits.messages]
    brought = {upload.name for group in sent for parcel in group for upload in parcel.brings}
    unsent = [upload for upload in named if upload.name not in brought]
    uploads_sent = [[parcel.upload for parcel in group] for group in sent]
    return _messages(parts, uploads_sent, _sentences(unsent, "too large to attach"), limits)


def without_uploads(
    parts: Sequence[str], uploads: Sequence[Upload], why: str, limits: Limits = DEFAULT
) -> tuple[Outgoing, ...]:
    """The same answer where no file can be sent: `why` says so ("files may not be attached here").

    Each file is named, with how to get it.
    """
    return _messages(parts, [], _sentences(_named(uploads), why), limits)


def _messages(
    parts: Sequence[str], groups: Sequence[Sequence[Upload]], sentences: Sequence[str], limits: Limits
) -> tuple[Outgoing, ...]:
    texts = [part for part in parts if part.strip()]
    said = "\n".join(sentences)
    if texts and said and length(texts[-1]) + 1 + length(said) <= limits.text:
        texts[-1] += f"\n{said}"
    elif said:
        texts += split(said, limits.text)
    texts = texts or [""]
    first, *others = groups or [()]
    messages = [*map(Outgoing, texts[:-1]), Outgoing(texts[-1], tuple(first))]
    return (*messages, *(Outgoing("", tuple(group)) for group in others))


def _named(uploads: Iterable[Upload]) -> list[Upload]:
    """With names that are unique in any folder and that Discord takes as they are."""
    names = FreeNames()
    named = []
    for upload in uploads:
        name = safe_name(upload.name).translate({ord(letter): "_" for letter in '`@<>:"|?*'})
        stem, dot, suffix = name.rpartition(".")
        if len(name) > LONGEST_NAME:
            suffix = suffix[: LONGEST_NAME // 4]
            name = f"{stem[: LONGEST_NAME - len(suffix) - 1]}{dot}{suffix}"
        named.append(
            replace(upload, name=names.free(name, "-2" if not upload.file_id else f"-{upload.file_id}"))
        )
    return named


def _groups(parcels: Iterable[_Parcel], limits: Limits) -> list[list[_Parcel]]:
    """The parcels of one message after the other, in order."""
    groups: list[list[_Parcel]] = []
    room = 0
    for parcel in parcels:
        if not groups or len(groups[-1]) == limits.files or len(parcel.upload.data) > room:
            groups.append([])
            room = limits.request - FORM
        groups[-1].append(parcel)
        room -= len(parcel.upload.data)
    return groups


def _zipped(uploads: Sequence[Upload], most: int) -> list[_Parcel]:
    """The files in as few zips as keep to `most` bytes each, whatever can be made of them."""
    bundles: list[list[Upload]] = []
    room = 0
    for upload in uploads:
        needed = _needed(upload)
        if needed > room:
            bundles.append([])
            room = most - ZIP_ENTRY
        bundles[-1].append(upload)
        room -= needed  # below zero where a zip of this one would be larger than the file: it stays alone
    return [
        _Parcel(bundle[0] if len(bundle) == 1 else _zip(bundle, number), tuple(bundle))
        for number, bundle in enumerate(bundles, start=1)
    ]


def _needed(upload: Upload) -> int:
    """Bytes in a zip, at most: what cannot be deflated grows by some bytes in each block of it."""
    return len(upload.data) + len(upload.data) // 1000 + 2 * len(upload.name.encode()) + ZIP_ENTRY


def _zip(uploads: Sequence[Upload], number: int) -> Upload:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for upload in uploads:
            archive.writestr(upload.name, upload.data)
    return Upload(f"more-files-{number}.zip", output.getvalue(), counted(len(uploads), "file"))


def _sentences(uploads: Sequence[Upload], why: str) -> list[str]:
    if not uploads:
        return []
    lines = [f"**Not attached:** {plain(why)}"]
    for upload in uploads[:NAMED]:
        size, file_id = human_size(len(upload.data)), upload.file_id
        way = (
            f'`/files file:{file_id}`, or `load_file("{file_id}")` in a cell'
            if file_id
            else "`/notebook` has it"
        )
        lines.append(f"- {code_name(upload.name)} ({size}): {way}")
    if len(uploads) > NAMED:
        lines.append(f"- … and {len(uploads) - NAMED} more: `/files` lists them")
    return lines
