"""What a cell has shown: its events folded as a notebook folds them, and held within the cell's limits.

    outputs = Outputs(max_text=1 << 20, max_shown=64 << 20)
    for event in outputs.add(event): ...      # what may be passed on of it
    for event in outputs.close(): ...         # the tail of a text that was clipped
    outputs.cells()                           # nbformat v4 output dicts

`clear_output`, `update_display_data`, `\\r` and backspace are acted on, so a progress bar is one line and a loop
that redraws a plot holds one picture. Text beyond the limit keeps its head, which was passed on at once, and its
tail, which follows when the cell ends.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kernels.events import ClearOutput, Display, Event, Failure, Result, Stream
from kernels.text import Terminal, human_size, left_out, strip_ansi

__all__ = ["Outputs"]

PIECE = 64 * 1024  # characters of a long text that are looked at in one step


class _Text:
    def __init__(self, name: str) -> None:
        self.name = name
        self.terminal = Terminal()


class Outputs:
    """The outputs of one cell, in order. `max_text` in characters, `max_shown` in bytes of all displays together."""

    def __init__(self, *, max_text: int, max_shown: int) -> None:
        self._max_text = max_text
        self._max_shown = max_shown
        self._shown: list[_Text | Display | Result | Failure] = []
        self._clear_next = False
        self._tail: deque[tuple[str, str]] = deque()
        self._tail_size = self._cut = 0

    def add(self, event: Event) -> list[Event]:
        """Fold `event` in; returns what may be passed on of it, which is nothing, itself, or a clipped one."""
        match event:
            case Stream(name, text):
                self._clear_if_due()
                return self._write(name, text)
            case ClearOutput(wait=True):
                self._clear_next = True
            case ClearOutput():
                self._clear()
            case Display(update=True):
                event = self._within_limit(event)
                for place, shown in enumerate(self._shown):
                    if isinstance(shown, Display) and shown.display_id == event.display_id:
                        self._shown[place] = event
            case Display():
                self._clear_if_due()
                event = self._within_limit(event)
                self._shown.append(event)
            case Result():
                self._clear_if_due()
                event = self._within_limit(event)
                self._shown.append(event)
            case Failure():
                self._clear_if_due()
                self._shown.append(event)
        return [event]

    def close(self) -> list[Event]:
        """The end of the cell: the tail of a clipped text, after a line that says how much is missing."""
        if not self._tail:
            return []
        notice = [Stream(self._tail[0][0], left_out(self._cut))] if self._cut else []
        events: list[Event] = [*notice, *(Stream(name, text) for name, text in self._tail)]
        self._tail.clear()
        for event in events:
            if isinstance(event, Stream):
                self._block(event.name).terminal.write(event.text)
        return events

    def cells(self) -> tuple[dict[str, Any], ...]:
        """The outputs as nbformat v4 dicts (https://nbformat.readthedocs.io/en/latest/format_description.html)."""
        return tuple(_notebook_output(shown) for shown in self._shown)

    def text(self) -> str:
        """All that reads as text, without colours: streams, results, tracebacks, displays that are not pictures."""
        return strip_ansi("".join(_as_text(shown) for shown in self._shown))

    def pictures(self) -> Iterator[Display | Result]:
        """The displays and results that carry a PNG or JPEG picture, in order."""
        for shown in self._shown:
            if isinstance(shown, Display | Result) and _is_picture(shown):
                yield shown

    def _write(self, name: str, text: str) -> list[Event]:
        passed: list[str] = []
        for start in range(0, len(text), PIECE):
            piece = text[start : start + PIECE]
            room = self._max_text // 2 - self._text_size()
            if self._tail or room <= 0:
                self._keep_tail(name, piece)
                continue
            now, later = (piece, "") if "\r" in piece else (piece[:room], piece[room:])
            self._block(name).terminal.write(now)
            passed.append(now)
            if later:
                self._keep_tail(name, later)
        return [Stream(name, "".join(passed))] if passed else []

    def _keep_tail(self, name: str, text: str) -> None:
        self._tail.append((name, text))
        self._tail_size += len(text)
        while (surplus := self._tail_size - self._max_text // 2) > 0:
            first_name, first = self._tail.popleft()
            if len(first) > surplus:
                self._tail.appendleft((first_name, first[surplus:]))
            self._tail_size -= min(surplus, len(first))
            self._cut += min(surplus, len(first))

    def _block(self, name: str) -> _Text:
        last = self._shown[-1] if self._shown else None
        if not isinstance(last, _Text) or last.name != name:
            last = _Text(name)
            self._shown.append(last)
        return last

    def _text_size(self) -> int:
        return sum(shown.terminal.size for shown in self._shown if isinstance(shown, _Text))

    def _within_limit[T: (Display, Result)](self, event: T) -> T:
        held = sum(_size(shown) for shown in self._shown if isinstance(shown, Display | Result))
        if held + _size(event) <= self._max_shown:
            return event
        note = f"[output left out: a cell shows at most {human_size(self._max_shown)}]"
        return replace(event, bundle={"text/plain": note}, metadata={})

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self._clear()

    def _clear(self) -> None:
        self._shown.clear()
        self._tail.clear()
        self._tail_size = self._cut = 0
        self._clear_next = False


def _size(event: Display | Result) -> int:
    return sum(len(value) if isinstance(value, str) else len(repr(value)) for value in event.bundle.values())


def _is_picture(event: Display | Result) -> bool:
    return "image/png" in event.bundle or "image/jpeg" in event.bundle


def _as_text(shown: _Text | Display | Result | Failure) -> str:
    match shown:
        case _Text():
            return shown.terminal.render()
        case Failure():
            return "\n".join(shown.traceback) + "\n"
        case _ if _is_picture(shown):
            return ""
    return str(shown.bundle.get("text/plain", "")) + "\n"


def _notebook_output(shown: _Text | Display | Result | Failure) -> dict[str, Any]:
    match shown:
        case _Text():
            return {"output_type": "stream", "name": shown.name, "text": shown.terminal.render()}
        case Failure():
            return {
                "output_type": "error",
                "ename": shown.ename,
                "evalue": shown.evalue,
                "traceback": list(shown.traceback),
            }
        case Result():
            data, metadata = dict(shown.bundle), dict(shown.metadata)
            return {
                "output_type": "execute_result",
                "execution_count": shown.count,
                "data": data,
                "metadata": metadata,
            }
        case Display():
            return {
                "output_type": "display_data",
                "data": dict(shown.bundle),
                "metadata": dict(shown.metadata),
            }
