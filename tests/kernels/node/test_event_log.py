"""A session's log is numbered, acknowledged and bounded, and sends the same words each time."""

import asyncio
import json
from typing import Any

from kernels.cell.events import ClearOutput, Display, InputRequest, Stream
from kernels.cell.result import RunResult
from kernels.interface import State
from kernels.node import event_log as module
from kernels.node.event_log import EventLog
from kernels.node.messages import Answer, CellEnd


def taken(log: EventLog) -> list[dict[str, Any]]:
    """What the log would send now."""
    return [json.loads(entry.text) for entry in log.take()]


def texts(news: list[dict[str, Any]]) -> str:
    """The text of all stream events."""
    return "".join(one["event"]["text"] for one in news if one.get("event", {}).get("is") == "Stream")


def fresh() -> EventLog:
    """A log without a reader."""
    return EventLog(lambda: None)


def test_what_waits_is_joined_and_numbered_when_it_is_sent() -> None:
    """Text of one cell that has not been taken is one piece; another cell starts the next."""
    log = fresh()
    log.add_event("a", Stream("stdout", "1"))
    log.add_event("a", Stream("stdout", "2"))
    log.add_event(7, Stream("stdout", "3"))
    assert taken(log) == [
        {"is": "CellEvent", "n": 1, "run": "a", "event": {"is": "Stream", "name": "stdout", "text": "12"}},
        {
            "is": "LateOutput",
            "n": 2,
            "late": {"tag": 7, "event": {"is": "Stream", "name": "stdout", "text": "3"}, "scan": None},
        },
    ]
    assert taken(log) == []


def test_what_was_sent_keeps_its_number_and_words_when_it_is_sent_again() -> None:
    """A bot that comes back gets whatever it has not acknowledged, and everything since."""
    log = fresh()
    for number in range(3):
        log.add_event("a", Stream("stdout", str(number)))
        first = taken(log)
    log.acknowledge([1])
    log.add_event("a", Stream("stdout", "new"))
    log.rewind()
    again = taken(log)
    assert [one["n"] for one in again] == [2, 3, 4]
    assert again[1] == first[0]
    assert texts(again) == "12new"


def test_only_so_much_is_sent_ahead_of_what_is_acknowledged() -> None:
    """A window bounds the bot's memory; acknowledging opens it."""
    log = fresh()
    for number in range(20):
        log.add_event("a", Display({"image/png": "x" * 1_000_000}, display_id=str(number)))
    first = taken(log)
    assert 8 <= len(first) <= 9
    log.acknowledge([one["n"] for one in first])
    assert len(taken(log)) == len(first)


def test_an_urgent_answer_does_not_wait_for_what_was_sent_before() -> None:
    """Each returning bot first asks anew, and takes what was shown only after that."""
    log = fresh()
    for number in range(20):
        log.add_event("a", Display({"image/png": "x" * 1_000_000}, display_id=str(number)))
    shown = len(taken(log))
    for bot in range(1, 4):
        log.rewind()
        log.add_news("call", Answer(call=bot, state=State()), urgent=True)
        log.add_news("b", CellEnd(run="b", result=RunResult("ok", "", ())))
        news = taken(log)
        assert [one["n"] for one in news] == list(range(1, shown + bot + 1))
        assert [one["call"] for one in news if "call" in one] == list(range(1, bot + 1))


def test_output_that_nobody_takes_is_bounded_and_results_stay() -> None:
    """Pictures over the limit are replaced by a sentence; question and result are kept."""
    log = fresh()
    log.add_event("a", InputRequest("who? ", password=False))
    for number in range(100):
        log.add_event("a", Display({"image/png": "x" * 1_000_000}, display_id=str(number)))
    log.add_news("a", CellEnd(run="a", result=RunResult("ok", "", ())))
    size, kinds, words = 0, [], ""
    while news := taken(log):
        size += len(json.dumps(news))
        words += texts(news)
        kinds += [one["event"]["is"] if "event" in one else "result" for one in news]
        log.acknowledge([one["n"] for one in news])
    assert size < module.HELD + 2_000_000
    assert "left out" in words
    assert "InputRequest" in kinds
    assert kinds[-1] == "result"


def test_what_is_cleared_before_anybody_has_seen_it_is_not_told() -> None:
    """A loop that redraws leaves only its last picture."""
    log = fresh()
    for number in range(50):
        log.add_event("a", ClearOutput(wait=False))
        log.add_event("a", Display({"text/plain": str(number)}))
    shown = [one["event"] for one in taken(log) if one["event"]["is"] == "Display"]
    assert [one["bundle"]["text/plain"] for one in shown] == ["49"]


def test_a_forgotten_cell_leaves_nothing() -> None:
    """Neither what was sent nor what waits; other cells are unaffected."""
    log = fresh()
    log.add_event("a", Stream("stdout", "1"))
    taken(log)
    log.add_event("a", Stream("stdout", "2"))
    log.add_event("b", Stream("stdout", "3"))
    log.forget_cell("a")
    log.rewind()
    assert texts(taken(log)) == "3"
    assert log.entry(1) is None


async def test_late_output_waits_where_it_is_bounded_when_nobody_takes_it() -> None:
    """Once this much is waiting there is no room until some of it is taken."""
    log = fresh()
    for number in range(module.CROWDED + 1):
        log.add_event(number, Stream("stdout", "x"))
    waiting = asyncio.create_task(log.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    taken(log)
    async with asyncio.timeout(30):
        await waiting
