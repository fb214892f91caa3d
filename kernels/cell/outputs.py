"""What a cell has shown: its events folded as a notebook folds them, and held within the cell's limits.

    outputs = Outputs(max_text=1 << 20, max_shown=64 << 20)
    for event in outputs.add_event(event): ...  # what may be passed on of it
    for event in outputs.close(): ...           # the tail of a text that was clipped
    outputs.cells()                             # nbformat v4 output dicts

`clear_output`, `update_display_data`, `\\r` and backspace take effect, so a progress bar is one line and a
loop that redraws a plot holds one picture. Updates of an earlier cell's displays come after everything else
that the cell shows, see `kernels.cell.display_updates`. Of a text over the limit the head is passed on at
once, and the tail when the cell ends. A cell can cause only so much work, and make us hold only so much:
`kernels.wire.weight` says what a display costs, and `kernels.text.terminal` what drawing costs.
"""

from collections import deque
from typing import Any

from msgspec.structs import replace

from kernels.cell.display_updates import UPDATE
from kernels.cell.events import Bundle, ClearOutput, Display, Event, Failure, Result, Stream, cost
from kernels.cell.overflow import Overflow
from kernels.text.clipping import clip, human_size, left_out, strip_ansi
from kernels.text.terminal import TerminalText

__all__ = ["ENDINGS", "MOST", "Outputs", "stream_output"]

MOST = 2000  # outputs of a cell, and pieces of its tail
ENDINGS = 8  # results or errors beyond `MOST`, so that a cell's end is seen after a thousand plots
ELSEWHERE = 64  # displays of earlier cells that one cell may update
PIECE = 64 * 1024  # characters of a long text that are looked at in one step
DRAWN = 4  # times `max_text` that are drawn: redrawing a line for ever takes time, not space
SHORT = 1000  # characters of each display's text that stay, whatever the others take
BLANKS = 8  # 1/8 of `max_text` may be blanks that a cursor leaves when it moves up into shorter lines


class _TextBlock:
    def __init__(self, name: str, blanks: int) -> None:
        self.name = name
        self.terminal = TerminalText(blanks)


