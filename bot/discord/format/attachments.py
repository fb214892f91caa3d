"""Which messages an answer is sent as, and which files go with each. Pure: nothing is sent here."""

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bot.discord.format.markdown import code_name, plain
from bot.discord.format.split import LONGEST, length, split
from kernels.text.clipping import counted, human_size
from kernels.workspace.names import FreeNames, safe_name

__all__ = ["MessageLimits", "Outgoing", "Upload", "plan", "without_uploads"]

MIB = 1 << 20
FORM = 16 << 10  # bytes that a request has at most besides its files
ZIP_ENTRY = 200  # bytes that a zip needs for an entry, besides its name, which is there twice
LONGEST_NAME = 100  # characters of an attachment's name
NAMED = 20  # files that are named when they are not attached; the others are counted


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to send along. `file_id` is the id under which it is stored, "" if it is not stored."""

    name: str
    data: bytes
    description: str = ""
    file_id: str = ""


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What one message may hold: `files` files of `file` bytes each and `request` bytes together.

    `text` is in characters. An answer has at most `messages` messages of text, and `messages` more of files.
    If it has more than `loose` files, all but those of the first message go into a zip.
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
    """A file as it is sent, and the files that it brings: itself, or those in the zip."""

    upload: Upload
    brings: tuple[Upload, ...]


DEFAULT = MessageLimits()


def plan(
    parts: Sequence[str], uploads: Sequence[Upload], limits: MessageLimits = DEFAULT
) -> tuple[Outgoing, ...]:
    """The messages of an answer, at least one: its texts in order, the files with the last and after it.

    File names are made unique and safe. If there are more files than a few messages hold, they go into a zip.
    For a file that is too large for any message, a sentence says how to get it.
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
    parts: Sequence[str], uploads: Sequence[Upload], why: str, limits: MessageLimits = DEFAULT
) -> tuple[Outgoing, ...]:
    """The same answer if no file can be sent; `why` is the reason ("files may not be attached here").

    It names each file and says how to get it.
    """
    return _messages(parts, [], _sentences(_named(uploads), why), limits)


def _messages(
    parts: Sequence[str], groups: Sequence[Sequence[Upload]], sentences: Sequence[str], limits: MessageLimits
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
    """The files with names that are unique in any folder and that Discord does not change."""
    names = FreeNames()
    named = []
    for upload in uploads:
        name = safe_name(upload.name).translate({ord(letter): "_" for letter in '`@<>:"|?*'})
        stem, dot, suffix = name.rpartition(".")
        if len(name) > LONGEST_NAME:
            suffix = suffix[: LONGEST_NAME // 4]
            name = f"{stem[: LONGEST_NAME - len(suffix) - 1]}{dot}{suffix}"
        apart = f"-{upload.file_id}" if upload.file_id else "-2"
        named.append(replace(upload, name=names.free(name, apart)))
    return named


def _groups(parcels: Iterable[_Parcel], limits: MessageLimits) -> list[list[_Parcel]]:
    """The parcels of each message, in order."""
    return _packed(parcels, lambda parcel: len(parcel.upload.data), limits.request - FORM, limits.files)


def _packed[T](
    things: Iterable[T], size: Callable[[T], int], room: int, most: int | None = None
) -> list[list[T]]:
    """The things in groups, in order: each is full, by size or by number, before the next one begins."""
    groups: list[list[T]] = []
    left = 0
    for thing in things:
        if not groups or len(groups[-1]) == most or size(thing) > left:
            groups.append([])
            left = room
        groups[-1].append(thing)
        left -= size(thing)  # below zero if this one alone is too large
    return groups


def _zipped(uploads: Sequence[Upload], most: int) -> list[_Parcel]:
    """The files in as few zips as possible of at most `most` bytes each, however badly they compress."""
    bundles = _packed(uploads, _needed, most - ZIP_ENTRY)
    return [  # a file alone stays as it is: a zip of it may be too large
        _Parcel(bundle[0] if len(bundle) == 1 else _zip(bundle, number), tuple(bundle))
        for number, bundle in enumerate(bundles, start=1)
    ]


def _needed(upload: Upload) -> int:
    """Bytes that the file takes in a zip at most: what cannot be compressed grows a little."""
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
        size, way = human_size(len(upload.data)), "`/notebook` has it"
        if file_id := upload.file_id:
            way = f'`/files file:{file_id}`, or `load_file("{file_id}")` in a cell'
        lines.append(f"- {code_name(upload.name)} ({size}): {way}")
    if len(uploads) > NAMED:
        lines.append(f"- … and {len(uploads) - NAMED} more: `/files` lists them")
    return lines
