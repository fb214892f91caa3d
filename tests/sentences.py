"""Checks everything that a person is told in the tests for what must not be in it: see `FORBIDDEN`.

    sentences.read("Discord: a message", text)  # wherever a test sees a text that reaches a person
    sentences.written(text)                     # what a person has typed or sent may be repeated

The simulated Discord, the `--json` program, the terminal's screen and every cell's result report here; the
hooks of `conftest` fail the test in which something was wrong. `ALLOWED` has the exceptions.
"""

import io
import json
import lzma
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from config.settings import VARIABLES, Settings

ROOT = Path(__file__).resolve().parent.parent
LOOKED_AT = 1 << 18  # characters checked at each end of a text; bytes checked of a file in an archive
ARCHIVE = b"PK\x03\x04"
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
AROUND = 60  # characters shown before and after the problem

_REST = r"[^\s'\"`<>|]*"  # the rest of a path; its beginning is not searched for, which could take long
_LIBRARIES = {f"{prefix}/lib/python3" for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
NAMES = sorted({VARIABLES.get(name, name).upper() for name in Settings.model_fields}, key=len, reverse=True)
FLAGS = sorted({name.replace("_", "-") for name in Settings.model_fields}, key=len, reverse=True)
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

PATHS = {
    "the repository": re.escape(str(ROOT)) + _REST,
    "an environment of the host": r"\.venv\b" + _REST,
    "a library's whole path": r"(?<=[\w.])/(?:site|dist)-packages\b" + _REST,
    "Python's own folder": f"(?:{'|'.join(map(re.escape, sorted(_LIBRARIES)))})" + _REST,
    "the tests' folder of data": r"/tmp/pytest-of-[^/]+/" + _REST,
    "a folder of a run": r"/kernelcord-[\w-]+/" + _REST,
    "a process of the host": r"/proc/\d+" + _REST,
}
ADVICE = {
    "a setting": rf"(?<![\w$%])(?:{'|'.join(NAMES)})(?![\w])",
    "a flag of the program": rf"(?<![\w-])--(?:{'|'.join(FLAGS)})(?![\w-])",
    "a target of make": rf"\bmake (?:{'|'.join(TARGETS)})\b(?! it\b| them\b)",
    "a file of the checkout": r"\bsetup\.cfg\b|\bpyproject\.toml\b|(?<!\w)\.env\b(?!/)",
    "what only an operator sees": r"\b(?:README(?!\.md)|cgroups?|AppArmor|seccomp)\b|\b[Tt]ier [SAB]\b",
    "a command for whoever runs it": (
        r"\bpip3? install\b|\bapt(?:-get)? install\b|\bsudo\b|\bsystemctl\b|\bsysctl\b|\bnpm install\b"
    ),
}
FORBIDDEN = {kind: re.compile(pattern) for kind, pattern in (PATHS | ADVICE).items()}
OPERATORS = tuple(ADVICE)  # what may be told to whoever runs the program

# The test or its folder, a pattern for the text that is allowed there, and the reason.
ALLOWED: tuple[tuple[str, str, str], ...] = (
    (
        "tests/live/code/test_scripts.py",
        ".*/scripts(?:/.*)?",
        "in tier B a workspace has its path on the host",
    ),
    ("tests/attacks/", ".*", "an attack prints what it finds on the machine"),
    ("::test_the_environment_holds_no_secret", ".*", "the person prints their environment, PATH included"),
    ("::test_a_forked_kernel_is_as_a_stock_one", ".*", "the person prints sys.path, and the like"),
    ("::test_a_replayed_notebook_is_that_of_nbclient", ".*", "a list of fonts is the value of a cell"),
    ("::test_a_child_that_is_not_forked_by_the_cell_itself_", ".*", "a task's repr is the value of the cell"),
)

_wrong: list[str] = []
_written: list[str] = []


def written(*values: Any) -> None:
    """Note what a person has typed or sent: strings, bytes, and JSON values."""
    _written.extend(_texts(values))


def read(where: str, value: Any, *, operator: bool = False, own: Iterable[Path] = ()) -> None:
    """Check what a person reads: a string, the bytes of a file, or a JSON value.

    With `operator`, the reader is whoever runs the program. Paths below `own` belong to the reader.
    """
    for text in _texts((value,)):
        _wrong.extend(f"{where}: {each}" for each in problems(text, operator=operator, own=own))


def problems(text: str, *, operator: bool = False, own: Iterable[Path] = ()) -> Iterator[str]:
    """What is wrong with a text that a person reads."""
    if len(text) > 2 * LOOKED_AT:
        text = f"{text[:LOOKED_AT]}\n{text[-LOOKED_AT:]}"
    for kind, pattern in FORBIDDEN.items():
        if operator and kind in OPERATORS:
            continue
        for found in pattern.finditer(text):
            piece = found[0]
            if any(piece.startswith(str(folder)) for folder in own) or _may_be_told(piece):
                continue
            start, end = max(0, found.start() - AROUND), found.end() + AROUND
            yield f"{kind}, {piece!r}: …{text[start:end]}…"


def take(*, over: bool) -> list[str]:
    """The problems since the last call, without repeats; once a test is `over`, forget what was written."""
    found = list(dict.fromkeys(_wrong))
    _wrong.clear()
    if over:
        _written.clear()
    return found


def _may_be_told(piece: str) -> bool:
    """Whether a person has written it themselves, or it is one of the exceptions."""
    if any(piece in text for text in _written):
        return True
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    return any(place in test and re.fullmatch(allowed, piece) for place, allowed, _ in ALLOWED)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        match value:
            case str():
                yield value
            case bytes():
                yield from _in_file(value)
            case dict():
                yield from _texts(value.values())
            case list() | tuple() | set():
                yield from _texts(value)


def _in_file(data: bytes) -> Iterator[str]:
    """The text of a file, of each file in an archive, or of the parts of a notebook."""
    try:
        if data.startswith(ARCHIVE):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield name
                    with archive.open(name) as member:
                        yield from _in_file(member.read(LOOKED_AT))
        else:
            yield from _texts([json.loads(data)])
    except (ValueError, RecursionError, RuntimeError, OSError, EOFError, *DAMAGED):
        yield data.decode("utf-8", "ignore")  # plain text, or a damaged archive