class Outputs:
    """The outputs of one cell, in order.

    `max_text` is in characters, `max_shown` in bytes that all displays cost (`kernels.cell.events.cost`).
    Once there is more than `max_text`, all text goes to `overflow` as well.
    """

    def __init__(self, *, max_text: int, max_shown: int, overflow: Overflow | None = None) -> None:
        self.is_cut = False  # whether text was left out
        self._overflow = overflow
        self._max_text = max_text
        self._max_shown = max_shown
        self._drawn = 0
        self._blanks = max_text // BLANKS
        self._elsewhere: dict[str, tuple[Display, int]] = {}  # updates of earlier cells, by display id; costs
        self._shown: list[_TextBlock | Display | Result | Failure] = []
        self._indexes: dict[str, list[int]] = {}  # in `_shown`, of the displays with an id
        self._costs: list[int] = []  # of each of them; a text has its own limit
        self._held = 0  # bytes of the displays in `_shown` and `_elsewhere`
        self._last_text: _TextBlock | None = None
        self._text_before = 0  # characters of all texts in `_shown` but the last
        self._tail: deque[tuple[str, str]] = deque()
        self._tail_size = self._cut = 0
        self._value_shown = False
        self._clear_next = False
        self._told_over = False  # whether it was said that displays are left out, which is said once

    def add_event(self, event: Event) -> list[Event]:
        """Fold `event` in; returns what may be passed on: nothing, the event itself, or a clipped one."""
        match event:
            case Stream(name, text):
                self._clear_if_due()
                return self._write(name, text)
            case ClearOutput(wait=True):
                self._clear_next = True
            case ClearOutput():
                self._clear()
            case Display(update=True):
                return self._update(event)
            case Display():
                self._clear_if_due()
                return self._show(event)
            case Result() | Failure():
                self._clear_if_due()
                return [*self._text_before_value(), *self._show(event)]
        return [event]

    def close(self) -> list[Event]:
        """The end of the cell: the tail of a clipped text, after a line that says how much is missing."""
        if not self._tail:
            return []
        self.is_cut = self.is_cut or self._cut > 0
        notice = [Stream(self._tail[0][0], left_out(self._cut))] if self._cut else []
        tail = [*notice, *(Stream(name, text) for name, text in self._tail)]
        self._tail.clear()
        self._tail_size = self._cut = 0
        for piece in tail:
            self._block(piece.name).terminal.write(piece.text)
        return list(tail)

    def cells(self, last: int | None = None) -> tuple[dict[str, Any], ...]:
        """The outputs as nbformat v4 dicts (https://nbformat.readthedocs.io/en/latest/format_description.html).

        With `last`, only that many of the last ones.
        """
        shown = self._shown[-last:] if last else self._shown
        elsewhere = (display for display, _ in self._elsewhere.values())
        return tuple(map(_notebook_output, shown)) + tuple(map(_update_output, elsewhere))

    def text(self) -> str:
        """Everything that can be read as text, without colours. What has a picture is left out.

        Displays and errors together have as much room as all streams have; beyond it they are clipped.
        """
        pieces: list[str] = []
        room = self._max_text
        for shown in (*self._shown, *(display for display, _ in self._elsewhere.values())):
            text = _as_text(shown)
            if not isinstance(shown, _TextBlock):
                text = clip(text, max(room, SHORT))
                room -= len(text)
            if text and pieces and not isinstance(shown, _TextBlock) and not pieces[-1].endswith("\n"):
                pieces.append("\n")
            if text:
                pieces.append(text)
        return strip_ansi("".join(pieces))

    # Text:

    def _write(self, name: str, text: str) -> list[Event]:
        passed: list[str] = []
        for start in range(0, len(text), PIECE):
            piece = text[start : start + PIECE]
            self._flow_on(piece)
            room = self._room()
            if room <= 0:
                self._keep_tail(name, piece)
                continue
            now, later = (piece, "") if "\r" in piece else (piece[:room], piece[room:])
            self._drawn += len(now)
            self._block(name).terminal.write(now)
            passed.append(now)
            if later:
                self._keep_tail(name, later)
        return [Stream(name, "".join(passed))] if passed else []

    def _room(self) -> int:
        """Characters of text that may be passed on at once; none if the tail has begun."""
        if self._tail or len(self._shown) >= MOST or self._drawn >= DRAWN * self._max_text:
            return 0
        size = self._text_before + (self._last_text.terminal.size if self._last_text else 0)
        return self._max_text // 2 - size

    def _keep_tail(self, name: str, text: str) -> None:
        self._flow_over(text)
        if self._tail and self._tail[-1][0] == name and len(self._tail[-1][1]) < PIECE:
            self._tail[-1] = (name, self._tail[-1][1] + text)
        else:
            self._tail.append((name, text))
        self._tail_size += len(text)
        while (surplus := self._tail_size - self._max_text // 2) > 0 or len(self._tail) > MOST:
            first_name, first = self._tail.popleft()
            if 0 < surplus < len(first):
                self._tail.appendleft((first_name, first[surplus:]))
                first = first[:surplus]
            self._tail_size -= len(first)
            self._cut += len(first)

    def _block(self, name: str) -> _TextBlock:
        last = self._shown[-1] if self._shown else None
        if not isinstance(last, _TextBlock) or last.name != name:
            if self._last_text is not None:
                self._last_text.terminal.settle()
                self._text_before += self._last_text.terminal.size
            blanks = min(TerminalText.BLANKS, self._blanks)
            self._blanks -= blanks
            last = self._last_text = _TextBlock(name, blanks)
            self._shown.append(last)
            self._costs.append(0)
        return last

    def _flow_over(self, text: str) -> None:
        """From this text on, more is printed than is shown."""
        if self._overflow is not None and not self._overflow.begun:
            self._overflow.begin(self.text())
            self._overflow.add_text(text)

    def _flow_on(self, text: str) -> None:
        if self._overflow is not None and self._overflow.begun:
            self._overflow.add_text(text)

    def _flow_value(self, event: Display | Result | Failure, whole: str) -> None:
        """Write a value's text to the overflow; it is `whole` where the event has only its head and tail."""
        if not whole:
            self._flow_on(_as_text(event))
            return
        self.is_cut = True
        self._flow_on(whole + "\n")
        self._flow_over(whole + "\n")
        if self._overflow is not None and not isinstance(event, Failure) and isinstance(event.bundle, Bundle):
            self._overflow.partial = self._overflow.partial or event.bundle.partial

    # All else:

    def _show(self, event: Display | Result | Failure) -> list[Event]:
        whole = _taken_whole(event)
        most = MOST if isinstance(event, Display) else MOST + ENDINGS
        if len(self._shown) > most:
            return []
        if len(self._shown) == most:
            event = _emptied(event, f"[further output left out: a cell shows at most {MOST:,} things]")
        size = cost(event)
        if self._over_limit(size, 0):
            if isinstance(event, Display) and self._told_over:
                return []
            self._told_over = True
        self._flow_value(event, whole)
        event, size = self._within_limit(event, size, 0)
        self._held += size
        if isinstance(event, Display) and event.display_id is not None:
            self._indexes.setdefault(event.display_id, []).append(len(self._shown))
        self._shown.append(event)
        self._costs.append(size)
        return [event]

    def _text_before_value(self) -> list[Event]:
        """The tail of a clipped text, to come before the cell's value. Only once, or text had no limit."""
        first, self._value_shown = not self._value_shown, True
        return self.close() if first else []

    def _update(self, event: Display) -> list[Event]:
        """Replace the displays with the same id: of this cell or, if it has none, of an earlier one."""
        _taken_whole(event)
        if event.display_id is None:
            return []
        indexes = self._indexes.get(event.display_id, ())
        size = cost(event)
        if not indexes:
            if event.display_id not in self._elsewhere and len(self._elsewhere) == ELSEWHERE:
                return []
            before = self._elsewhere[event.display_id][1] if event.display_id in self._elsewhere else 0
            event, size = self._within_limit(event, size, before)
            self._elsewhere[event.display_id or ""] = event, size
            self._held += size - before
        for index in indexes:
            before = self._costs[index]
            event, size = self._within_limit(event, size, before)
            self._held += size - before
            self._shown[index], self._costs[index] = event, size
        return [event]

    def _within_limit[T: Display | Result | Failure](self, event: T, size: int, freed: int) -> tuple[T, int]:
        """The event and its cost. If that is too much, an event with a sentence in place of its content."""
        if not self._over_limit(size, freed):
            return event, size
        event = _emptied(event, f"[output left out: a cell shows at most {human_size(self._max_shown)}]")
        return event, cost(event)

    def _over_limit(self, size: int, freed: int) -> bool:
        """Whether this cost is too much, given what is held less what is `freed` for it."""
        return self._held - freed + size > self._max_shown

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self._clear()

    def _clear(self) -> None:
        self._shown.clear()
        self._indexes.clear()
        self._costs.clear()
        self._tail.clear()
        self._last_text = None
        self._text_before = self._tail_size = self._cut = 0
        self._held = sum(size for _, size in self._elsewhere.values())
        self._clear_next = self._told_over = self.is_cut = False
        if self._overflow is not None:
            self._overflow.clear()


def _emptied[T: Display | Result | Failure](event: T, note: str) -> T:
    if isinstance(event, Failure):
        return replace(event, evalue=note, traceback=(note,))
    return replace(event, bundle={"text/plain": note}, metadata={})


def _taken_whole(event: Display | Result | Failure) -> str:
    """The whole text of a value that was clipped; the event lets go of it, since it is not in its cost."""
    if isinstance(event, Failure) or not isinstance(event.bundle, Bundle):
        return ""
    whole, event.bundle.whole = event.bundle.whole, ""
    return whole


def _is_picture(event: Display | Result) -> bool:
    return any(mime.startswith("image/") and mime != "image/svg+xml" for mime in event.bundle)


def _as_text(shown: _TextBlock | Display | Result | Failure) -> str:
    match shown:
        case _TextBlock():
            return shown.terminal.render()
        case Failure():
            return "\n".join(shown.traceback) + "\n"
        case _ if _is_picture(shown):
            return ""
    return str(shown.bundle.get("text/plain", "")) + "\n"


def stream_output(name: str, text: str) -> dict[str, Any]:
    """The nbformat v4 output of something printed; `name` is "stdout" or "stderr"."""
    return {"output_type": "stream", "name": name, "text": text}


def _notebook_output(shown: _TextBlock | Display | Result | Failure) -> dict[str, Any]:
    match shown:
        case _TextBlock():
            return stream_output(shown.name, shown.terminal.render())
        case Failure():
            error = {"ename": shown.ename, "evalue": shown.evalue, "traceback": list(shown.traceback)}
            return {"output_type": "error", **error}
    shared = {"data": dict(shown.bundle), "metadata": dict(shown.metadata)}
    if isinstance(shown, Result):
        return {"output_type": "execute_result", "execution_count": shown.count, **shared}
    if shown.display_id is not None:
        shared["transient"] = {"display_id": shown.display_id} | ({"updated": True} if shown.update else {})
    return {"output_type": "display_data", **shared}


def _update_output(shown: Display) -> dict[str, Any]:
    return _notebook_output(replace(shown, update=False)) | {"output_type": UPDATE}
