"""Undo, checkpoints and branches at the terminal and over JSON, with kernels in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.compose import compose
from bot.terminal.machine.jsonl import JsonLines
from bot.terminal.repl import Repl
from bot.terminal.screen import Screen
from config.settings import Settings, load
from tests.live.cells import until


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a program that saves variables."""
    return load(data=tmp_path / "data", node="none", preload="none", state="on")


async def read(settings: Settings, *cells: str) -> bool:
    """Run cells and commands as a script at the terminal; whether none failed."""
    screen = Screen(settings.data / "pictures", str, colour=False)
    async with compose(settings, partial(Repl, screen=screen, user_id=1)) as sessions:
        terminal = sessions.front
        assert isinstance(terminal, Repl)
        return await terminal.read("\n# %%\n".join(cells))


async def asked(settings: Settings, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """What the JSON interface says to these requests of one user; variables are saved after each cell."""
    told: list[dict[str, Any]] = []

    def has_ended(cell: int) -> bool:
        return any(line["event"] == "result" and line["cell"] == cell for line in told)

    async def room() -> None:
        """Nobody reads slowly."""

    def write(line: str) -> None:
        told.append(json.loads(line))

    async with compose(settings, partial(JsonLines, write=write, room=room)) as sessions:
        front = sessions.front
        assert isinstance(front, JsonLines)

        async def lines() -> AsyncIterator[bytes]:
            cell = 0
            for request in requests:
                yield json.dumps(request).encode()
                if "code" in request:
                    cell += 1
                    await until(partial(has_ended, cell))
                    kernel = (await sessions.session(1, "json")).kernel
                    while (await kernel.state()).saved < cell:  # noqa: ASYNC110  nothing tells of it
                        await asyncio.sleep(0.02)  # a cell that comes sooner is saved with the next one

        await front.serve(lines())
    return told


async def test_the_terminals_commands_take_cells_back(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Variables and files go back and forth, checkpoints are kept, and a branch changes nothing here."""
    assert await read(
        settings,
        "x = [1]; open('a.txt', 'w').write('one'); it = iter(open('a.txt'))",
        "%checkpoint save clean",
        "x.append(2); open('a.txt', 'w').write('two')",
        "%undo",
        "print('back', x, open('a.txt').read())",
        "%undo",
        "%redo",
        "%checkpoint list",
        "%branch 'what if'",
        "x = 'branched'",
        "%branch main",
        "print('main', x)",
        "%branch 'what if'",
        "print('there', x)",
        "%branch",
        "%vars",
    )
    shown = capsys.readouterr().out
    assert "Checkpoint `clean`" in shown
    assert "Undone: cell 2." in shown
    assert "back [1] one" in shown
    assert "Redone: cell 3." in shown
    assert "- `clean`, as after cell 1" in shown
    assert "The branch `what if` begins with your variables and files as after cell" in shown
    assert "main [1]" in shown
    assert "there branched" in shown
    assert "You are in `what if`." in shown
    assert "Saved as of cell" in shown


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("%undo x", "how many cells"),
        ("%undo", "nothing to take back"),
        ("%redo 2", "takes nothing"),
        ("%checkpoint", "no checkpoints"),
        ("%checkpoint save", "save NAME"),
        ("%checkpoint restore gone", "no checkpoint"),
        ("%branch a b", "one name"),
    ],
)
async def test_a_command_that_cannot_be_carried_out_says_why(
    settings: Settings, capsys: pytest.CaptureFixture[str], command: str, told: str
) -> None:
    """And ends a script, unless there is just nothing to list."""
    assert await read(settings, command) == (command == "%checkpoint")
    assert told in capsys.readouterr().out


async def test_json_requests_take_cells_back(settings: Settings) -> None:
    """The answers have all that a program needs: cells, values and files, and where it really is now."""
    told = await asked(
        settings,
        {"code": "x = 1; open('a.txt', 'w').write('one')"},
        {"code": "x = 2; y = 3; open('a.txt', 'w').write('two')"},
        {"variables": True},
        {"undo": 1},
        {"redo": True},
        {"checkpoint": "save", "name": "clean"},
        {"code": "x = 9"},
        {"checkpoint": "restore", "name": "clean"},
        {"checkpoint": "list"},
        {"checkpoint": "forget", "name": "clean"},
        {"branch": "b"},
        {"branch": True},
        {"branch": "main"},
        {"undo": True},
        {"checkpoint": "keep"},
        {"undo": 99},
    )
    (there,) = (line for line in told if line["event"] == "variables")
    assert {"name": "x", "type": "int", "detail": "2"} in there["variables"]
    assert (there["alive"], there["saved"], there["unsaved"]) == (True, 2, [])
    undone, redone, restored, all_of_it = (line for line in told if line["event"] == "undone")
    assert (undone["kind"], undone["cells"], undone["as_of"]) == ("undo", [2], 1)
    assert {(one["name"], one["was"], one["now"]) for one in undone["changed"]} >= {("y", "int 3", "")}
    assert undone["files"] == [{"name": "a.txt", "cell": 1, "gone": False}]
    assert undone["message"].startswith("Undone: cell 2.")
    assert (redone["kind"], redone["again"], redone["as_of"]) == ("redo", [2], 2)
    assert (restored["kind"], restored["name"], restored["cells"]) == ("restore", "clean", [3])
    assert (all_of_it["cells"], all_of_it["as_of"]) == ([1, 2], 0)
    (kept,) = (line for line in told if line["event"] == "checkpoint")
    (listed,) = (line for line in told if line["event"] == "checkpoints")
    assert (kept["name"], kept["cell"]) == ("clean", 2)
    assert kept["unsaved"] == []
    assert [one["name"] for one in listed["checkpoints"]] == ["clean"]
    begun, back = (line for line in told if line["event"] == "branch")
    assert (begun["name"], begun["cell"], begun["begun"], begun["here"]) == ("b", 2, True, True)
    assert (back["name"], back["begun"]) == ("main", False)
    errors = [line["message"] for line in told if line["event"] == "error"]
    assert errors == [
        "undo is the number of cells, 1 or more",
        'checkpoint is "save", "restore", "forget" or "list"',
    ]
