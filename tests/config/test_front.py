"""Which program `make run` starts: the bot if the settings have a token, else the terminal."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.front import front
from config.settings import load


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working folder, whose `.env` is read, and no token."""
    monkeypatch.delenv("KERNELCORD_ENV")
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("DISCORD_TOKEN=abc", "bot"),
        ("export DISCORD_TOKEN=abc", "bot"),
        ("DISCORD_TOKEN = abc", "bot"),
        ("discord_token='abc'", "bot"),
        ("DISCORD_TOKEN=''", "bot.console"),
        ("DISCORD_TOKEN", "bot.console"),
        ("# DISCORD_TOKEN=abc", "bot.console"),
        ("", "bot.console"),
    ],
)
def test_a_token_in_the_file_starts_the_bot(tmp_path: Path, text: str, program: str) -> None:
    """However it is written there, the bot is started exactly when it would find its token."""
    (tmp_path / ".env").write_text(text)
    assert front() == program
    assert (load().discord_token is not None) == (program == "bot")


def test_a_token_elsewhere_starts_the_bot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the environment, or in the file that KERNELCORD_ENV names."""
    monkeypatch.setenv("DISCORD_TOKEN", "abc")
    assert front() == "bot"
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert front() == "bot.console"
    (tmp_path / "my.env").write_text("DISCORD_TOKEN=abc")
    monkeypatch.setenv("KERNELCORD_ENV", "my.env")
    assert front() == "bot"


def test_a_file_that_cannot_be_read_is_left_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal says what is wrong with the file, and ends."""
    monkeypatch.setenv("KERNELCORD_ENV", "nowhere")
    assert front() == "bot.console"


@pytest.mark.parametrize(("token", "program"), [("abc", "bot"), ("", "bot.console")])
def test_make_run_starts_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, program: str
) -> None:
    """The Makefile asks which program to start, and starts it."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$2" = config.front ] && exec {sys.executable} "$@"\necho "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".env").write_text(f"export DISCORD_TOKEN={token}")
    monkeypatch.setenv("PYTHONPATH", str(root))
    command = ["make", "-sf", root / "Makefile", "run", "SETUP=@true", f"BIN={tmp_path}", "ARGS=--timeout 5s"]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert ran.stdout == f"-m {program} --timeout 5s\n"
