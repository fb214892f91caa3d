"""The cost of a hostile kernel's messages is bounded wherever they are turned into objects.

Each parser gets its worst cases. Memory is measured by tracemalloc and compared with the limits in force.
"""

import gc
import json
import math
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from sys import getsizeof
from typing import Any

import pytest

from kernels.cell.events import (
    BadMessage,
    ClearOutput,
    Display,
    Event,
    Failure,
    Result,
    Stream,
    cost,
    from_message,
)
from kernels.cell.inbox import Inbox
from kernels.cell.outputs import Outputs
from kernels.cell.router import LATE_HELD, Router
from kernels.limits import Limits
from kernels.node import event_log as log_module
from kernels.node.encoding import decode, encode
from kernels.node.event_log import EventLog
from kernels.wire.connection import Message
from kernels.wire.weight import weight

KiB, MiB = 1 << 10, 1 << 20
MAX_TEXT, MAX_DISPLAY = 64 * KiB, 512 * KiB
# An event: text of up to four bytes a character, or six in JSON, beside a display; and short parts.
MOST = 6 * MAX_TEXT + MAX_DISPLAY + 400 * KiB

VALUES: dict[str, Any] = {
    "empty lists": [[]] * 9_000,
    "empty objects": [{}] * 4_500,
    "objects of one key": [{"a": 0} for _ in range(4_500)],
    "lists of one value": [[0]] * 4_500,
    "many keys": {str(number): number for number in range(4_500)},
    "numbers": [number / 7 for number in range(9_000)],
    "large numbers": [10**4000] * 10,
    "short texts": ["ab"] * 9_000,
    "controls": "\x01" * 20_000,
    "characters of four bytes": "\U0001f600" * 20_000,
    "nothing but quotes": '"\\' * 10_000,
}
MANY: dict[str, Any] = {
    "numbers": [number / 7 for number in range(90_000)],
    "integers": list(range(90_000)),
    "short texts": ["ab"] * 90_000,
    "points": [[number / 7, number] for number in range(30_000)],
    "records": [{"x": number / 7} for number in range(30_000)],
    "not a number": [math.nan, *(number / 7 for number in range(90_000))],
}
DEEP = json.loads("[" * 90 + "]" * 90)
WORST: dict[str, tuple[str, dict[str, Any]]] = {
    "a million empty lines": ("error", {"ename": "E", "evalue": "", "traceback": ["\n" * MiB]}),
    "empty lines one by one": ("error", {"ename": "E", "evalue": "", "traceback": [""] * 9_000}),
    "long parts of an error": ("error", {"ename": "E" * MiB, "evalue": "v" * MiB, "traceback": ["t" * MiB]}),
    "lines of two characters": ("error", {"ename": "E", "evalue": "", "traceback": ["ab\n" * 300_000]}),
    "empty lines of text": ("stream", {"name": "stdout", "text": "\n" * MiB}),
    "a long question": ("input_request", {"prompt": "\u4e00" * MiB}),
    "plain text": ("display_data", {"data": {"text/plain": "\U0001f600" * MiB}}),
    "many types": ("display_data", {"data": {f"{'t' * 990}{n}": [[]] * 900 for n in range(100)}}),
    "a long id": ("update_display_data", {"data": {}, "transient": {"display_id": "i" * MiB}}),
    "deep lists": ("display_data", {"data": {"application/json": [DEEP] * 100}}),
    **{name: ("display_data", {"data": {"application/json": value}}) for name, value in VALUES.items()},
    **{
        f"{name} as metadata": ("execute_result", {"data": {}, "metadata": {"a": value}})
        for name, value in VALUES.items()
    },
}


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Gives the number of bytes by which Python's memory has grown since the start."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def least[T](make: Callable[[], T]) -> tuple[T, int]:
    """What is made, and its size in bytes: the least of three runs, as other threads can only add to it."""
    made: list[tuple[int, T]] = []
    for _ in range(3):
        with traced() as held:
            one = make()
            made.append((held(), one))
    taken, one = min(made, key=itemgetter(0))
    return one, taken


def event(kind: str, content: dict[str, Any]) -> Event | None:
    """The event of a message, sharing nothing with others, as if it was read from JSON."""
    try:
        return from_message(kind, json.loads(json.dumps(content)), max_text=MAX_TEXT, max_display=MAX_DISPLAY)
    except BadMessage:
        return None


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_weighs_what_it_takes_and_what_its_json_takes(value: Any) -> None:
    """It is never less, and no multiple: an honest value must not count for much more than it is."""
    text = json.dumps(value)
    parsed, taken = least(lambda: json.loads(text))
    assert taken <= weight(parsed) + 8 * KiB  # and what Python itself takes meanwhile
    assert len(json.dumps(parsed, ensure_ascii=False)) <= 3 * weight(parsed)
    assert weight(parsed) <= 6 * max(taken, len(text))


