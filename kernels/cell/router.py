"""Sorts what a kernel sends: to the running cell, to late output, or to nothing.

    router = Router(limits, too_broken)
    router.begin(message_id, run)         # until `end`, the messages of that request go to `run`
    router.receive(message)               # never raises
    late = await router.late.get()        # what arrives for cells that have ended

A kernel can send anything. The router counts the messages that it cannot understand, and calls `too_broken`
after `BROKEN` of them.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kernels.cell.events import BadMessage, Event, InputRequest, Stream, cost, execution_count, from_message
from kernels.cell.result import Late, Variable
from kernels.cell.run import Run
from kernels.limits import Limits
from kernels.process.last_words import Text
from kernels.text.clipping import repair
from kernels.text.visible import one_line
from kernels.wire.connection import Message
from kernels.workspace.captured import Scan, Skipped
from kernels.workspace.names import shown_name

__all__ = ["Late", "Router", "Variable"]

BROKEN = 1000  # broken messages after which a kernel is given up: an honest one sends none
RECENT = 64  # cells whose late output can still be told apart
# The characters that a late display counts as, and how many of its bytes count as one character more.
LATE_COST = 1000, 64
LATE_TEXT = 16  # characters that a piece of late text counts as at least: each is a write to the record
MOST_LATE = 1000  # pieces of late output that may wait, and as many scans; newer ones are dropped
LATE_HELD = 16 << 20  # bytes that the waiting output may take; newer output is dropped
NUMBER = "kernelcord_question"  # as in `kernels.inside.input.questions`, which only a kernel can import
MOST_QUESTIONS = 1 << 53  # numbers that are exact in every JSON
MOST_MEMORY = 1 << 48  # bytes that a reply may claim
MOST_PAGES = 100  # payloads of a reply that are looked at; IPython's are the help of `name?` and a few more
MOST_PATHS, LONGEST_PATH = 8, 200  # files outside the workspace that are named; characters of each
OUTSIDE = "files there are not kept, only those in your workspace: write it there, or copy it"
MOST_VARIABLES, LONGEST = 200, 60  # variables kept of a reply; characters of each of their parts


@dataclass
class _SentCell:
    """A cell that was sent, and how many characters it may still print after its end."""

    tag: int
    left: int


class _LateQueue(asyncio.Queue[Late]):
    """A queue that knows how many bytes the events in it take: `held`."""

    held = 0

    def _put(self, item: Late) -> None:
        super()._put(item)
        self.held += cost(item.event) if item.event is not None else 0

    def _get(self) -> Late:
        item: Late = super()._get()
        self.held -= cost(item.event) if item.event is not None else 0
        return item


class Router:
    """The messages of one session's kernel, across all its processes."""

    def __init__(self, limits: Limits, too_broken: Callable[[], None]) -> None:
        self._limits = limits
        self._too_broken = too_broken
        self._broken = 0
        self._cells: OrderedDict[str, _SentCell] = OrderedDict()
        self.running_id = ""
        self._answers: dict[str, asyncio.Future[Any]] = {}  # awaited ones, by the message that they answer
        self.unheeded: set[str] = set()  # interrupts that were of no cell
        self._question: Event | None = None  # it waits until the output before it has come
        self.asked: int | None = None  # the number of the last question, which its answer has to name
        self._marked = False
        self.running: Run | None = None
        self.late = _LateQueue(2 * MOST_LATE)
        self.variables: tuple[Variable, ...] = ()
        self.elsewhere: tuple[Skipped, ...] = ()  # files that the last cell wrote where nothing is kept
        self.quit_asked = False
        # Whether the cell may still run after its reply: it has shown nothing, or the reply is odd.
        self.doubtful = False
        # Whether the kernel has answered an interrupt by saying that it does not run the cell.
        self.idle = False

    @contextlib.contextmanager
    def awaited(self, message_id: str) -> Iterator[asyncio.Future[Any]]:
        """While entered, the yielded future gets the content of the shell's answer to this message."""
        answer = self._answers[message_id] = asyncio.get_running_loop().create_future()
        try:
            yield answer
        finally:
            del self._answers[message_id]

    def begin(self, message_id: str, run: Run) -> None:
        """The request `message_id` runs the cell `run`."""
        self.running, self.running_id, self.doubtful, self.idle = run, message_id, True, False
        self._question, self._marked = None, False
        self.elsewhere = ()
        self._cells[message_id] = _SentCell(run.tag, self._limits.late_text)
        while len(self._cells) > RECENT:
            self._cells.popitem(last=False)

    def end(self) -> None:
        """The cell is over: what still arrives for it is late output."""
        self.running, self.running_id, self.idle = None, "", False

    def forget_process(self) -> tuple[str, ...]:
        """The process is gone, with its variables. Returns their names."""
        names = tuple(variable.name for variable in self.variables)
        self.variables, self.quit_asked, self._broken = (), False, 0
        self.unheeded.clear()
        return names

    def restored(self, variables: Sequence[Variable]) -> None:
        """The process has these variables again."""
        self.variables = tuple(variables[-MOST_VARIABLES:])

    def late_scan(self, scan: Scan) -> None:
        """A scan found files after the last cell."""
        tag = next(reversed(self._cells.values())).tag if self._cells else 0
        self._tell_late(Late(tag, scan=scan))

    def last_words(self, words: list[Text | Message]) -> None:
        """Sort what the kernel's process wrote and displayed and could not send before it died."""
        cell = self.running_id or next(reversed(self._cells), "")
        for word in words:
            if isinstance(word, Message):
                self.receive(word)
            else:
                name, text = word
                self.receive(Message("iopub", "stream", cell, {"name": name, "text": text}, {}))

    def receive(self, message: Message | None) -> None:
        """Sort one message; None stands for one that could not be parsed."""
        if message is None:
            self._count_broken()
            return
        run = self.running if message.parent_id == self.running_id else None
        content = message.content if isinstance(message.content, dict) else {}
        match message.channel, message.kind:
            case "iopub", "execute_reply" if run is not None:  # our kernels send it here, after the output
                self._reply(run, content, message.metadata)
            case "shell", "complete_reply" | "inspect_reply" | "save_reply" | "load_reply":
                self._answer(message.parent_id, content)
            case "control", "interrupt_reply":
                self._interrupted(message.parent_id, content)
            case "iopub", "kernelcord_question" if run is not None:
                self._marked = True
                self._ask(run)
            case "stdin", "input_request" if run is not None:
                self._question = self._event("input_request", message.content)
                self.asked = _number(content.get(NUMBER))
                self._ask(run)
            case "iopub", kind if run is not None or self._may_be_late(message.parent_id):
                event = self._event(kind, message.content, whole=run is not None)
                if event is not None and run is not None:
                    self.doubtful = False
                    run.take_event(event)
                elif event is not None:
                    self._take_late(self._cells[message.parent_id], event)

    def _answer(self, asked: str, content: dict[str, Any]) -> None:
        """Pass an answer of the shell to whoever awaits it."""
        if asked in self._answers and not self._answers[asked].done():
            self._answers[asked].set_result(content)

    def _interrupted(self, asked: str, content: dict[str, Any]) -> None:
        """The kernel has handled an interrupt, of the cell or of a save that gave way to it."""
        if asked in self.unheeded:
            self.unheeded.discard(asked)
        elif self.running is not None:
            self.idle = content.get("running") is False
            self.running.interrupted()

    def _reply(self, run: Run, content: dict[str, Any], metadata: Any) -> None:
        payload = content.get("payload")
        for entry in payload[-MOST_PAGES:] if isinstance(payload, list) else ():
            if isinstance(entry, dict) and entry.get("source") == "ask_exit":
                self.quit_asked = True
            elif isinstance(entry, dict) and "data" in entry:  # for Jupyter's pager, as the help of `name?`
                event = self._event("display_data", entry)
                if event is not None and entry["data"] != {"text/plain": ""}:  # `%psearch` found nothing
                    run.take_event(event)
        count = execution_count(content)
        ours = isinstance(metadata, dict) and "kernelcord" in metadata
        if ours:
            self.variables, self.elsewhere = _variables(metadata), _elsewhere(metadata)
        self.doubtful = self.doubtful or count is None or not ours
        status = content.get("status")
        run.reply(status if isinstance(status, str) else "", count, _memory(metadata) if ours else None)

    def _ask(self, run: Run) -> None:
        """Pass a question on when all output before it has come, which a mark in the output shows."""
        if self._question is not None and self._marked:
            run.take_event(self._question)
            self._question, self._marked = None, False

    def _event(self, kind: str, content: Any, *, whole: bool = False) -> Event | None:
        limits = self._limits
        try:
            return from_message(kind, content, max_text=limits.text, max_display=limits.display, whole=whole)
        except BadMessage:
            self._count_broken()
            return None

    def _may_be_late(self, message_id: str) -> bool:
        """Whether it is of a cell that has ended and may still show something."""
        cell = self._cells.get(message_id)
        return cell is not None and cell.left > 0

    def _take_late(self, cell: _SentCell, event: Event) -> None:
        if isinstance(event, Stream) and not event.text:  # it costs nothing, so it would have no limit
            return
        if not isinstance(event, InputRequest):
            cell.left -= _late_cost(event)
            if cell.left <= 0:
                event = Stream("stderr", "[... further output of this cell is left out ...]\n")
            self._tell_late(Late(cell.tag, event=event))

    def _tell_late(self, late: Late) -> None:
        if late.scan is None and (self.late.qsize() >= MOST_LATE or self.late.held >= LATE_HELD):
            return  # the queue must have room for scans, which are not repeated
        with contextlib.suppress(asyncio.QueueFull):
            self.late.put_nowait(late)

    def _count_broken(self) -> None:
        self._broken += 1
        if self._broken == BROKEN:
            self._too_broken()


