"""Nobody is shown a path of the host, or advice that only whoever runs the program can follow.

`tests.sentences` checks what people are told in all tests; here it is tested itself, and every text in the
program's source is checked.
"""

import ast
import io
import json
import re
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.compose import compose
from bot.terminal.screen import Screen
from config.settings import load
from tests import sentences
from tests.conftest import nothing_wrong
from tests.loopback.loopback import loopback
from tests.loopback.raw import raw_client
from tests.program import Program
from tests.sentences import ALLOWED, FORBIDDEN, ROOT, problems

PACKAGES = ("bot", "kernels", "filestore")
NAME = re.compile(r"[\w./*-]+")  # a name or a path, not a sentence
# Their arguments are for whoever runs the program: the log, and the errors that end the program.
CALLS = {"log", "Misconfigured", "SandboxUnavailable"}

# Other places with such texts, and why nobody else reads them.
OPERATORS: dict[tuple[str, str], str] = {
    ("bot/__main__.py", "UNSET"): "the program ends with it",
    ("bot/wording/error_messages.py", "ADVICE"): "`advice` alone tells it, to whoever runs the program",
    ("bot/wording/error_messages.py", "at_start"): "the program ends with it",
    ("bot/discord/supervise.py", "REFUSED"): "the program ends with it",
    ("bot/model/prompt.py", "NETWORK"): "the model can do it, in the person's kernel",
    ("kernels/sandbox/selftest.py", "REMEDIES"): "it is the remedy of SandboxUnavailable",
}


def texts(path: Path) -> Iterator[tuple[str, str, bool]]:
    """The texts of a module: where each one is, the text, and whether it is an argument of one of `CALLS`."""

    def walk(node: ast.AST, place: str, given: bool) -> Iterator[tuple[str, str, bool]]:
        match node:
            case ast.Expr(value=ast.Constant()):  # a docstring
                return
            case ast.Constant(value=str(text)):
                yield place, text, given
                return
            case ast.JoinedStr(values=values):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values]
                yield place, "".join(parts), given
            case ast.Call(func=ast.Name(name) | ast.Attribute(value=ast.Name(name))):
                given = given or name in CALLS
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                place = place or name
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                place = place or name
        inner = (
            [value for value in node.values if isinstance(value, ast.FormattedValue)]
            if isinstance(node, ast.JoinedStr)
            else ast.iter_child_nodes(node)
        )
        for child in inner:
            yield from walk(child, place, given)

    yield from walk(ast.parse(path.read_text()), "", False)


FOUND = [
    (str(path.relative_to(ROOT)), place, text, kind)
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    for place, text, given in texts(path)
    for kind, pattern in FORBIDDEN.items()
    if not given and not NAME.fullmatch(text) and pattern.search(text)
]


def test_only_texts_for_the_operator_have_the_operators_words() -> None:
    """Checks all texts in the program; each exception is needed, and gives its reason."""
    wrong = [
        f"{file}, {place}: {text!r} ({kind})"
        for file, place, text, kind in FOUND
        if (file, place) not in OPERATORS
    ]
    assert wrong == []
    assert {(file, place) for file, place, _, _ in FOUND} == set(OPERATORS)
    assert all(OPERATORS.values())
    assert all(reason for _, _, reason in ALLOWED)


def test_every_text_of_the_program_is_looked_at(tmp_path: Path) -> None:
    """In a table, in a call, in an f-string; docstrings are left out, and log lines are marked."""
    module = tmp_path / "module.py"
    module.write_text(
        '"""A module."""\nTABLE = {ValueError: lambda error: f"set {error.name} and MAX_MEMORY"}\n'
        'class Kind:\n    """Documented."""\n    def told(self):\n        """So is this."""\n'
        '        log.warning("see %s", "to it")\n        return "one" " text"\n'
    )
    assert list(texts(module)) == [
        ("TABLE", "set {} and MAX_MEMORY", False),
        ("told", "see %s", True),
        ("told", "to it", True),
        ("told", "one text", False),
    ]


@pytest.mark.parametrize(
    "told",
    [
        "Set OPENAI_API_KEY, and ask again.",
        "It ran out of memory (MAX_MEMORY=64MiB).",
        "Start it with --sandbox none.",
        "Run `make run` again.",
        "Add it to setup.cfg.",
        "Use pip install scipy.",
        "Tier A needs user namespaces.",
        f"{ROOT}/kernels/zygote.py:7: UserWarning: odd",
        "../.venv-kernels/bin/python: No module named ipykernel",
        f"File {sysconfig.get_path('stdlib')}/json/decoder.py:355",
        "File /opt/lib/python3.12/site-packages/pandas/core/frame.py:3",
        "No such file: /tmp/kernelcord-run-x7/socket",
        "Permission denied: /proc/4711/fd/3",
        "/tmp/pytest-of-ada/pytest-1/data/files/a.csv is gone",
    ],
)
def test_what_nobody_should_read_is_found(told: str) -> None:
    """It is found within any text and shown with its surroundings, unless the person wrote it themselves."""
    (found, *_) = problems(f"Look: {told}")
    assert told[:20] in found
    sentences.written({"code": [f"print({told!r})"]})
    assert list(problems(f"Look: {told}")) == []
    sentences.take(over=True)
    assert list(problems(told)) != []


