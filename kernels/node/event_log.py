"""What has happened in a session and the bot has not acknowledged: numbered, bounded, sent again on demand.

    log = EventLog(on_news)
    log.add_event("a-1", Stream("stdout", "x"))             # joined with what waits
    log.add_news("a-1", CellEnd(run="a-1", ...), files)     # never joined, never left out
    for entry in log.take(): ...                            # what may be sent now
    log.acknowledge([1, 2])                                 # these are forgotten
    log.rewind()                                            # a bot has come (back): send all again

News that was sent keeps its number and its text. News that waits, because the bot is away or slow, is kept as
an `Inbox` keeps it: text is joined, and what was cleared or redrawn is dropped. Results are never dropped.
They hold everything that their cell has shown, so no record misses what is left out here.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kernels.cell.events import Event, Stream, cost
from kernels.cell.inbox import SHOWN, Inbox
from kernels.cell.result import Late
from kernels.node.encoding import encode
from kernels.node.messages import CellEvent, LateOutput, News
from kernels.workspace.captured import Captured

__all__ = ["EventLog", "LogEntry"]

WINDOW = 8 << 20  # bytes that are sent and not acknowledged, or that the bot makes of them; more waits
HELD = 32 << 20  # bytes that a cell's waiting output may take
CROWDED = 1000  # things that wait, which may take `HELD` together
LEFT_OUT = Stream("stderr", "\n[... output that came while nobody listened is left out here ...]\n")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A numbered piece of news, as JSON; the `files` that it names can be read until it is forgotten."""

    number: int
    source: str | int
    text: bytes
    size: int  # bytes: of its text, or of the objects that it is parsed into, whichever is more
    files: tuple[Captured, ...] = ()
    outputs: Sequence[bytes] = ()  # of its result, where they are too large to be in the text; JSON each


@dataclass
class _Events:
    """Waiting events of one cell that follow each other. `size` is at least the bytes that they take."""

    source: str | int
    most: int  # bytes
    inbox: Inbox = field(default_factory=Inbox)
    size: int = 0

    def put(self, event: Event) -> None:
        self.inbox.put(event)
        self.size += cost(event)
        if self.size > self.most:
            # Less may be waiting than was put: the inbox joins text, and drops what was redrawn. Counting it
            # takes a while, so there must be room for much more before it is counted again.
            self.size = self.inbox.size
            if self.size > self.most // 2:
                self._shorten()

    def take(self) -> tuple[Event, int] | None:
        """The next event and its cost, or None when there is none."""
        event = self.inbox.take()
        if event is None:
            return None
        size = cost(event)
        self.size -= size
        return event, size

    def _shorten(self) -> None:
        kept = Inbox()
        kept.put(LEFT_OUT)
        while (event := self.inbox.take()) is not None:
            if not isinstance(event, SHOWN):
                kept.put(event)
        self.inbox, self.size = kept, kept.size


@dataclass(frozen=True, slots=True)
class _Waiting:
    source: str | int
    news: News
    files: tuple[Captured, ...] = ()
    outputs: Sequence[bytes] = ()
    urgent: bool = False


class EventLog:
    """One session's news. `on_news` is called when there may be something to send.

    A cell's waiting output may take `held` bytes; when it takes more, only the cell's result has it.
    """

    def __init__(self, on_news: Callable[[], None], held: int = HELD) -> None:
        self._on_news = on_news
        self._most = held
        self._waiting: deque[_Events | _Waiting] = deque()
        self._entries: dict[int, LogEntry] = {}  # numbered, and not acknowledged, in order
        self._again: deque[int] = deque()  # those of them that have to be sent again
        self._last = 0
        self._out = 0  # bytes that are sent and not acknowledged
        self._taken = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether all that has happened is acknowledged."""
        return not self._waiting and not self._entries

    async def room(self) -> None:
        """Return when little waits. Until then late output should wait where it comes from."""
        while len(self._waiting) > CROWDED or self._held() > self._most:
            self._taken.clear()
            await self._taken.wait()

    def add_event(self, source: str | int, event: Event) -> None:
        """Add an event of a cell. `source` is the cell's key while it runs, and its tag after its end."""
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, _Events) or last.source != source:
            last = _Events(source, self._most)
            self._waiting.append(last)
        last.put(event)
        self._on_news()

    def add_news(
        self,
        source: str | int,
        news: News,
        files: tuple[Captured, ...] = (),
        outputs: Sequence[bytes] = (),
        *,
        urgent: bool = False,
    ) -> None:
        """Add anything but an event. `source` is the cell that it is about.

        `outputs` are the JSON of the result's outputs where the bot has to fetch them one by one. What is
        `urgent` does not wait until the bot has acknowledged what was sent before: a bot that comes back asks
        how things are before it takes what a cell has shown in the meantime.
        """
        self._waiting.append(_Waiting(source, news, files, outputs, urgent))
        self._on_news()

    def take(self) -> Iterator[LogEntry]:
        """What may be sent now, in order: urgent news, and `WINDOW` bytes beyond what is acknowledged."""
        while (entry := self._following()) is not None:
            self._out += entry.size
            yield entry

    def acknowledge(self, numbers: Iterable[int]) -> None:
        """Forget the news of these numbers: the bot has recorded or shown it."""
        for number in numbers:
            entry = self._entries.pop(number, None)
            if entry is not None and number not in self._again:
                self._out -= entry.size
        self._again = deque(number for number in self._again if number in self._entries)
        self._on_news()

    def forget_cell(self, source: str) -> None:
        """Nobody will ask for this cell again."""
        self._waiting = deque(one for one in self._waiting if one.source != source)
        self.acknowledge([entry.number for entry in self._entries.values() if entry.source == source])

    def rewind(self) -> None:
        """Send again all that is not acknowledged."""
        self._again = deque(self._entries)
        self._out = 0

    def entry(self, number: int) -> LogEntry | None:
        """An entry that is not acknowledged."""
        return self._entries.get(number)

    def _held(self) -> int:
        return sum(one.size for one in self._waiting if isinstance(one, _Events))

    def _following(self) -> LogEntry | None:
        """What is sent next, or None for now."""
        if self._again:  # all of it: it was within the bounds once, and nothing urgent may overtake it
            return self._entries[self._again.popleft()]
        if self._out < WINDOW:
            return self._next()
        for index, waiting in enumerate(self._waiting):
            if isinstance(waiting, _Waiting) and waiting.urgent:
                del self._waiting[index]
                return self._numbered(waiting)
        return None

    def _next(self) -> LogEntry | None:
        """The first of what waits, numbered."""
        self._taken.set()
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, _Waiting):
                self._waiting.popleft()
                return self._numbered(first)
            taken = first.take()
            if taken is not None:
                event, size = taken
                return self._numbered(_Waiting(first.source, _news_of(first.source, event)), size)
            self._waiting.popleft()
        return None

    def _numbered(self, waiting: _Waiting, size: int = 0) -> LogEntry:
        self._last = waiting.news.n = self._last + 1
        text = encode(waiting.news)
        size = max(size, len(text)) + sum(map(len, waiting.outputs))
        entry = LogEntry(self._last, waiting.source, text, size, waiting.files, waiting.outputs)
        self._entries[self._last] = entry
        return entry


def _news_of(source: str | int, event: Event) -> News:
    if isinstance(source, int):
        return LateOutput(late=Late(source, event=event))
    return CellEvent(run=source, event=event)
