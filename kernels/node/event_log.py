"""What has happened in a session and the bot has not acknowledged: numbered, bounded, told again on demand.

    log = Log(on_news)
    log.event("run", "a-1", Stream("stdout", "x"))      # joined with what waits
    log.add({"run": "a-1", "result": {...}}, files)     # never joined, never left out
    for entry in log.take(): ...                        # what may be sent now
    log.acknowledge([1, 2])                             # forgotten
    log.rewind()                                        # a bot has come (back): all is to be sent again

What was sent once keeps its number and its words. What waits, because the bot is away or slow, is kept as an
`Inbox` keeps it: text is joined, what is cleared or redrawn is dropped. Results are never dropped, and hold
all that their cell has shown, so what is left out here is missing in no record.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from kernels.cell import codec
from kernels.cell.events import Event, Stream, cost
from kernels.cell.inbox import SHOWN, Inbox
from kernels.wire.json_texts import dumps
from kernels.workspace.captured import Captured

__all__ = ["Entry", "Log"]

WINDOW = 8 << 20  # bytes that are sent and not acknowledged, or that the bot makes of them; more waits
HELD = 32 << 20  # bytes that a cell's waiting output may take; once it takes more, only its result has it
CROWDED = 1000  # things that wait, which may take `HELD` together
APART = 1 << 20  # characters of a result's outputs from which they are fetched one by one
OUTPUTS = "outputs " + token_hex(16)  # stands for those of a result until they are put in; not to be guessed
LEFT_OUT = Stream("stderr", "\n[... output that came while nobody listened is left out here ...]\n")


@dataclass(frozen=True, slots=True)
class Entry:
    """A numbered piece of news, as JSON; the `files` that it names can be read until it is forgotten."""

    number: int
    source: str
    text: str
    size: int  # bytes: of its text, or of the objects that it is parsed into, whichever is more
    files: tuple[Captured, ...] = ()
    outputs: Sequence[str] = ()  # of its result, where they are too large to be in the text; JSON each


@dataclass
class _Events:
    """Waiting events of one cell that follow each other. `size` is at least the bytes that they take."""

    kind: str
    source: str
    inbox: Inbox = field(default_factory=Inbox)
    size: int = 0

    def put(self, event: Event) -> None:
        self.inbox.put(event)
        self.size += cost(event)
        if self.size > HELD:
            # Less may be waiting than was put: the inbox joins text, and drops what was redrawn. Counting it
            # takes a while, so there must be room for much more before it is counted again.
            self.size = self.inbox.size
            if self.size > HELD // 2:
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
class _News:
    source: str
    fields: dict[str, Any]
    files: tuple[Captured, ...]
    outputs: Sequence[str] | None
    urgent: bool


class Log:
    """One session's news. `on_news` is called when there may be something to send."""

    def __init__(self, on_news: Callable[[], None]) -> None:
        self._on_news = on_news
        self._waiting: deque[_Events | _News] = deque()
        self._entries: dict[int, Entry] = {}  # numbered, and not acknowledged, in order
        self._again: deque[int] = deque()  # those of them that have to be sent again
        self._last = 0
        self._out = 0  # bytes that are sent and not acknowledged
        self._taken = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether all that has happened is acknowledged."""
        return not self._waiting and not self._entries

    async def room(self) -> None:
        """Return when little waits: what can wait elsewhere should wait there until then."""
        while len(self._waiting) > CROWDED or self._held() > HELD:
            self._taken.clear()
            await self._taken.wait()

    def event(self, kind: str, source: str, event: Event) -> None:
        """An event of the cell that `source` names; `kind` is "run", or "late" after its end."""
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, _Events) or (last.kind, last.source) != (kind, source):
            last = _Events(kind, source)
            self._waiting.append(last)
        last.put(event)
        self._on_news()

    def add(
        self,
        source: str,
        fields: dict[str, Any],
        files: tuple[Captured, ...] = (),
        outputs: Sequence[str] | None = None,
        *,
        urgent: bool = False,
    ) -> None:
        """Something else than an event; `source` is what it is of.

        `outputs` are JSON already, and become the outputs of `fields["result"]`: all at once would take long.
        What is `urgent` does not wait for the bot to be done with what was sent before: a bot that comes back
        asks how things are before it takes what a cell has shown meanwhile.
        """
        self._waiting.append(_News(source, fields, files, outputs, urgent))
        self._on_news()

    def take(self) -> Iterator[Entry]:
        """What may be sent now, in order: `WINDOW` bytes ahead of what is acknowledged, and the urgent."""
        while (entry := self._following()) is not None:
            self._out += entry.size
            yield entry

    def acknowledge(self, numbers: Iterable[int]) -> None:
        """The bot is done with these."""
        for number in numbers:
            entry = self._entries.pop(number, None)
            if entry is not None and number not in self._again:
                self._out -= entry.size
        self._again = deque(number for number in self._again if number in self._entries)
        self._on_news()

    def forget(self, source: str) -> None:
        """Nobody will ask for this cell again."""
        self._waiting = deque(one for one in self._waiting if one.source != source)
        self.acknowledge([entry.number for entry in self._entries.values() if entry.source == source])

    def rewind(self) -> None:
        """Send again all that is not acknowledged."""
        self._again = deque(self._entries)
        self._out = 0

    def entry(self, number: int) -> Entry | None:
        """An entry that is not acknowledged."""
        return self._entries.get(number)

    def _held(self) -> int:
        return sum(one.size for one in self._waiting if isinstance(one, _Events))

    def _following(self) -> Entry | None:
        """What is sent next, or None for now."""
        if self._again:  # all of it: it was within the bounds once, and nothing urgent may overtake it
            return self._entries[self._again.popleft()]
        if self._out < WINDOW:
            return self._next()
        for place, news in enumerate(self._waiting):
            if isinstance(news, _News) and news.urgent:
                del self._waiting[place]
                return self._numbered(news.source, news.fields, news.files, outputs=news.outputs)
        return None

    def _next(self) -> Entry | None:
        """The first of what waits, numbered."""
        self._taken.set()
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, _News):
                self._waiting.popleft()
                return self._numbered(first.source, first.fields, first.files, outputs=first.outputs)
            taken = first.take()
            if taken is not None:
                event, size = taken
                return self._numbered(
                    first.source, {first.kind: first.source, "event": codec.event(event)}, size=size
                )
            self._waiting.popleft()
        return None

    def _numbered(
        self,
        source: str,
        fields: dict[str, Any],
        files: tuple[Captured, ...] = (),
        size: int = 0,
        outputs: Sequence[str] | None = None,
    ) -> Entry:
        self._last += 1
        text = dumps({"n": self._last, **fields})
        apart: Sequence[str] = ()
        if outputs is not None:
            total = sum(map(len, outputs))
            joined, apart = (outputs, ()) if total < APART else ((), outputs)
            text = text.replace(f'"{OUTPUTS}"', f"[{', '.join(joined)}]")
            size += total
        entry = self._entries[self._last] = Entry(
            self._last, source, text, max(size, len(text)), files, apart
        )
        return entry