@pytest.mark.parametrize(
    "told",
    [
        "File site-packages/pandas/core/frame.py:3, python3.12/json/decoder.py:355",
        "Make room and try again; make it smaller.",
        "Files in /tmp, /mnt/data and /proc/self/fd are not kept: `/files`",
        "The MODEL_NAME, $MODEL and a model; no sandbox; --data-file; %env",
    ],
)
def test_what_people_may_read_is_passed_over(told: str) -> None:
    """A library's own path, commands, and words that only look alike."""
    assert list(problems(told)) == []


def test_files_and_archives_are_looked_into() -> None:
    """A notebook's cells and outputs are checked, and each file in a zip."""
    path = f"{ROOT}/data"
    notebook = json.dumps({"cells": [{"source": "1", "outputs": [{"text": f"\u00e4 {path}"}]}]}).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("inner/notebook.ipynb", notebook)
    for data in (notebook, archive.getvalue(), path.encode()):
        sentences.read("a file", {"files": [("name", data)]})
        (found,) = sentences.take(over=True)
        assert path in found


def test_a_test_in_which_it_was_told_fails_with_the_sentence(tmp_path: Path) -> None:
    """The terminal's user runs the program: they may read advice and their own paths, and no others."""
    screen = Screen(tmp_path / "pictures", str, colour=False)
    screen.note(f"Set OPENAI_API_KEY. [picture: {tmp_path}/pictures/cell-1-1.png]")
    nothing_wrong(over=True)
    screen.note(f"UserWarning at {ROOT}/.venv/odd.py")
    with pytest.raises(AssertionError, match=r"the terminal: the repository, .*odd\.py"):
        nothing_wrong(over=True)
    nothing_wrong(over=True)


PLANTED = "Ask again once MAX_MEMORY is larger."


async def test_everything_that_a_bot_sends_to_discord_is_looked_at() -> None:
    """Messages, embeds, names and contents of files, buttons, private answers, forms and suggestions."""
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": PLANTED, "custom_id": "x"}]}
    field = {"type": 1, "components": [{"type": 4, "style": 1, "label": "Code", "custom_id": "c"}]}
    option = {"name": "code", "description": "Code", "type": 3, "autocomplete": True}
    async with loopback() as discord, raw_client(discord) as raw:
        ada, general = discord.guild.member("ada"), discord.guild.channel("general")
        await raw.register({"name": "run", "description": "Run", "options": [option]})
        assert sentences.take(over=True) == []
        for body, files in (
            ({"content": PLANTED}, None),
            ({"embeds": [{"title": "a", "description": PLANTED}]}, None),
            ({"content": "a", "components": [row]}, None),
            ({"content": "a"}, {0: ("MAX_MEMORY.txt", b"")}),
            ({"content": "a"}, {0: ("a.txt", PLANTED.encode())}),
        ):
            await raw("POST", f"/channels/{general.id}/messages", body, files)
            assert len(sentences.take(over=True)) == 1, body
        typed = await ada.autocomplete(general, "run", "code", "a")
        await raw.callback(typed, 8, {"choices": [{"name": PLANTED, "value": "a"}]})
        for kind, data in (
            (4, {"content": PLANTED, "flags": 64}),
            (9, {"title": PLANTED, "custom_id": "x", "components": [field]}),
        ):
            assert len(sentences.take(over=True)) == 1
            await raw.callback(await ada.slash(general, "run", code="a"), kind, data)
        (found,) = sentences.take(over=True)
        assert found.startswith("Discord, POST /interactions/")
        assert PLANTED in found
        await ada.say(general, f"What is {PLANTED}")
        await raw("POST", f"/channels/{general.id}/messages", {"content": f"You said: {PLANTED}"})
        assert sentences.take(over=True) == []


async def test_everything_that_the_program_answers_is_looked_at(tmp_path: Path) -> None:
    """A cell's output, result and errors, but not `advice`, nor what the person has written."""
    async with Program.start(tmp_path, NODE="none", SANDBOX="none") as program:
        await program.run("print('Raise MAX' '_MEMORY')")
        found = sentences.take(over=True)
        assert {place.split(": ")[0] for place in found} == {"--json, stream, text", "--json, result, output"}
        await program.answer(id=program.send(ask="Hello"), event="error")
        await program.run("print('Raise MAX_MEMORY')")
        assert sentences.take(over=True) == []


async def test_everything_that_a_cell_shows_is_looked_at(tmp_path: Path) -> None:
    """Even if a test runs the cell without Discord, the terminal or `--json`."""
    settings = load(data=tmp_path, node="none", preload="none", sandbox="none")
    async with compose(settings) as sessions:
        await sessions.execute_code("1 / int('0')  # MAX_TEXT", 1)
        assert sentences.take(over=True) == []
        await sessions.execute_code("raise ValueError('MAX' '_TEXT')", 1)
        (found, *_) = sentences.take(over=True)
    assert found.startswith("a cell: a setting, 'MAX_TEXT'")
