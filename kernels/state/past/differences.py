"""What differs between two states of a session: of the variables in words, of the files by their digests."""

import re
from collections.abc import Mapping, Sequence

from kernels.state.journey import ChangedFile, ChangedVariable
from kernels.state.manifest import Manifest, Portrait
from kernels.workspace.copies.listing import UNLISTED, FileState, ListedFiles, is_cut

__all__ = ["changed_files", "changed_variables", "words"]

SIZE = re.compile(r"\d+(?: x \d+)*(?: (?:items|characters|bytes))?")
NUMBERS = ("int", "float", "complex")  # whose detail is their value


def words(value: Portrait) -> str:
    """A value in words: "DataFrame 1,000 x 4"."""
    kind, detail, _ = value
    if kind not in NUMBERS and SIZE.fullmatch(detail):
        detail = re.sub(r"\d+", lambda number: f"{int(number[0]):,}", detail)
        detail = detail.removesuffix("s") if detail.startswith("1 ") else detail
    return f"{kind} {detail}".strip() or "a value"


def changed_variables(
    was: Mapping[str, Portrait], now: Mapping[str, Portrait]
) -> tuple[ChangedVariable, ...]:
    """The names that are new, gone, or stand for another value, or for one that is another one inside."""
    changed = []
    for name in dict.fromkeys((*was, *now)):
        before, after = was.get(name), now.get(name)
        if before is None or after is None:
            changed.append(
                ChangedVariable(
                    name, "" if before is None else words(before), "" if after is None else words(after)
                )
            )
        elif before[:2] != after[:2] or (before.digest and after.digest and before.digest != after.digest):
            changed.append(ChangedVariable(name, words(before), words(after)))
    return tuple(changed)


def changed_files(then: Manifest, now: ListedFiles) -> tuple[ChangedFile, ...]:
    """The files that are not as of a save.

    Of those that are too many to be listed nothing is known: one file without a name stands for them.
    """
    were = {file.name: file for file in then.files if file != UNLISTED}
    are = {file.name: file for file in now.values() if file != UNLISTED}
    plain = {path for path, file in now.items() if file.name == path}
    last = _last(then.files, list(now.values()))
    changed = [] if last is None else [ChangedFile("", "", known=False, now=None)]
    for name, file in were.items():
        if (name not in are and (last is None or name <= last)) or (
            name in are and not _same(file, are[name])
        ):
            now_there = are[name].sha256 or None if name in are else ""
            changed.append(ChangedFile(name, file.sha256, known=bool(file.sha256), now=now_there))
    changed += [
        ChangedFile(name, "", known=name in plain, now=file.sha256 or None)
        for name, file in are.items()
        if name not in were and (last is None or name <= last)
    ]
    return tuple(changed)


def _last(*lists: Sequence[FileState]) -> str | None:
    """The last name of which it is known on both sides whether there is such a file; None: of all of them."""
    if any(UNLISTED in each for each in lists):
        return ""
    return min((max(file.name for file in each) for each in lists if is_cut(each)), default=None)


def _same(one: FileState, other: FileState) -> bool:
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    return (one.size, one.modified) == (other.size, other.modified)
