"""Every setting, declared once: its default, its unit and what it is for.

    settings = load()                               # from the environment, and .env in the working folder
    add_flags(parser)                               # --timeout 5m --data DIR ...: all but the secrets
    settings = from_args(args, cell_timeout=None)   # flags, then the environment, then this default

`python -m config` prints the table of docs/settings.md.
"""

import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from annotated_types import Ge, Le
from pydantic import ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from config import envfile
from config.errors import InvalidSettings
from config.kinds import (
    ApiAddress,
    Count,
    Dollars,
    Duration,
    Folder,
    Kind,
    Limit,
    LogLevel,
    Memory,
    Modules,
    NodeAddress,
    Places,
    SandboxTier,
    Secret,
    Size,
    SizeLimit,
    Text,
    Tokens,
    Workspace,
)
from config.units import MiB, written

__all__ = ["Settings", "add_flags", "from_args", "load", "table"]

CHECKOUT = Path(__file__).resolve().parent.parent
# All other flags and variables are named like their setting. DATA is too common a name for a variable.
FLAGS = {"cell_timeout": "--timeout"}
NEAR = 0.85  # of 1: how similar a misspelt name must be to the one that is meant
VARIABLES = {"data": "KERNELCORD_DATA"}


class Settings(BaseSettings):
    """All settings. A variable is named like its field, in capitals, except for that of `data`.

    Raises:
        pydantic.ValidationError: a value cannot be used; `load` and `from_args` say so in sentences.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", use_attribute_docstrings=True
    )

    discord_token: Secret = None
    """the Discord bot's token"""
    mongodb_uri: Secret = None
    """the MongoDB for sessions and files' records; without it they are in SQLite"""
    data: Folder = Field(CHECKOUT / "data", validation_alias=VARIABLES["data"])
    """the folder for everything that is kept"""
    retention: Duration = timedelta(hours=48)
    """how long files and idle workspaces are kept"""
    transcript_retention: Duration = timedelta(days=30)
    """how long the transcript of an idle session is kept"""
    quota: Size = ByteSize(1024 * MiB)
    """stored files and transcripts of one person, together"""
    quota_files: Count = 2000
    """number of stored files of one person"""
    session_scope: Literal["user", "place"] = "user"
    """one kernel for each `user`, or for each `place` (channel, thread or DM)"""
    cell_timeout: Limit = timedelta(seconds=60)
    """a cell's time; at the terminal `none` unless set"""
    input_timeout: Limit = timedelta(minutes=5)
    """how long `input()` waits for its answer"""
    inputs_per_cell: Count = 20
    """calls of `input()` in one cell"""
    max_text: Size = ByteSize(MiB)
    """text of one cell that is shown, its head and tail; all of it is stored as a file"""
    max_display: Size = ByteSize(8 * MiB)
    """one picture or table"""
    max_file: Size = ByteSize(50 * MiB)
    """one captured file"""
    max_files: Count = 64
    """files captured from one cell, and again after its end"""
    max_kernels: Places = "auto"
    """kernels at one time; `auto`: one for each 32 MiB of the machine's memory, at most 500; when memory is
    short or somebody waits, idle ones are ended sooner"""
    idle_timeout: Limit = timedelta(hours=1)
    """how long a kernel may be idle before it is ended"""
    state: Literal["on", "off"] = "on"
    """whether variables are saved after each cell and come back in the next kernel (`on`), or end with theirs
    (`off`)"""
    state_quota: Size = ByteSize(1024 * MiB)
    """saved variables of one person, together"""
    state_disk: SizeLimit = None
    """saved variables of all people together; by default a tenth of the disk"""
    sandbox: SandboxTier = "auto"
    """how kernels are isolated: `S` (namespaces made by root), `A` (user namespaces), `B` (Landlock), `none`,
    or `auto`: the strongest that works"""
    max_memory: Memory = ByteSize(1024 * MiB)
    """memory of one kernel with all its processes"""
    max_processes: int = Field(96, ge=8)
    """processes and threads of one kernel"""
    max_cpus: int = Field(2, ge=1)
    """processors that one kernel may keep busy; in tier S only"""
    max_background: Limit = timedelta(minutes=10)
    """processor time of what a cell leaves running, until the next cell; at the terminal `none` unless set"""
    max_workspace: Workspace = ByteSize(512 * MiB)
    """all files of one workspace together"""
    kernel_network: Literal["none", "host"] = "none"
    """`host` lets kernels use the host's network, including its loopback"""
    node: NodeAddress = "auto"
    """where kernels run: `auto` in a process that outlives the bot, `none` in the bot itself, or in the node
    at the path of a socket or at an http(s) address"""
    node_token: Secret = None
    """the token for the node at that address"""
    node_idle: Limit = timedelta(minutes=2)
    """how long a node without kernels and without a bot goes on"""
    kernel_python: Folder = CHECKOUT / ".venv-kernels" / "bin" / "python"
    """the Python that runs the kernels"""
    preload: Modules = "numpy, pandas, matplotlib.pyplot"
    """modules that are imported before a kernel starts, or `none`"""
    openai_api_key: Secret = None
    """the key of the model's API; without it and without an address there is no model"""
    openai_base_url: ApiAddress = "none"
    """the API's address: `none` for OpenAI's, or that of your own server, such as
    `http://127.0.0.1:8080/v1`"""
    model: Text = "gpt-6.1-terra"
    """the model that answers"""
    model_api: Literal["auto", "responses", "chat"] = "auto"
    """`responses`, `chat` (Chat Completions), or `auto`: `chat` if there is an address"""
    model_rounds: int = Field(8, ge=1)
    """how often the model may use its tools in one answer"""
    history_tokens: int = Field(32_000, ge=1000)
    """tokens of earlier conversation that the model sees"""
    daily_budget: Dollars = None
    """US dollars that one person may spend a day (UTC) on the model, or `none`"""
    daily_tokens: Tokens = None
    """tokens that one person may use a day (UTC), for models without a known price"""
    answer_in: Literal["place", "thread"] = "place"
    """where the bot answers in a server: in the `place`, or in a `thread` of its own"""
    rate: Count = 20
    """turns that one person may begin in a minute; 0 for any number"""
    max_running: Duration = timedelta(minutes=15)
    """a cell's time if its person keeps it running"""
    keep_running: Duration = timedelta(seconds=10)
    """how long before a cell's time is up its person is asked whether to keep it running"""
    edit_within: Duration = timedelta(minutes=10)
    """how long after a message its code is run again when it is edited"""
    shutdown_grace: Duration = timedelta(seconds=4)
    """how long running cells may go on when the bot is told to end"""
    discord_pace: Duration = timedelta(seconds=1.2)
    """time between two edits of one message on Discord"""
    discord_max_file: Size = ByteSize(10 * MiB)
    """size of one file on Discord"""
    discord_max_request: Size = ByteSize(25 * MiB)
    """size of all files of one message together"""
    discord_files: int = Field(10, ge=1, le=10)
    """number of files in one message"""
    discord_messages: int = Field(4, ge=1)
    """number of messages in one answer; longer answers become a file"""
    log_level: LogLevel = "warning"
    """`debug`, `info`, `warning` or `error`"""

    def __init__(self, **values: Any) -> None:
        named = {VARIABLES.get(name, name): value for name, value in values.items()}
        super().__init__(_env_file=envfile.path(), **named)

    @property
    def preloaded(self) -> tuple[str, ...]:
        """The modules of `preload`."""
        return () if self.preload == "none" else tuple(self.preload.split(", "))

    @property
    def has_model(self) -> bool:
        """Whether there is a model: with an address of one's own, no key is needed."""
        return self.openai_api_key is not None or self.openai_base_url != "none"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown; the log replaces them."""
        kept = (self.discord_token, self.mongodb_uri, self.node_token, self.openai_api_key)
        return tuple(secret.get_secret_value() for secret in kept if secret)


def load(**given: Any) -> Settings:
    """The settings: `given` first, then the environment, then `.env`, then the defaults.

    Raises:
        InvalidSettings: a value, or the file, cannot be used.
    """
    envfile.read()
    try:
        return Settings(**given)
    except ValidationError as error:
        names = {variable: name for name, variable in VARIABLES.items()}
        wrong = {
            names.get(str(each["loc"][0]), str(each["loc"][0])): each["input"] for each in error.errors()
        }
        raise InvalidSettings(tuple(_problem(name, value, given) for name, value in wrong.items())) from None


def add_flags(parser: ArgumentParser) -> None:
    """Add a flag for every setting except secrets; a flag that is not given is None in the namespace."""
    group = parser.add_argument_group("settings")
    for name, field in Settings.model_fields.items():
        if not _is_secret(name):
            text = f"{field.description} ({written(field.default)})"
            group.add_argument(_flag(name), dest=name, metavar=_kind(name).name, help=text)


def from_args(args: Namespace, **defaults: Any) -> Settings:
    """The settings as `load` gives them, flags first; `defaults` replace the declared defaults.

    If a value is invalid, or if kernels are to run on this machine and their Python is not there, the program
    ends with exit status 2 and a sentence for each problem on standard error. A name in the file that looks
    like a misspelt setting is reported there, too.
    """
    given = {name: value for name, value in vars(args).items() if name in Settings.model_fields}
    try:
        settings = load(**{name: value for name, value in given.items() if value is not None})
        if settings.node in ("auto", "none") and shutil.which(settings.kernel_python) is None:
            by = "--kernel-python" if given.get("kernel_python") else "KERNEL_PYTHON"
            raise InvalidSettings((f"{by}: there is no program {settings.kernel_python}.",))
        for name, near in _misspelt():
            print(f"{envfile.path()}: {name} is no setting. Did you mean {near}?", file=sys.stderr)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    return settings.model_copy(
        update={name: value for name, value in defaults.items() if name not in settings.model_fields_set}
    )


def table() -> str:
    """The table of docs/settings.md, in Markdown."""
    lines = ["| variable | flag | default | what it is |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, Path):
            default = default.relative_to(CHECKOUT)
        flag = "" if _is_secret(name) else f"`{_flag(name)}`"
        text = written(default) if default is not None else ""
        about = " ".join(str(field.description).split())
        lines.append(f"| `{_variable(name)}` | {flag} | {f'`{text}`' if text else ''} | {about} |")
    return "\n".join(lines)


def _misspelt() -> Iterator[tuple[str, str]]:
    """The file's names that look like misspelt settings, with the right name; others are not ours."""
    known = [_variable(name) for name in Settings.model_fields]
    for name in envfile.read():
        near = get_close_matches(name.upper(), known, n=1, cutoff=NEAR)
        if near and near[0] != name.upper():
            yield name, near[0]


def _kind(name: str) -> Kind:
    field = Settings.model_fields[name]
    if choices := [choice for choice in get_args(field.annotation) if isinstance(choice, str)]:
        return Kind("|".join(choices), " or ".join(choices))
    if kind := next((each for each in field.metadata if isinstance(each, Kind)), None):
        return kind
    least: Any = next(limit.ge for limit in field.metadata if isinstance(limit, Ge))
    most: Any = next((limit.le for limit in field.metadata if isinstance(limit, Le)), None)
    return Kind("number", f"a whole number, {least} {'or more' if most is None else f'to {most}'}")


def _problem(name: str, value: object, given: Mapping[str, object]) -> str:
    by = _flag(name) if name in given else _variable(name)
    shown = "***" if _is_secret(name) else repr(str(value))
    return f"{by} is {shown}, which is not {_kind(name).accepted}."


def _is_secret(name: str) -> bool:
    return Settings.model_fields[name].annotation == SecretStr | None


def _flag(name: str) -> str:
    return FLAGS.get(name, f"--{name.replace('_', '-')}")


def _variable(name: str) -> str:
    return VARIABLES.get(name, name.upper())
