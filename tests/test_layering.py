"""Which module may import which, what no module may be called, how large modules and folders may grow."""

import ast
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400  # lines of a module
MOST_FILES = 14  # modules directly in a folder, its __init__ aside
MOST_ROOMS = {"bot": 20, "kernels": 24}  # modules and folders directly in a package
MAY_IMPORT = {
    "bot": {"bot", "config", "filestore", "kernels"},
    "config": {"config"},
    "filestore": {"filestore"},
    "kernels": {"kernels"},
}
# Only modules whose path starts like this may import the library; the rest of the project uses those modules.
SOLE_IMPORTERS = {
    "jupyter_server": "kernels/node",
    "motor": "filestore/mongo",
    "nbformat": "kernels/notebooks/notebook.py",
    "nextcord": "bot/discord/",
    "openai": "bot/model/client.py",
    "watchfiles": "kernels/workspace/observer.py",
}
BANNED = {
    "base",
    "common",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "manager",
    "misc",
    "service",
    "util",
    "utils",
}
MODULES = sorted(path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))


def imported(path: PurePosixPath, tree: ast.AST) -> Iterator[str]:
    """The full names of everything that a module imports, at its top or anywhere else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = path.parts[: len(path.parts) - node.level] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def violations(path: PurePosixPath, source: str) -> list[str]:
    """The rules that a module at `path` with this source breaks."""
    tree = ast.parse(source)
    found = []
    for name in imported(path, tree):
        package = name.partition(".")[0]
        if package in MAY_IMPORT and package not in MAY_IMPORT[path.parts[0]]:
            found.append(f"{path}: {path.parts[0]} may not import {name}")
        if (
            path.is_relative_to("kernels/inside")
            and package in MAY_IMPORT
            and not name.startswith("kernels.inside")
        ):
            found.append(f"{path}: what runs inside may not import {name}")
        if package in SOLE_IMPORTERS and not str(path).startswith(SOLE_IMPORTERS[package]):
            found.append(f"{path}: only {SOLE_IMPORTERS[package]} may import {package}")
    found += [f"{path}: a module called {part}" for part in path.with_suffix("").parts if part in BANNED]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and BANNED & set(
            re.findall("[a-z]+", re.sub("[A-Z]", r" \g<0>", node.name).lower())
        ):
            found.append(f"{path}: a class called {node.name}")
    if (lines := source.count("\n")) > LONGEST:
        found.append(f"{path}: {lines} lines")
    return found


def circles(sources: Mapping[PurePosixPath, str]) -> list[list[str]]:
    """The groups of modules that import each other, directly or indirectly, with any kind of import."""
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in sources}
    imports = {
        name: {found for each in imported(path, ast.parse(sources[path])) if (found := _module(each, names))}
        for name, path in names.items()
    }
    reached = {name: _reached(name, imports) for name in names}
    groups = {
        frozenset({name, *(other for other in reached[name] if name in reached[other])}) for name in names
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _module(name: str, names: Container[str]) -> str:
    """Our module that an imported name is or belongs to; "" for other libraries."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def _reached(start: str, imports: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = imports[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def crowded(paths: Iterable[PurePath]) -> list[str]:
    """The folders with too many modules, and the packages with too many rooms."""
    modules = [path for path in paths if path.name != "__init__.py"]
    files = Counter(str(path.parent) for path in modules)
    rooms = Counter(package for package, _ in {path.parts[:2] for path in modules})
    return [
        *(f"{folder}: {count} modules" for folder, count in sorted(files.items()) if count > MOST_FILES),
        *(f"{top}: {rooms[top]} rooms" for top, most in MOST_ROOMS.items() if rooms[top] > most),
    ]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_module_keeps_to_the_layers(path: Path) -> None:
    """Every module imports only what its layer may, has a telling name and fits on a few screens."""
    assert violations(PurePosixPath(path), (ROOT / path).read_text(encoding="utf-8")) == []


def test_no_class_name_means_two_things() -> None:
    """A search for a class finds exactly one, and its name says which one it is."""
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_modules_import_each_other() -> None:
    """A module can be read and changed by knowing only those below it; type-only imports count too."""
    assert circles({PurePosixPath(path): (ROOT / path).read_text("utf-8") for path in MODULES}) == []


def test_a_circle_is_seen_however_it_is_closed() -> None:
    """By a type-only import, one inside a function, a relative one, and through a third module."""
    sources = {
        "bot/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bot.b import B",
        "bot/b.py": "def f():\n    from . import c",
        "bot/c.py": "import bot.a",
        "bot/d.py": "from bot import a",
        "bot/__init__.py": "",
    }
    found = circles({PurePosixPath(path): source for path, source in sources.items()})
    assert found == [["bot.a", "bot.b", "bot.c"]]


def test_every_folder_is_a_few_files() -> None:
    """Whoever opens a folder sees at a glance what is in it."""
    assert crowded([*MODULES, *TESTS]) == []


def test_a_crowded_folder_is_seen() -> None:
    """One module too many, or one room too many; an __init__ counts as neither."""
    full = [PurePosixPath(f"bot/{room}/{number}.py") for room in range(20) for number in range(MOST_FILES)]
    full += [path.with_name("__init__.py") for path in full]
    assert crowded(full) == []
    assert crowded([*full, PurePosixPath("bot/0/more.py")]) == ["bot/0: 15 modules"]
    assert crowded([*full, PurePosixPath("bot/more.py")]) == ["bot: 21 rooms"]


def test_every_package_is_looked_at() -> None:
    """The rules apply to existing modules: each of the four packages has some."""
    assert {path.parts[0] for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("kernels/cell/run.py", "import bot.turn"),
        ("kernels/cell/run.py", "from bot import turn"),
        ("filestore/store.py", "def f():\n    from kernels.cell.run import Run"),
        ("config/log.py", "import filestore"),
        ("bot/turn.py", "import nextcord"),
        ("bot/turn.py", "from openai.types import Reasoning"),
        ("bot/sessions.py", "import motor.motor_asyncio"),
        ("filestore/sqlite/files.py", "from motor import motor_asyncio"),
        ("kernels/kernel.py", "from watchfiles import awatch"),
        ("bot/transcript.py", "import nbformat"),
        ("kernels/client/node.py", "from jupyter_server.serverapp import ServerApp"),
        ("kernels/inside/limits.py", "from kernels import errors"),
        ("kernels/inside/limits.py", "from ..errors import KernelError"),
        ("kernels/utils.py", ""),
        ("kernels/common/text.py", ""),
        ("bot/turn.py", "class SessionManager: ..."),
        ("bot/turn.py", "class BaseTurn: ..."),
        ("bot/turn.py", "\n" * 401),
    ],
)
def test_planted_violation_is_caught(path: str, source: str) -> None:
    """Each rule reports a module that breaks it, once."""
    assert len(violations(PurePosixPath(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "bot/turn.py",
            "from kernels.cell.run import Run\nimport filestore, config.settings\nfrom bot import reply",
        ),
        ("bot/discord/client.py", "import nextcord"),
        ("filestore/mongo/files.py", "import motor.motor_asyncio"),
        ("kernels/workspace/observer.py", "import watchfiles"),
        ("kernels/inside/files/stored.py", "from .limits import cap\nfrom kernels.inside import limits"),
        ("bot/turn.py", "class Turn(BaseHTTPServer): ...\nclass Based: ..."),
        ("bot/turn.py", "\n" * 400),
    ],
)
def test_what_the_layers_allow_passes(path: str, source: str) -> None:
    """A module that keeps the rules is not reported."""
    assert violations(PurePosixPath(path), source) == []
