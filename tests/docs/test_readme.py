"""What the README says is true."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any, cast

import pytest

from bot.terminal import json_fields, jsonl
from bot.terminal.jsonl import JsonLines
from config.settings import table


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    """The README's text."""
    return (root / "README.md").read_text(encoding="utf-8")


def between(text: str, name: str) -> str:
    """What stands between the comments that mark the part `name`."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def flags(text: str) -> set[str]:
    """The flags named in a text."""
    return set(re.findall(r"--[a-z-]{3,}", text))


def of_program(name: str) -> set[str]:
    """The flags that a program's help names."""
    command = [sys.executable, "-m", name, "--help"]
    return flags(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_commands_are_targets(readme: str, root: Path) -> None:
    """Each `make ...` of the README is a target of the Makefile, with its line in `make help`."""
    named = set(re.findall(r"^make ([a-z]+)|`make ([a-z]+)", readme, re.MULTILINE))
    commands = {first or second for first, second in named}
    targets = set(re.findall(r"^([a-z]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test"} <= commands <= targets


def test_settings_table_is_the_generated_one(readme: str) -> None:
    """`python -m config` prints the README's table of settings."""
    assert between(readme, "settings") == table()


def test_kernels_packages_are_those_installed(readme: str, root: Path) -> None:
    """The README lists what setup.cfg has in its extra `kernels`, and nothing else."""
    parser = ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    extra = parser["options.extras_require"]["kernels"].split("\n")
    wanted = {re.split(r"[ <>=]", line)[0] for line in extra if line}
    assert set(between(readme, "kernels").replace("\n", " ").rstrip(".").split(", ")) == wanted


def test_default_retentions_are_the_settings(readme: str) -> None:
    """The times in the table of what is kept are the settings' defaults."""
    assert "`RETENTION` | `--retention` | `48h`" in table()
    assert "`TRANSCRIPT_RETENTION` | `--transcript-retention` | `30d`" in table()
    assert "48 hours" in readme
    assert "30 days" in readme


def test_flags_are_flags(readme: str) -> None:
    """Every flag that the README names exists."""
    named = flags(readme.replace("<!--", "").replace("-->", ""))
    assert {"--timeout", "--replay", "--quick"} <= named
    programs = ("bot.console", "bench", "kernels.kernelspec", "kernels.sandbox")
    assert named <= set().union(*map(of_program, programs))


async def test_requests_and_events_are_all_there(readme: str) -> None:
    """The machine interface takes the requests that the README lists and says its events, and no others."""
    listed = readme.partition("Requests: ")[2].partition("\n\n")[0]
    requests, _, events = listed.partition("Events: ")
    told: list[str] = []

    async def lines() -> AsyncIterator[bytes]:
        yield b"{}"

    await JsonLines(cast(Any, None), told.append).serve(lines())
    taken = json.loads(told[0])["message"].partition(": ")[2].split(", ")
    assert set(re.findall(r"`(\w+)`", requests)) == {*taken, "user_files", "keep_going"}
    sources = "".join(Path(module.__file__).read_text("utf-8") for module in (json_fields, jsonl))
    said = {*json_fields.NAMES.values(), *re.findall(r'"event": "(\w+)"', sources)}
    assert set(re.findall(r"`(\w+)`", events)) == said


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_local_links_resolve(root: Path, name: str) -> None:
    """A link to a file of the project leads to one."""
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", (root / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (root / link).exists()] == []


def test_folders_named_are_there(readme: str, root: Path) -> None:
    """The packages and modules that the README explains exist."""
    named = set(re.findall(r"(?<![\w-])((?:bot|kernels|filestore|config)/[a-z_/.]*)", readme))
    assert "bot/turn.py" in named
    assert [path for path in named if not (root / path).exists()] == []
