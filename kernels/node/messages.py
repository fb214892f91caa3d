"""What bot and node say to each other: each message with its fields, and why a websocket is closed.

On a session's websocket the bot says `Hello`, then lists of commands; the node says `Welcome` or
`SessionRefused`, then `FileQuestion` and `NewsBatch`.

    encode([EnterCell(...), ...])       # what the bot sends; see kernels.node.encoding
    read_commands(text)                 # what the node makes of it: Command or NotUnderstood, one for each
    read_news(text)                     # a piece of news

These classes are the one definition of what travels, together with the values in them (`kernels.cell.events`,
`kernels.cell.result` and so on). A test keeps the digest of their schema: whoever changes one of them raises
`kernels.node.PROTOCOL`.
"""

import logging
from contextlib import suppress
from typing import Any, Union, get_args

from msgspec import Raw, Struct, ValidationError, field

from kernels.broker import FileRow
from kernels.cell.events import Event, Stream
from kernels.cell.result import Late, RunResult, Variable
from kernels.errors import ResultUnread
from kernels.interface import State
from kernels.limits import Limits
from kernels.node.encoding import NotDecoded, RaisedError, decode, decoder
from kernels.node.settings import KernelSettings
from kernels.state.journey import ChangedFile, Journey, SavedCell
from kernels.workspace.captured import Scan

log = logging.getLogger(__name__)

# Why the node closes a websocket (RFC 6455, section 7.4: 4000 and above are for private use).
TOO_LARGE = 1009  # a message was larger than the other end takes
REPLACED = 4000  # another program has taken this session over
REFUSED = 4001  # what the bot says cannot be understood
STOPPED = 4002  # the node was told to stop, and ends its kernels
DELETED = 4003  # the session was deleted
FAILED = 4004  # the session cannot be served; the message before says why


# From the bot:


class Hello(Struct, frozen=True):
    """The first message of a websocket: `client` is whose commands follow, `limits` are the bot's."""

    client: str
    limits: Limits


class Command(Struct, kw_only=True, tag_field="do", tag=True):
    """Something to do. The bot numbers its commands from 1, so a command that comes twice counts once."""

    m: int = 0


class CellCommand(Command):
    """What is done to one cell: `run` is the bot's name for it in every message."""

    run: str


class EnterCell(CellCommand):
    """Put the cell in line."""

    turn: str
    code: str
    allow_input: bool


class StartCell(CellCommand):
    """Run it when its turn comes; `tag` is given back with its late output."""

    tag: int


class LeaveCell(CellCommand):
    """Stop it as when its block is left early."""


class InterruptCell(CellCommand):
    """Interrupt it; see `Cell.interrupt`."""


class StopCell(CellCommand):
    """A person stops it; see `Cell.stop`."""


class DecideCell(CellCommand):
    """Answer its `Unstopped`."""

    kill: bool


class AnswerCell(CellCommand):
    """Answer its `input()`."""

    text: str


class ExtendCell(CellCommand):
    """Let it work for so many seconds in all."""

    seconds: float


class SettleCell(CellCommand):
    """Forget it: its result is recorded."""


class Acknowledge(Command):
    """Forget the news of these numbers."""

    numbers: list[int]


class FilesAnswer(Command):
    """The answer to the `FileQuestion` number `ask`: a list, the name of a placed file, or why there is none.

    `refused` is a sentence for the person, with the errno `number` unless it is that there is no such file;
    `failed` says that the store could not be asked.
    """

    ask: int
    files: tuple[FileRow, ...] = ()
    name: str = ""
    refused: str | None = None
    failed: str | None = None
    number: int = 0


class Call(Command):
    """What the node answers with an `Answer`."""


class GetState(Call):
    """Ask for the kernel's `State`."""


class RestartKernel(Call):
    """End the kernel's process."""


class CatchUp(Call):
    """Learn what is in the workspace; what was written since then (seconds since 1970) is news."""

    since: float | None


class ListSaves(Call):
    """Ask for the saves."""


class ListChangedFiles(Call):
    """Ask which files are not as of the newest save."""


class GoTo(Call):
    """Go to the save of this number; with `keep` only if what is there can be saved."""

    number: int
    keep: bool = False


class MakeCheckpoint(Call):
    """Keep the state as it is under a name."""

    name: str


class ListCheckpoints(Call):
    """Ask for the checkpoints."""


class ForgetCheckpoint(Call):
    """Forget the checkpoint of this name."""

    name: str


COMMANDS: Any = Union[(*CellCommand.__subclasses__(), *Call.__subclasses__(), Acknowledge, FilesAnswer)]


# From the node, numbered and kept until they are acknowledged:


class News(Struct, kw_only=True, tag_field="is", tag=True):
    """Something that has happened; `n` is its number."""

    n: int = 0


class CellEvent(News):
    """An event of a cell that runs."""

    run: str
    event: Event


class CellEnd(News):
    """A cell is over: with its result, with an error of ours, or with both. `variables` are the kernel's."""

    run: str
    result: RunResult | None = None
    variables: tuple[Variable, ...] | None = None
    error: RaisedError | None = None


class LateOutput(News):
    """An event or files that came after the end of their cell."""

    late: Late


