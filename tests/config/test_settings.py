"""Settings: where a value comes from, how it is written, and what is said if it cannot be used."""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ByteSize, ValidationError

from config.errors import InvalidSettings
from config.settings import Settings, add_flags, from_args, load, table
from config.units import MiB, duration, written

GiB = 1024 * MiB


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working folder, and none of our variables."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("KERNELCORD_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def parsed(*flags: str, **defaults: Any) -> Settings:
    """The settings that these flags give."""
    parser = ArgumentParser()
    add_flags(parser)
    return from_args(parser.parse_args(flags), **defaults)


def test_defaults_are_those_of_the_design(root: Path) -> None:
    """The defaults are a minute for a cell, 48 hours and 50 MiB for a file, and data beside the code."""
    settings = load()
    assert settings.cell_timeout == timedelta(seconds=60)
    assert settings.retention == timedelta(hours=48)
    assert settings.max_file == 50 * MiB
    assert settings.quota == GiB
    assert settings.data == root / "data"
    assert settings.kernel_python == root / ".venv-kernels" / "bin" / "python"


def test_every_default_is_a_value_that_is_accepted() -> None:
    """Setting a default explicitly changes nothing, so the table of settings can be copied into .env."""
    plain = load()
    named = {name: written(value) for name, value in plain if value is not None}
    assert load(**named) == plain


def test_environment_is_read_without_a_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each variable is the setting's name in capitals; only the data folder's starts with KERNELCORD."""
    monkeypatch.setenv("CELL_TIMEOUT", "5m")
    monkeypatch.setenv("MAX_FILES", "3")
    monkeypatch.setenv("KERNELCORD_DATA", "here")
    monkeypatch.setenv("DATA", "elsewhere")
    settings = load()
    assert (settings.cell_timeout, settings.max_files) == (timedelta(minutes=5), 3)
    assert settings.data == tmp_path / "here"


def test_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """`MONGODB_URI=` in a compose file means no MongoDB, not a broken address."""
    monkeypatch.setenv("MONGODB_URI", "")
    monkeypatch.setenv("QUOTA", "")
    assert load().mongodb_uri is None
    assert load().quota == GiB


def test_dotenv_is_read_behind_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """.env in the working folder is read, the environment overrides it, and unknown names are left alone."""
    monkeypatch.delenv("KERNELCORD_ENV")
    (tmp_path / ".env").write_text("MAX_FILES=3\nMAX_KERNELS=5\nOTHER=1\n")
    monkeypatch.setenv("MAX_FILES", "4")
    settings = load()
    assert (settings.max_files, settings.max_kernels) == (4, 5)


def test_another_file_than_dotenv_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service can keep its settings anywhere, and a test run can read none at all."""
    (tmp_path / ".env").write_text("MAX_FILES=3\n")
    (tmp_path / "service").write_text("MAX_KERNELS=5\n")
    monkeypatch.setenv("KERNELCORD_ENV", str(tmp_path / "service"))
    settings = load()
    assert (settings.max_files, settings.max_kernels) == (64, 5)


def test_named_file_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typo in the path must not silently drop a budget; an empty variable names no file."""
    monkeypatch.setenv("KERNELCORD_ENV", str(tmp_path / "sevrice"))
    with pytest.raises(SystemExit) as raised:
        parsed()
    assert raised.value.code == 2
    assert capsys.readouterr().err == f"KERNELCORD_ENV: there is no file {tmp_path}/sevrice.\n"
    monkeypatch.setenv("KERNELCORD_ENV", "")
    assert load().max_files == 64


def test_home_that_is_nobody_s_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~ with an unknown user's name gets a sentence, in a folder and in the settings file's path."""
    monkeypatch.setenv("KERNELCORD_DATA", "~nobody-at-all/data")
    with pytest.raises(
        InvalidSettings, match=r"^KERNELCORD_DATA is '~nobody-at-all/data', which is not a path"
    ):
        load()
    monkeypatch.setenv("KERNELCORD_ENV", "~nobody-at-all/env")
    with pytest.raises(InvalidSettings, match="there is no file ~nobody-at-all/env"):
        load()


