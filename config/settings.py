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
    KINDS,
    ApiAddress,
    Count,
    Dollars,
    Folder,
    LogLevel,
    Modules,
    NodeAddress,
    SandboxTier,
    Tokens,
)
from config.units import Duration, Limit, MiB, Size, written

__all__ = ["Settings", "add_flags", "from_args", "load", "table"]

CHECKOUT = Path(__file__).resolve().parent.parent
# The other flags and variables are named like their setting. DATA is too common a variable to mean ours.
FLAGS = {"cell_timeout": "--timeout"}
NEAR = 0.85  # of 1: how alike a wrong name and the one that is meant are
VARIABLES = {"data": "KERNELCORD_DATA"}


class Settings(BaseSettings):
    """What Kernelcord can be told. A variable is named like its field, in capitals, `data` aside.

    Raises:
        pydantic.ValidationError: a value cannot be used; `load` and `from_args` say it in sentences.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    discord_token: SecretStr | None = Field(None, description="the Discord bot's token")
    mongodb_uri: SecretStr | None = Field(
        None, description="keep sessions and files' records in this MongoDB; SQLite without it"
    )
    data: Folder = Field(
        CHECKOUT / "data", validation_alias=VARIABLES["data"], description="folder of all that is kept"
    )
    retention: Duration = Field(
        timedelta(hours=48), description="how long files and idle workspaces are kept"
    )
    transcript_retention: Duration = Field(
        timedelta(days=30), description="how long the transcript of an idle session is kept"
    )
    quota: Size = Field(
        ByteSize(1024 * MiB), description="stored files and transcripts of one person, together"
    )
    quota_files: Count = Field(2000, description="stored files of one person, by number")
    session_scope: Literal["user", "place"] = Field(
        "user", description="one kernel for each `user`, or for each `place` (channel or DM)"
    )
    cell_timeout: Limit = Field(
        timedelta(seconds=60), description="a cell's time; at the terminal `none` unless set"
    )
    input_timeout: Limit = Field(timedelta(minutes=5), description="how long `input()` waits for its answer")
    inputs_per_cell: Count = Field(20, description="calls of `input()` in one cell")
    max_text: Size = Field(
        ByteSize(MiB),
        description="text of one cell that is shown, head and tail; all of it is stored as a file",
    )
    max_display: Size = Field(ByteSize(8 * MiB), description="one picture or table")
    max_file: Size = Field(ByteSize(50 * MiB), description="one captured file")
    max_files: Count = Field(64, description="files captured from one cell, and again after its end")
    max_kernels: int = Field(
        500, ge=1, description="kernels at one time, at most; when memory is short idle ones end sooner"
    )
    idle_timeout: Limit = Field(timedelta(hours=1), description="a kernel that was idle this long is ended")
    sandbox: SandboxTier = Field(
        "auto",
        description="how kernels are held: `S` (root namespaces), `A` (user namespaces), `B` (Landlock), the"
        " strongest that works, or `none`",
    )
    max_memory: Size = Field(
        ByteSize(1024 * MiB), ge=64 * MiB, description="memory of one kernel, all its processes"
    )
    max_processes: int = Field(96, ge=8, description="processes and threads of one kernel")
    max_cpus: int = Field(2, ge=1, description="processors that one kernel may keep busy, in tier S")
    max_background: Limit = Field(
        timedelta(minutes=10),
        description="processor time of what a cell leaves running, until the next; at the terminal `none`"
        " unless set",
    )
    max_workspace: Size = Field(ByteSize(512 * MiB), ge=MiB, description="files in one workspace, together")
    kernel_network: Literal["none", "host"] = Field(
        "none", description="`host` lets kernels use the host's network, its loopback included"
    )
    node: NodeAddress = Field(
        "auto",
        description="where kernels live: `auto` in a process that outlives the bot, `none` in the bot itself,"
        " or the node at a socket's path or an http(s) address",
    )
    node_token: SecretStr | None = Field(None, description="the token that the node at this address asks for")
    node_idle: Limit = Field(
        timedelta(minutes=2), description="a node without kernels and without a bot ends after this time"
    )
    kernel_python: Folder = Field(
        CHECKOUT / ".venv-kernels" / "bin" / "python", description="the Python that kernels run on"
    )
    preload: Modules = Field(
        "numpy, pandas, matplotlib.pyplot",
        description="modules that kernels have imported already, or `none`",
    )
    openai_api_key: SecretStr | None = Field(
        None, description="the key of the model's API; with neither it nor an address there is no model"
    )
    openai_base_url: ApiAddress = Field(
        "none",
        description="the API's address: `none` is OpenAI's, another such as `http://127.0.0.1:8080/v1` is a"
        " server of your own",
    )
    model: str = Field("gpt-6.1-terra", min_length=1, description="the model that answers")
    model_api: Literal["auto", "responses", "chat"] = Field(
        "auto", description="`responses`, `chat` (Chat Completions), or `auto`: `chat` with an address"
    )
    model_rounds: int = Field(8, ge=1, description="times that the model may use its tools in one answer")
    history_tokens: int = Field(
        32_000, ge=1000, description="tokens of earlier conversation that the model sees"
    )
    daily_budget: Dollars = Field(
        None, description="US dollars that one person may spend a day (UTC) on the model, or `none`"
    )
    daily_tokens: Tokens = Field(
        None, description="tokens that one person may use a day (UTC): for models without a known price"
    )
    answer_in: Literal["place", "thread"] = Field(
        "place", description="where the bot answers in a server: in the `place`, or in a `thread` of its own"
    )
    rate: Count = Field(20, description="turns that one person may begin in a minute; 0 is without limit")
    max_running: Duration = Field(
        timedelta(minutes=15), description="a cell's time once its person keeps it running"
    )
    keep_running: Duration = Field(
        timedelta(seconds=10), description="how long before a cell's end its person is asked to keep it"
    )
    edit_within: Duration = Field(
        timedelta(minutes=10), description="how long an edited message has its code run again"
    )
    shutdown_grace: Duration = Field(
        timedelta(seconds=4), description="how long running cells may go on when the bot is told to end"
    )
    discord_pace: Duration = Field(
        timedelta(seconds=1.2), description="between two edits of one message on Discord"
    )
    discord_max_file: Size = Field(ByteSize(10 * MiB), description="one file on Discord")
    discord_max_request: Size = Field(ByteSize(25 * MiB), description="the files of one message, together")
    discord_files: int = Field(10, ge=1, le=10, description="files of one message")
    discord_messages: int = Field(4, ge=1, description="messages of one answer; what is longer is a file")
    log_level: LogLevel = Field("warning", description="`debug`, `info`, `warning` or `error`")

    def __init__(self, **values: Any) -> None:
        named = {VARIABLES.get(name, name): value for name, value in values.items()}
        super().__init__(_env_file=envfile.path(), **named)

    @property
    def preloaded(self) -> tuple[str, ...]:
        """The modules of `preload`."""
        return () if self.preload == "none" else tuple(self.preload.split(", "))

    @property
    def has_model(self) -> bool:
        """Whether a model is set up: a server of one's own may need no key."""
        return self.openai_api_key is not None or self.openai_base_url != "none"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown, for the log to blank out."""
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
    """Adds a flag for every setting but the secrets; a flag that is not given is None in the namespace."""
    group = parser.add_argument_group("settings")
    for name, field in Settings.model_fields.items():
        if not _is_secret(name):
            text = f"{field.description} ({written(field.default)})"
            group.add_argument(_flag(name), dest=name, metavar=_kind(name)[0], help=text)


def from_args(args: Namespace, **defaults: Any) -> Settings:
    """The settings as `load`, flags first. `defaults` stand in for the declared ones, behind the environment.

    An invalid value, or a Python for the kernels that is not on this machine where they shall live, ends the
    program with exit status 2 and a sentence for each on standard error. A name in the file that is nearly a
    setting's is told there too.
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
        lines.append(
            f"| `{_variable(name)}` | {flag} | {f'`{text}`' if text else ''} | {field.description} |"
        )
    return "\n".join(lines)


