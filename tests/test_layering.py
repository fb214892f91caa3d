"""Who may import whom, what nothing is called, and how long a module gets (architecture, section 1)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400  # lines
MAY_IMPORT = {
    "bot": {"bot", "config", "filestore", "kernels"},
    "config": {"config"},
    "filestore": {"filestore"},
    "kernels": {"kernels"},
}
# A module's path starts with what may import the library; the rest of the project goes through it.
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


def imported(path: PurePosixPath, tree: ast.AST) -> Iterator[str]:
    """The full names of what a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = path.parts[: len(path.parts) - node.level] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def violations(path: PurePosixPath, source: str) -> list[str]:
    """What a module at `path` with this source does against the rules."""
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


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_module_keeps_to_the_layers(path: Path) -> None:
    """Every module imports only what its layer may, has a telling name and fits on a few screens."""
    assert violations(PurePosixPath(path), (ROOT / path).read_text(encoding="utf-8")) == []


def test_every_package_is_looked_at() -> None:
    """The rules are about modules that exist: each of the four packages has some."""
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
    """Each rule sees a module that breaks it, and only once."""
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
    """The rules leave alone what keeps to them."""
    assert violations(PurePosixPath(path), source) == []