@pytest.mark.parametrize(("kind", "content"), WORST.values(), ids=WORST)
def test_an_event_costs_no_more_than_its_limits(kind: str, content: dict[str, Any]) -> None:
    """Whatever the message, what is kept of it is bounded, and `cost` says how much that is."""
    made, taken = least(lambda: event(kind, content))
    if made is not None:
        assert cost(made) <= MOST
        assert weight(getattr(made, "metadata", {})) < 4 * KiB
        assert taken <= cost(made) + 64 * KiB


@cache  # not at import: every worker of a run imports all tests
def some() -> list[Event]:
    """The events of the worst messages."""
    return [made for kind, content in WORST.values() if (made := event(kind, content)) is not None]


def flood(times: int) -> Iterator[Event]:
    """All kinds of events, sharing nothing with each other, interspersed with some that remove others."""
    for number in range(times):
        for worst in some():
            yield decode(encode(worst), Event)
            if number % 3 == 0:
                yield ClearOutput(wait=True)
            if number % 5 == 0 and isinstance(worst, Display):
                yield Display(dict(worst.bundle), {}, f"elsewhere {number}", update=True)


def test_a_cells_outputs_cost_no_more_than_its_limit() -> None:
    """However many events there are, cleared or not: 2,000 forged errors once took 16 GB."""
    with traced() as held:
        outputs = Outputs(max_text=MAX_TEXT, max_shown=2 * MiB)
        most = 0
        for one in flood(4):
            outputs.add_event(one)
            most = max(most, held())
        outputs.close()
        cells = outputs.cells()
        assert most < 6 * MiB  # the limit, the current event, texts
        assert weight(list(cells)) < 4 * MiB


def test_a_slow_reader_makes_no_difference_to_what_is_held() -> None:
    """The events that wait for a reader hold no more than the cell shows."""
    with traced() as held:
        outputs, inbox = Outputs(max_text=MAX_TEXT, max_shown=2 * MiB), Inbox()
        most = 0
        for one in flood(4):
            for passed in outputs.add_event(one):
                inbox.put(passed)
            most = max(most, held())
        assert most < 8 * MiB


def test_a_node_holds_little_while_no_bot_is_there() -> None:
    """Errors are dropped as pictures are: they are in the cell's result."""
    with traced() as held:
        log = EventLog(lambda: None, held=2 * MiB)
        most = 0
        for one in flood(4):
            log.add_event("a", one)
            most = max(most, held())
        assert most < 6 * MiB


@pytest.mark.parametrize(
    "event",
    [
        Failure("E", "", ("t" * 10_000,)),
        Display({"application/json": [[]] * 1000}),
        Result({"a": [{}] * 900}, 1),
    ],
    ids=["errors", "displays", "values"],
)
def test_what_nobody_takes_is_dropped_whatever_it_is(event: Event) -> None:
    """No output beyond the bound is kept, and the next bot hears that something is missing."""
    log = EventLog(lambda: None, held=MiB)
    for _ in range(500):
        log.add_event("a", event)
    waiting = [json.loads(entry.text) for entry in log.take()]
    assert weight(waiting) < 1.2 * MiB
    assert "left out" in waiting[0]["event"]["text"]


def test_what_a_bot_takes_as_it_comes_is_never_dropped() -> None:
    """However much came in total, and even if something is always waiting: taken events do not count."""
    log = EventLog(lambda: None, held=MiB)
    picture = Display({"image/png": "x" * 100_000})
    log.add_event("a", picture)
    taken = 0
    for _ in range(100):
        log.add_event("a", picture)
        entry = next(log.take())
        taken += "image/png" in json.loads(entry.text)["event"].get("bundle", {})
        log.acknowledge([entry.number])
    assert taken == 100


def test_a_line_that_is_redrawn_while_nobody_takes_it_is_not_too_much() -> None:
    """Of a progress bar one line waits, however often it was redrawn."""
    log = EventLog(lambda: None, held=100 * KiB)
    for percent in range(5_000):
        log.add_event("a", Stream("stderr", f"\r{percent}"))
    (entry,) = log.take()
    text = json.loads(entry.text)["event"]["text"]
    assert text.endswith("\r4999")
    assert "left out" not in text


def test_updates_of_earlier_cells_displays_count_too() -> None:
    """They are not shown here, but wait for the reader of this cell's events."""
    outputs, inbox = Outputs(max_text=MAX_TEXT, max_shown=2 * MiB), Inbox()
    for number in range(60):
        update = Display({"image/png": "x" * MiB}, {}, str(number), update=True)
        for passed in outputs.add_event(update):
            inbox.put(passed)
    waiting = []
    while (one := inbox.take()) is not None:
        waiting.append(one)
    assert sum(map(cost, waiting)) < 2.2 * MiB


