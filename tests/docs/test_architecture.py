"""The map, the walks and the tables of ARCHITECTURE.md are true."""

import ast
import asyncio
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import unwrap
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from bot.compose import compose
from config.settings import load
from tests.discord.kernelcord import run, running
from tests.loopback.loopback import Discord

PACKAGES = ("bot", "kernels", "filestore", "config")
STEP = re.compile(r"^\d+\. `([\w/]+\.py)` `([\w.]+)` ", re.MULTILINE)
INSIDE = "kernels/inside/"  # runs in another process
# It lasts a second: a cell that ends at once is shown only in its final state, without an edit before.
CELL = "print('a line')\nopen('a.txt', 'w').write('a file')\nimport time; time.sleep(1)"


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    """The page."""
    return (root / "ARCHITECTURE.md").read_text(encoding="utf-8")


def walk(text: str, title: str) -> list[tuple[str, str]]:
    """The steps of a walk, each a file and the name in it."""
    part = text.partition(f"## The walk of a {title}\n")[2].partition("\n## ")[0]
    return STEP.findall(part)


def names(source: str) -> set[str]:
    """The functions and methods that a module defines, such as `begin` and `Chat.on_message`."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


@pytest.mark.parametrize("title", ["message", "printed line", "captured file", "restart", "saved variable"])
def test_every_step_of_a_walk_is_there(text: str, root: Path, title: str) -> None:
    """Its file exists, and defines the name."""
    steps = walk(text, title)
    assert len(steps) >= 10
    for file, name in steps:
        assert name in names((root / file).read_text(encoding="utf-8")), f"{file} has no {name}"


def test_the_map_has_every_room(text: str, root: Path) -> None:
    """It has one line for each folder of the product, and none for a folder that is gone."""
    rooms = {str(path.parent.relative_to(root)) for name in PACKAGES for path in (root / name).rglob("*.py")}
    table = text.partition("## The map\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([\w/]+)/` \|", table, re.MULTILINE)
    assert sorted(rooms - set(listed)) == []
    assert [room for room in listed if not (root / room).is_dir()] == []
    assert len(set(listed)) == len(listed)


def test_every_file_named_is_there(text: str, root: Path) -> None:
    """Files named in the tables, in the decisions and in CONTRIBUTING.md exist too."""
    both = text + (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:bot|kernels|filestore|config|tests|bench|docs)/[\w./]*)`", both))
    assert len(named) > 60
    assert sorted(path for path in named if not (root / path).exists()) == []


@contextmanager
def noted(steps: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """While entered, record each step as it is taken, in order and with repeats."""
    codes: dict[CodeType, tuple[str, str]] = {}
    for file, name in steps:
        value: Any = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        for part in name.split("."):
            value = getattr(value, part)
        codes[unwrap(value).__code__] = (file, name)
    called: list[tuple[str, str]] = []

    def start(code: CodeType, _offset: int) -> None:
        called.append(codes[code])

    tool, events = sys.monitoring.PROFILER_ID, sys.monitoring.events
    sys.monitoring.use_tool_id(tool, "walks")
    try:
        sys.monitoring.register_callback(tool, events.PY_START, start)
        for code in codes:
            sys.monitoring.set_local_events(tool, code, events.PY_START)
        yield called
    finally:
        for code in codes:
            sys.monitoring.set_local_events(tool, code, 0)
        sys.monitoring.free_tool_id(tool)


async def test_a_cell_takes_the_steps_in_their_order(text: str, discord: Discord, tmp_path: Path) -> None:
    """A Discord message with code that prints and writes a file, run by a kernel in the bot itself."""
    walks = {
        title: [step for step in walk(text, title) if not step[0].startswith(INSIDE)]
        for title in ("message", "printed line", "captured file")
    }
    loading = walks["captured file"].index(("kernels/broker.py", "Broker._serve"))
    with noted([step for steps in walks.values() for step in steps]) as called:
        async with running(discord, tmp_path, node="none", preload="none"):
            await run(discord, discord.guild.member("ada"), CELL)
    walks["captured file"] = walks["captured file"][:loading]
    for title, steps in walks.items():
        later = iter(called)
        assert [step for step in steps if step not in later] == [], title


async def test_a_variable_is_saved_and_comes_back_by_the_steps_in_their_order(
    text: str, tmp_path: Path
) -> None:
    """A cell makes it, the next one ends its kernel, and the third has it again."""
    steps = [step for step in walk(text, "saved variable") if not step[0].startswith(INSIDE)]
    settings = load(data=tmp_path, node="none", preload="none", sandbox="none", state="on")
    with noted(steps) as called:
        async with compose(settings) as sessions:
            await sessions.execute_code("kept = 41", 1)
            kernel = (await sessions.session(1, "terminal")).kernel
            while not (await kernel.state()).saved:  # noqa: ASYNC110  nothing tells when a save is whole
                await asyncio.sleep(0.02)
            died = await sessions.execute_code("import os; os._exit(3)", 1)
            result = await sessions.execute_code("kept + 1", 1)
    assert (died.as_of, died.lost, result.output) == (1, (), "42\n")
    later = iter(called)
    assert [step for step in steps if step not in later] == []