def test_file_that_is_no_text_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that an editor saved in Latin-1 is reported in a sentence with its name."""
    monkeypatch.delenv("KERNELCORD_ENV")
    (tmp_path / ".env").write_bytes(b"# f\xfcr\nMAX_FILES=3\n")
    with pytest.raises(InvalidSettings, match=r"^\.env is not UTF-8 text"):
        load()


def test_flag_beats_environment_beats_the_front_s_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the terminal a cell has no deadline unless the environment or a flag sets one."""
    assert parsed(cell_timeout=None).cell_timeout is None
    monkeypatch.setenv("CELL_TIMEOUT", "5")
    assert parsed(cell_timeout=None).cell_timeout == timedelta(seconds=5)
    assert parsed("--timeout", "7s", cell_timeout=None).cell_timeout == timedelta(seconds=7)
    assert parsed("--timeout", "none").cell_timeout is None


def test_what_a_cell_leaves_running_has_a_budget_in_chat_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal runs on one's own machine: a thread may work for hours there unless a budget is set."""
    assert parsed().max_background == timedelta(minutes=10)
    assert parsed(max_background=None).max_background is None
    monkeypatch.setenv("MAX_BACKGROUND", "1h")
    assert parsed(max_background=None).max_background == timedelta(hours=1)


def test_every_setting_but_the_secrets_has_a_flag(tmp_path: Path) -> None:
    """Flags are visible to every user of a machine, so tokens have none."""
    parser = ArgumentParser()
    add_flags(parser)
    named = set(vars(parser.parse_args([])))
    assert named == set(Settings.model_fields) - {
        "discord_token",
        "mongodb_uri",
        "node_token",
        "openai_api_key",
    }
    assert parsed("--data", "d", "--retention", "10s", "--max-file", "10MiB").data == tmp_path / "d"
    assert "(50MiB)" in parser.format_help()


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("CELL_TIMEOUT", "5 minuts", "CELL_TIMEOUT is '5 minuts', which is not a duration such as"),
        ("RETENTION", "none", "RETENTION is 'none', which is not a duration such as"),
        ("MAX_FILE", "big", "MAX_FILE is 'big', which is not a size such as 500kB, 50MiB or 1GiB."),
        ("MAX_FILE", "0", "MAX_FILE is '0', which is not a size"),
        (
            "MAX_MEMORY",
            "5",
            "MAX_MEMORY is '5', which is not a size such as 500MiB or 1GiB, of 64MiB or more.",
        ),
        ("KERNELCORD_DATA", " ", "KERNELCORD_DATA is ' ', which is not a path."),
        ("MAX_KERNELS", "0", "MAX_KERNELS is '0', which is not a whole number, 1 or more, or auto."),
        ("DISCORD_FILES", "99", "DISCORD_FILES is '99', which is not a whole number, 1 to 10."),
        (
            "MAX_WORKSPACE",
            "1KiB",
            "MAX_WORKSPACE is '1KiB', which is not a size such as 50MiB or 1GiB, of 1MiB or more.",
        ),
        ("STATE", "yes", "STATE is 'yes', which is not on or off."),
        ("STATE_DISK", "0", "STATE_DISK is '0', which is not a size such as 500MiB or 10GiB, or none."),
        ("SESSION_SCOPE", "server", "SESSION_SCOPE is 'server', which is not user or place."),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud', which is not debug or info or warning or error."),
    ],
)
def test_invalid_value_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    """The sentence names the variable, the value and what is accepted."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings) as raised:
        load()
    (problem,) = raised.value.problems
    assert problem.startswith(sentence)


def test_an_empty_path_is_not_the_working_folder() -> None:
    """A flag given an unset variable would otherwise put all data wherever the program is started."""
    with pytest.raises(InvalidSettings, match="--data is '', which is not a path"):
        load(data="")


def test_invalid_values_end_the_program_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All problems are reported at once, a line each, by the name that each value was given under."""
    monkeypatch.setenv("QUOTA", "x")
    with pytest.raises(SystemExit) as raised:
        parsed("--timeout", "soon", "--data", "d")
    assert raised.value.code == 2
    assert {line.split(" is ")[0] for line in capsys.readouterr().err.splitlines()} == {"QUOTA", "--timeout"}