def test_late_text_that_is_empty_is_none() -> None:
    """As it costs nothing there would be no end of it, and each piece is written to the record."""
    router = Router(Limits(), lambda: None)

    class _Run:
        tag = 1

    router.begin("a", _Run())  # type: ignore[arg-type]
    router.end()
    for name in ("stdout", "stderr"):
        router.receive(Message("iopub", "stream", "a", {"name": name, "text": ""}, {}))
    assert router.late.empty()


def test_what_is_sent_ahead_is_bounded_by_what_the_bot_makes_of_it() -> None:
    """Short JSON can become many objects, so the window counts those."""
    log = EventLog(lambda: None)
    for number in range(40):
        log.add_event("a", Display({"application/json": [[]] * 10_000}, display_id=str(number)))
    sent = [json.loads(entry.text) for entry in log.take()]
    assert weight(sent) < 1.3 * log_module.WINDOW


async def test_late_output_is_bounded_by_what_it_costs() -> None:
    """Forged errors from a thread, one for each of many cells, that nobody takes."""
    router = Router(Limits(), lambda: None)
    lines = {"ename": "E", "evalue": "", "traceback": ["\n" * MiB]}
    display = {"data": {"application/json": [[]] * 40_000}}

    class _Run:
        tag = 1

    for number in range(12):
        router.begin(str(number), _Run())  # type: ignore[arg-type]
        router.end()
        for kind, content in (("error", lines), ("display_data", display)) * 2:
            router.receive(Message("iopub", kind, str(number), content, {}))
        for _ in range(20):
            router.receive(Message("iopub", "stream", str(number), {"name": "stdout", "text": ""}, {}))
    waiting = [router.late.get_nowait().event for _ in range(router.late.qsize())]
    assert sum(cost(one) for one in waiting if one is not None) < LATE_HELD + 4 * MiB
    assert router.late.held == 0


@pytest.mark.parametrize(
    "variables",
    [[["v" * MiB] * 3] * 300, [[[[]] * 9_000, "t", "d"]], {"a": 1}, "text", [[1]], [["a", "b", 10**5000]]],
    ids=["long", "a list for a name", "an object", "a text", "one part", "a number too long to say"],
)
def test_variables_of_a_lying_reply_are_few_and_short(variables: Any) -> None:
    """At most 200 are kept, with 60 characters of each part."""
    router = Router(Limits(), lambda: None)

    class _Run:
        tag = 1

        def reply(self, *_: object) -> None:
            """The reply that ends the cell."""

    router.begin("a", _Run())  # type: ignore[arg-type]
    reply = {"status": "ok", "execution_count": 1}
    metadata = {"kernelcord": {"variables": variables}}
    router.receive(Message("iopub", "execute_reply", "a", reply, metadata))
    assert len(router.variables) <= 200
    assert weight([[one.name, one.type, one.detail] for one in router.variables]) < 200 * 400


def test_an_error_keeps_its_first_and_last_lines() -> None:
    """The lines in between are counted."""
    made = event("error", {"ename": "E", "evalue": "", "traceback": [f"line {n}" for n in range(5000)]})
    assert isinstance(made, Failure)
    assert made.traceback[0] == "line 0"
    assert made.traceback[-1] == "line 4999"
    assert made.traceback[1000] == "[... 3,000 lines left out ...]"


def test_a_value_has_its_place_among_errors_that_were_cleared() -> None:
    """Cleared outputs free their space, including errors and values."""
    outputs = Outputs(max_text=MAX_TEXT, max_shown=2 * MiB)
    for _ in range(50):
        outputs.add_event(Failure("E", "", ("t" * MiB,)))
        outputs.add_event(ClearOutput(wait=False))
    outputs.add_event(Result({"text/plain": "42"}, 1))
    assert outputs.text() == "42\n"


@pytest.mark.parametrize("grows", ["\n", "\0", "\x1f", "\x7f", "é\n"])
def test_a_long_text_that_grows_as_json_is_found(grows: str) -> None:
    """However long it is, and wherever the growing part stands; other texts weigh what they are."""
    text = "a" * 100_000 + grows + "b" * 100_000
    assert weight(text) == max(getsizeof(text), len(json.dumps(text, ensure_ascii=False)))
    assert weight("a" * 200_000) == getsizeof("a" * 200_000)


@pytest.mark.parametrize("value", MANY.values(), ids=MANY)
def test_many_values_are_looked_at_together(value: Any) -> None:
    """A display of 90,000 values takes a few calls, not a few per value, since others wait for all of it."""
    content = {"data": {"application/json": value, "text/plain": "v"}, "metadata": {}}
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        event = from_message("display_data", content, max_text=1 << 16, max_display=64 << 20)
    finally:
        sys.setprofile(None)
    assert isinstance(event, Display)
    assert len(event.bundle["application/json"]) == len(value)
    assert calls < 1000
