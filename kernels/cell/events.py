"""What happens while a cell runs, as frozen values, and the function that makes them from Jupyter messages.

    match event:
        case Stream(name, text): ...
        case Display(bundle=bundle): ...

A kernel runs strangers' code, so a message can be anything. `from_message` returns an event, or None for a
message that means nothing here, and raises nothing but `BadMessage`. Its events are repaired (no lone
surrogates, no NUL) and within the limits. These limit what an event costs us (`kernels.wire.weight`), not how
long the message was. Message fields: https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kernels.text.clipping import clip, counted, over, repair
from kernels.wire.weight import weight

__all__ = [
    "END_OF_INPUT",
    "BadMessage",
    "ClearOutput",
    "Display",
    "Event",
    "Failure",
    "InputRequest",
    "Queued",
    "Restarted",
    "Result",
    "Stream",
    "UnsavedValue",
    "Unstopped",
    "cost",
    "execution_count",
    "from_message",
]

END_OF_INPUT = "\x04"  # the answer to an InputRequest that stands for Ctrl-D: `input()` raises EOFError
MAX_MIMES = 32  # entries of one MIME bundle that are kept
MAX_COUNT = 1 << 31  # numbers below it fit into every database
# Characters of one message, which are drawn in one step; a kernel sends no more (`inside.output.streams`).
MAX_STREAM = 1 << 16
MAX_NAME = 1000  # characters of an exception's name, a display id or a prompt
MAX_LINES = 2000  # of a traceback; IPython's longest have some hundreds, since it folds recursion
NOTHING = weight("")  # bytes of an empty text, subtracted so that a picture counts as its base64
MAX_METADATA = 4000  # bytes that a bundle's metadata may take; a picture's size takes 600


class _Event(Struct, frozen=True, tag_field="is", tag=True):
    """In JSON, an event's class is its field `is`."""


class Queued(_Event, frozen=True):
    """The cell waits at `position` in line: 1 means that it is next, 0 that it no longer waits."""

    position: int


class Stream(_Event, frozen=True):
    """A piece of text written to `name`, "stdout" or "stderr"; control characters such as `\\r` are in it."""

    name: str
    text: str


class Display(_Event, frozen=True):
    """Something shown: a MIME bundle (text and base64 as str). An `update` replaces that of its id."""

    bundle: Mapping[str, Any]
    metadata: Mapping[str, Any] = {}
    display_id: str | None = None
    update: bool = False


class Result(_Event, frozen=True):
    """The value of the cell's last expression, as a MIME bundle, with the cell's execution count."""

    bundle: Mapping[str, Any]
    count: int | None
    metadata: Mapping[str, Any] = {}


class Failure(_Event, frozen=True):
    """The exception that ended the cell; `traceback` has the person's own frames, lines with ANSI colours."""

    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()


class ClearOutput(_Event, frozen=True):
    """Everything that the cell has shown goes away: now or, with `wait`, when the next output comes."""

    wait: bool


class InputRequest(_Event, frozen=True):
    """The cell asks `prompt` and waits; with `password` the answer must not be shown or stored.

    `number` equals `Cell.question` while this question waits; it is 0 before the cell has passed it on.
    """

    prompt: str
    password: bool
    number: int = 0

    def __eq__(self, other: object) -> bool:
        """Whether it asks the same, under whatever number."""
        if not isinstance(other, InputRequest):
            return NotImplemented
        return (self.prompt, self.password) == (other.prompt, other.password)

    def __hash__(self) -> int:
        return hash((self.prompt, self.password))


class UnsavedValue(Struct, frozen=True):
    """A variable that could not be saved, as a whole or in part; `cell` made it (0: unknown).

    `what` is not there, in words, such as "a database connection".
    """

    name: str
    cell: int
    what: str


class Restarted(_Event, frozen=True):
    """The kernel is a fresh one: `reason` is why, `kept` is what is still there, `lost` names what is gone.

    With `unnamed`, the kernel ended in the middle of a cell: what that cell had defined is gone too, and
    nobody knows its names. With `earlier`, variables of earlier cells are gone whose names were not noted.

    `as_of` is the cell as of which saved variables are in the fresh kernel (0: none are), and `back` are
    their names. `unsaved` are those that could not be saved; some of them are back in part. `lost` names
    only what is neither.
    """

    reason: str
    kept: tuple[str, ...]
    lost: tuple[str, ...]
    unnamed: bool = False
    earlier: bool = False
    as_of: int = 0
    back: tuple[str, ...] = ()
    unsaved: tuple[UnsavedValue, ...] = ()


class Unstopped(_Event, frozen=True):
    """The cell was told to stop and does not: somebody has to wait for it, or kill its kernel.

    `lost` names the variables that would go with the kernel, beside whatever the cell has defined. With
    `limited`, the cell's time has a limit, at which the kernel is killed if nobody has decided. With `asks`,
    an `input()` of the cell waits for its answer as well. What they were after the cell `saved` would come
    back (0: nothing would).
    """

    lost: tuple[str, ...]
    limited: bool
    asks: bool
    saved: int = 0


Event = Queued | Stream | Display | Result | Failure | ClearOutput | InputRequest | Restarted | Unstopped