def _number(named: Any) -> int | None:
    """A question's number as the kernel gives it; None if a hostile kernel gives anything else."""
    return named if type(named) is int and 0 <= named < MOST_QUESTIONS else None


def _late_cost(event: Event) -> int:
    """How many characters a late event counts as."""
    if isinstance(event, Stream):
        return max(len(event.text), LATE_TEXT)
    each, bytes_each = LATE_COST
    return each + cost(event) // bytes_each


def _memory(metadata: Any) -> int | None:
    """The bytes of memory in a reply; None if a hostile kernel gives anything else."""
    named = metadata["kernelcord"].get("memory") if isinstance(metadata["kernelcord"], dict) else None
    return named if type(named) is int and 0 <= named < MOST_MEMORY else None


def _elsewhere(metadata: Any) -> tuple[Skipped, ...]:
    """The files outside the workspace that a reply names; none if it is hostile."""
    named = metadata["kernelcord"].get("elsewhere") if isinstance(metadata["kernelcord"], dict) else None
    if not isinstance(named, list):
        return ()
    paths = [shown_name(repair(path[:LONGEST_PATH])) for path in named[:MOST_PATHS] if isinstance(path, str)]
    return tuple(Skipped(path, OUTSIDE) for path in paths)


def _variables(metadata: Any) -> tuple[Variable, ...]:
    """The variables that a reply names, each in one line; none if it is hostile."""
    try:
        described = metadata["kernelcord"]["variables"][:MOST_VARIABLES]
        return tuple(
            Variable(*(one_line(repair(str(part)[:LONGEST])) for part in (name, kind, detail)))
            for name, kind, detail in described
        )
    except (TypeError, KeyError, ValueError, RecursionError):
        return ()