def _misspelt() -> Iterator[tuple[str, str]]:
    """The file's names that are nearly a setting's, with that; what else is there is another program's."""
    known = [_variable(name) for name in Settings.model_fields]
    for name in envfile.read():
        near = get_close_matches(name.upper(), known, n=1, cutoff=NEAR)
        if near and near[0] != name.upper():
            yield name, near[0]


def _kind(name: str) -> tuple[str, str]:
    """What a setting's value is called in --help, and what is accepted."""
    annotation = Settings.model_fields[name].annotation
    if choices := [choice for choice in get_args(annotation) if isinstance(choice, str)]:
        return "|".join(choices), " or ".join(choices)
    known = Settings.model_fields[name].metadata
    least: Any = next((limit.ge for limit in known if isinstance(limit, Ge)), None)
    most: Any = next((limit.le for limit in known if isinstance(limit, Le)), None)
    if annotation is int:
        return "number", f"a whole number, {least} {'or more' if most is None else f'to {most}'}"
    return KINDS[name if name in KINDS else annotation]


def _problem(name: str, value: object, given: Mapping[str, object]) -> str:
    by = _flag(name) if name in given else _variable(name)
    shown = "***" if _is_secret(name) else repr(str(value))
    return f"{by} is {shown}, which is not {_kind(name)[1]}."


def _is_secret(name: str) -> bool:
    return Settings.model_fields[name].annotation == SecretStr | None


def _flag(name: str) -> str:
    return FLAGS.get(name, f"--{name.replace('_', '-')}")


def _variable(name: str) -> str:
    return VARIABLES.get(name, name.upper())