def test_misspelt_name_in_the_file_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is almost one of ours is a typo; another program's name is left alone."""
    monkeypatch.delenv("KERNELCORD_ENV")
    (tmp_path / ".env").write_text("CEL_TIMEOUT=5\nmax_files=3\nDATABASE_URL=x\nOPENAI_API_BASE=x\n")
    assert parsed().max_files == 3
    assert capsys.readouterr().err == ".env: CEL_TIMEOUT is no setting. Did you mean CELL_TIMEOUT?\n"


def test_kernels_python_that_is_not_there_ends_the_program_with_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is reported before a sandbox fails with it, but not checked if another machine runs the kernels."""
    monkeypatch.setenv("KERNEL_PYTHON", str(tmp_path / "python"))
    for flags, name in (((), "KERNEL_PYTHON"), (("--kernel-python", str(tmp_path)), "--kernel-python")):
        with pytest.raises(SystemExit) as raised:
            parsed(*flags)
        assert raised.value.code == 2
        assert capsys.readouterr().err.startswith(f"{name}: there is no program {tmp_path}")
    assert parsed("--node", "https://node.example").kernel_python == tmp_path / "python"


def test_settings_do_not_change() -> None:
    """Settings are read once; nothing changes them while the program runs."""
    with pytest.raises(ValidationError):
        load().max_files = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "has_model"),
    [
        ({}, False),
        ({"openai_api_key": "sk-1"}, True),
        ({"openai_base_url": "http://127.0.0.1:8080/v1/"}, True),
    ],
)
def test_a_key_or_an_address_makes_a_model(given: dict[str, str], has_model: bool) -> None:
    """One's own server may need no key; a trailing slash is removed from its address."""
    settings = load(**given)
    assert settings.has_model is has_model
    assert not settings.openai_base_url.endswith("/")


def test_a_budget_is_a_sum_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both daily budgets are without limit unless set."""
    assert (load().daily_budget, load().daily_tokens) == (None, None)
    monkeypatch.setenv("DAILY_BUDGET", "2.50")
    monkeypatch.setenv("DAILY_TOKENS", "100000")
    assert (load().daily_budget, load().daily_tokens) == (2.5, 100_000)
    assert load(daily_budget="none").daily_budget is None
    for wrong in ("lots", "-1", "nan"):
        with pytest.raises(InvalidSettings) as caught:
            load(daily_budget=wrong)
        assert "which is not a sum of US dollars such as 2.50, or none" in str(caught.value)


def test_variables_are_saved_unless_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to ask for it."""
    monkeypatch.delenv("STATE", raising=False)
    assert load().state == "on"
    monkeypatch.setenv("STATE", "off")
    assert load().state == "off"


def test_the_room_for_all_saved_variables_is_a_size_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """None leaves it to the store, which takes a part of the disk."""
    assert load().state_disk is None
    monkeypatch.setenv("STATE_DISK", "10GiB")
    assert load().state_disk == 10 * GiB
    monkeypatch.setenv("STATE_DISK", "none")
    assert load().state_disk is None


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token appears neither in the settings' text nor in the table."""
    monkeypatch.setenv("DISCORD_TOKEN", "s3cr3t-token")
    settings = load()
    assert "s3cr3t" not in f"{settings!r} {settings} {table()}"
    assert settings.secrets == ("s3cr3t-token",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60", 60),
        ("60s", 60),
        ("0.5", 0.5),
        ("5m", 300),
        (" 48 H ", 172_800),
        ("7d", 604_800),
        ("1.5h", 5400),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    """A number without a unit means seconds."""
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "5 weeks", "1e9", "9" * 10, "5m30s", "٣", "inf", "nan"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Zero, a negative number and infinity are not durations; `none` means no limit."""
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=30), "30d"),
        (timedelta(hours=48), "48h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=61), "61s"),
        (timedelta(seconds=0.5), "0.5s"),
        (ByteSize(50 * MiB), "50MiB"),
        (ByteSize(3 * GiB), "3GiB"),
        (ByteSize(1000), "1000B"),
        (None, "none"),
        ("user", "user"),
        (64, "64"),
    ],
)
def test_value_is_written_as_a_person_would(value: object, text: str) -> None:
    """Values are written in the largest unit that keeps them whole numbers."""
    assert written(value) == text
