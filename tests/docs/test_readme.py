"""What the README and the pages in docs/ say is true."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from configparser import ConfigParser
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from bot.terminal.machine import json_fields, jsonl, undo_requests
from bot.terminal.machine.jsonl import JsonLines
from config.settings import table

LONGEST = 180  # lines of the README; longer material belongs on a page of docs/


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    """The README's text."""
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, str]:
    """The pages of docs/, by their names."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (root / "docs").glob("*.md")}


@pytest.fixture(scope="module")
def everything(readme: str, pages: dict[str, str]) -> str:
    """The README and all pages, one after the other."""
    return "\n".join([readme, *pages.values()])


def between(text: str, name: str) -> str:
    """The text between the comments that mark the part `name`."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def flags(text: str) -> set[str]:
    """The flags named in a text."""
    return set(re.findall(r"--[a-z-]{3,}", text))


def of_program(name: str) -> set[str]:
    """The flags that a program's help names."""
    command = [sys.executable, "-m", name, "--help"]
    return flags(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_readme_is_short_and_leads_to_every_page(readme: str, pages: dict[str, str]) -> None:
    """A newcomer reads it in two minutes, and finds the rest from there."""
    assert readme.count("\n") <= LONGEST
    assert [name for name in pages if f"](docs/{name}.md)" not in readme] == []


def test_commands_are_targets(everything: str, root: Path) -> None:
    """Each `make ...` that is named is a target of the Makefile, with its line in `make help`."""
    named = set(re.findall(r"^make ([a-z]+)|`make ([a-z]+)", everything, re.MULTILINE))
    commands = {first or second for first, second in named}
    targets = set(re.findall(r"^([a-z]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test"} <= commands <= targets


def test_settings_table_is_the_generated_one(pages: dict[str, str]) -> None:
    """`python -m config` prints the table of docs/settings.md."""
    assert between(pages["settings"], "settings") == table()


def test_kernels_packages_are_those_installed(pages: dict[str, str], root: Path) -> None:
    """docs/kernels.md lists what setup.cfg has in its extra `kernels`, and nothing else."""
    parser = ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    extra = parser["options.extras_require"]["kernels"].split("\n")
    wanted = {re.split(r"[ <>=]", line)[0] for line in extra if line}
    assert set(between(pages["kernels"], "kernels").replace("\n", " ").rstrip(".").split(", ")) == wanted


def test_default_retentions_are_the_settings(pages: dict[str, str]) -> None:
    """The times in the table of what is kept match the defaults of the settings."""
    assert "`RETENTION` | `--retention` | `48h`" in table()
    assert "`TRANSCRIPT_RETENTION` | `--transcript-retention` | `30d`" in table()
    assert "48 hours" in pages["operating"]
    assert "30 days" in pages["operating"]


def test_flags_are_flags(everything: str) -> None:
    """Every flag that is named exists."""
    named = flags(everything.replace("<!--", "").replace("-->", ""))
    assert {"--timeout", "--replay", "--quick"} <= named
    programs = ("bot.console", "bench", "kernels.kernelspec", "kernels.sandbox")
    assert named <= set().union(*map(of_program, programs))


async def test_requests_and_events_are_all_there(pages: dict[str, str]) -> None:
    """The machine interface has exactly the requests and events that docs/json.md lists."""
    listed = pages["json"].partition("Requests: ")[2].partition("\n\n")[0]
    requests, _, events = listed.partition("Events: ")
    told: list[str] = []

    async def lines() -> AsyncIterator[bytes]:
        yield b"{}"

    await JsonLines(cast(Any, None), told.append, partial(asyncio.sleep, 0)).serve(lines())
    taken = json.loads(told[0])["message"].partition(": ")[2].split(", ")
    assert set(re.findall(r"`(\w+)`", requests)) == {*taken, "user_files", "keep_going", "name"}
    sources = "".join(
        Path(module.__file__).read_text("utf-8") for module in (json_fields, jsonl, undo_requests)
    )
    said = {*json_fields.NAMES.values(), *re.findall(r'"event": "(\w+)"', sources)}
    assert set(re.findall(r"`(\w+)`", events)) == said


def test_local_links_resolve(root: Path) -> None:
    """Every link to a file of the project leads to one."""
    texts = [*root.glob("*.md"), *root.glob("docs/*.md")]
    assert len(texts) > 10
    links = [
        (path, link)
        for path in texts
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8"))
    ]
    assert [(str(path), link) for path, link in links if not (path.parent / link).exists()] == []


def test_folders_named_are_there(everything: str, root: Path) -> None:
    """Every package and module that is mentioned exists."""
    named = set(re.findall(r"(?<![\w-])((?:bot|kernels|filestore|config)/[a-z_/.]*)", everything))
    assert "bot/turn.py" in named
    assert [path for path in named if not (root / path).exists()] == []