class Answer(News):
    """The answer to the command number `call`: what it asks for, or why it was not carried out."""

    call: int
    state: State | None = None
    scan: Scan | None = None
    saves: tuple[SavedCell, ...] = ()
    checkpoints: dict[str, SavedCell] = {}
    journey: Journey | None = None
    files: tuple[ChangedFile, ...] = ()
    error: RaisedError | None = None


class LargeNews(News):
    """Stands for news that is too large for a websocket: to be fetched by its number."""


AnyNews = CellEvent | CellEnd | LateOutput | Answer | LargeNews


# From the node, at once:


class RunningCell(Struct, frozen=True):
    """A cell that a program before this one has begun; `began` is in seconds since 1970."""

    run: str
    tag: int
    turn: str
    began: float | None
    code: str


class FileQuestion(Struct, frozen=True, tag=True):
    """A cell asks for stored files: `op` is "list", "place" or "open"; `wanted` is an id or a name."""

    ask: int
    op: str
    wanted: str


class Welcome(Struct, frozen=True, tag=True):
    """The answer to `Hello`: the last command that was carried out, what goes on, the limits that apply."""

    got: int
    runs: tuple[RunningCell, ...]
    asked: tuple[FileQuestion, ...]
    limits: Limits


class SessionRefused(Struct, frozen=True, tag=True):
    """The session cannot be served."""

    error: RaisedError


class NewsBatch(Struct, frozen=True, tag=True):
    """Some news, and the number of the last command that was carried out."""

    got: int
    log: list[Raw]


FROM_NODE: Any = Welcome | SessionRefused | FileQuestion | NewsBatch


# Over HTTP:


class NodeVersion(Struct, frozen=True):
    """What a node of any version says of itself."""

    protocol: int
    pid: int


class NodeInfo(Struct, frozen=True):
    """What a node says of itself: `alive` is how many kernels have a process or a cell."""

    protocol: int
    pid: int
    id: str
    tier: str
    alive: int
    kernels: KernelSettings


class NotUnderstood(Struct):
    """What can be read of a command that is not known or lacks a field; `reason` is added by its reader."""

    m: int
    do: Any = ""
    run: Any = None
    reason: str = ""


class NewsHead(Struct):
    """News that as a whole cannot be read, with each of its parts still to be read by itself."""

    n: int
    kind: Raw = field(default=Raw(b'""'), name="is")
    run: Raw = Raw(b'""')
    call: Raw = Raw(b"0")  # numbers of commands begin at 1
    event: Raw = Raw(b"{}")
    late: Raw = Raw(b"{}")


class LateHead(Struct):
    """What can be read of late output in such news."""

    tag: int
    event: Raw = Raw(b"{}")


class EventHead(Struct):
    """What can be read of an event in such news."""

    kind: str = field(default="", name="is")


UNKNOWN = "[... something was shown here that this version of Kernelcord does not know ({}) ...]\n"
UNREAD = "[... something was shown here that could not be read ...]\n"
_COMMAND, _NEWS, _HEAD = decoder(COMMANDS), decoder(AnyNews), decoder(NewsHead)
_COMMANDS, _EVENTS = ([kind.__name__ for kind in get_args(union)] for union in (COMMANDS, Event))


def read_commands(text: bytes | str) -> "list[Command | NotUnderstood]":
    """The commands in a message of the bot. Raises: NotDecoded for what is no list of numbered commands."""
    return [_command(one) for one in decode(text, list[Raw])]


def _command(text: Raw) -> Command | NotUnderstood:
    try:
        command: Command = _COMMAND.decode(text)
    except ValidationError as error:
        odd = decode(text, NotUnderstood)
        name = str(error).rstrip("`").rpartition("`")[2].removeprefix("$.")
        if odd.do in _COMMANDS:
            odd.reason = f"the command {odd.do!r} has no {name!r}, or one of the wrong kind"
        else:
            odd.reason = f"this node does not know the command {odd.do!r:.100}"
        return odd
    if command.m < 1:
        raise ValidationError("a command without a number")
    return command


def read_news(text: bytes | Raw) -> AnyNews:
    """A piece of news.

    What cannot be read is told in words: an event as a line of text, anything else as an error for whoever
    waits for it. So it can be acknowledged, and what comes after it is read. Raises: NotDecoded for what has
    no number.
    """
    try:
        news: AnyNews = _NEWS.decode(text)
    except NotDecoded as error:
        log.error("news of a node cannot be read: %s", error)
        return _in_words(_HEAD.decode(text))
    return news


def _in_words(head: NewsHead) -> AnyNews:
    late, run = _part(head.late, LateHead, None), _part(head.run, str, "")
    kind = _part(late.event if late is not None else head.event, EventHead, EventHead()).kind
    shown = Stream("stderr", UNKNOWN.format(kind) if kind and kind not in _EVENTS else UNREAD)
    match _part(head.kind, str, ""):
        case "CellEvent" if run:
            return CellEvent(n=head.n, run=run, event=shown)
        case "CellEnd" if run:
            return CellEnd(n=head.n, run=run, error=RaisedError.of(ResultUnread()))
        case "LateOutput" if late is not None:
            return LateOutput(n=head.n, late=Late(late.tag, event=shown))
    return Answer(n=head.n, call=_part(head.call, int, 0), error=RaisedError.of(ResultUnread()))


def _part[T, U](text: Raw, kind: type[T], otherwise: U) -> T | U:
    with suppress(NotDecoded):
        part: T = decode(bytes(text), kind)
        return part
    return otherwise