class Bundle(dict[str, Any]):
    """A MIME bundle that was weighed when it arrived, since weighing its pictures takes 15 ms.

    `whole` is its plain text if that was clipped, for whoever writes it to a file at once; with `partial`,
    the kernel had clipped it before.
    """

    weight = 0
    whole = ""
    partial = False


class BadMessage(ValueError):
    """A message that no honest kernel sends."""


def cost(event: Event) -> int:
    """How many bytes an event costs, as `kernels.wire.weight` counts them."""
    values = [getattr(event, name) for name in event.__struct_fields__]
    weighed = [value.weight for value in values if isinstance(value, Bundle)]
    return sum(weighed) + weight([value for value in values if not isinstance(value, Bundle)])


def from_message(
    kind: str, content: Any, *, max_text: int, max_display: int, whole: bool = False
) -> Event | None:
    """The event of one Jupyter message, or None when its kind means nothing here.

    `kind` is the message's type, `content` its parsed content. `max_text` is in characters, `max_display` in
    bytes of memory, which for a picture is the length of its base64. With `whole`, a text that was clipped is
    also in `Bundle.whole`, beyond all limits: whoever asks for it must take it out at once.
    Raises: BadMessage for content of the wrong shape.
    """
    if not isinstance(content, dict):
        raise BadMessage(f"{kind}: the content is not an object")
    try:
        match kind:
            case "stream":
                return _stream(content)
            case "display_data":
                return _display(content, max_text, max_display, whole=whole)
            case "update_display_data":
                return replace(_display(content, max_text, max_display), update=True)
            case "execute_result":
                bundle = _bundle(content, max_text, max_display, whole=whole)
                return Result(bundle, execution_count(content), _metadata(content))
            case "error":
                return _failure(content, max_text)
            case "clear_output":
                return ClearOutput(bool(content.get("wait")))
            case "input_request":
                return InputRequest(_short(_text(content, "prompt")), bool(content.get("password")))
    except RecursionError:
        raise BadMessage(f"{kind}: the content is nested too deep") from None
    return None


def _stream(content: dict[str, Any]) -> Stream:
    name = "stderr" if content.get("name") == "stderr" else "stdout"
    return Stream(name, repair(clip(_text(content, "text"), MAX_STREAM)))


def _display(content: dict[str, Any], max_text: int, max_display: int, *, whole: bool = False) -> Display:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    short_id = _short(display_id) if isinstance(display_id, str) else None
    return Display(_bundle(content, max_text, max_display, whole=whole), _metadata(content), short_id)


def _failure(content: dict[str, Any], max_text: int) -> Failure:
    evalue = clip(repair(_text(content, "evalue")), max_text // 4)
    return Failure(_short(_text(content, "ename")), evalue, _traceback(content.get("traceback"), max_text))


def execution_count(content: dict[str, Any]) -> int | None:
    """The execution count in a message's content; None if it is not a valid one."""
    count = content.get("execution_count")
    return count if type(count) is int and 0 <= count < MAX_COUNT else None  # `true` is none


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str):
        raise BadMessage(f"{key!r} is not text")
    return value


def _short(text: str) -> str:
    return clip(repair(text), MAX_NAME)


def _traceback(lines: Any, max_text: int) -> tuple[str, ...]:
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise BadMessage("'traceback' is not a list of text")
    text = clip(repair("\n".join(lines)), max_text)
    count = text.count("\n") + 1
    if count <= MAX_LINES:
        return tuple(text.split("\n"))
    half = MAX_LINES // 2
    first, last = text.split("\n", half)[:half], text.rsplit("\n", half)[-half:]
    return (*first, f"[... {counted(count - 2 * half, 'line')} left out ...]", *last)


def _metadata(content: dict[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    if not metadata or not isinstance(metadata, dict) or weight(metadata) >= MAX_METADATA:
        return {}
    kept: dict[str, Any] = repair(metadata)
    return kept


def _bundle(content: dict[str, Any], max_text: int, max_display: int, *, whole: bool) -> Bundle:
    """The MIME bundle within its limits: plain text is clipped, other large parts become sentences."""
    data = content.get("data")
    if not isinstance(data, dict):
        raise BadMessage("'data' is not a MIME bundle")
    bundle, known = Bundle(), dict[str, int]()  # the weights of what was kept as it arrived
    left_out: list[str] = []
    room = max_display
    for key, raw in islice(data.items(), MAX_MIMES):
        mime = _short(str(key))
        if mime == "text/plain" and isinstance(raw, str):
            bundle[mime] = repair(clip(raw, max_text))
            if whole and len(raw) > max_text:
                bundle.whole, bundle.partial = repair(raw), content.get("clipped") is True
        elif (size := weight(raw) - NOTHING) > room:
            left_out.append(f"[{mime} left out: {over(size, max_display)}]")
        else:
            bundle[mime] = repair(raw)
            room -= size
            if bundle[mime] is raw:
                known[mime] = size + NOTHING
    if left_out:
        plain = [bundle["text/plain"]] if "text/plain" in bundle else []
        bundle["text/plain"] = "\n".join([*map(str, plain), *left_out])
        known.pop("text/plain", None)
    rest = {mime: None if mime in known else part for mime, part in bundle.items()}
    bundle.weight = weight(rest) + sum(size - weight(None) for size in known.values())
    return bundle
