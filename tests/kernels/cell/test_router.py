"""Whom a message belongs to: the running cell, late output, or nobody."""

import asyncio
import functools
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.cell import router as module
from kernels.cell.events import ClearOutput, Display, Event, InputRequest, Stream
from kernels.cell.router import Late, Router, Variable
from kernels.limits import Limits
from kernels.wire.connection import Message
from kernels.workspace.captured import Scan

LIMITS = Limits(cell=timedelta(seconds=5), late_text=100)


class Cell:
    """What a router sees of a run; it records what it is told."""

    def __init__(self, tag: int) -> None:
        self.tag = tag
        self.told: list[object] = []

    def take_event(self, event: Event) -> None:
        self.told.append(event)

    def reply(self, status: str, count: int | None, memory: int | None) -> None:
        self.told.append((status, count) if memory is None else (status, count, memory))

    def interrupted(self) -> None:
        self.told.append("interrupted")


def router(too_broken: object = None) -> Router:
    """A router that calls `too_broken` when it has had enough."""
    return Router(LIMITS, too_broken or (lambda: None))  # type: ignore[arg-type]


def begun(routing: Router, message_id: str = "a", tag: int = 1) -> Cell:
    """A cell that runs as request `message_id`."""
    cell = Cell(tag)
    routing.begin(message_id, cell)  # type: ignore[arg-type]
    return cell


def message(
    kind: str, content: Any, parent: str = "a", channel: str = "iopub", metadata: Any = None
) -> Message:
    """A message of the kernel."""
    return Message(channel, kind, parent, content, metadata or {})


def text(words: str, parent: str = "a") -> Message:
    """A piece of text."""
    return message("stream", {"name": "stdout", "text": words}, parent)


def waiting(routing: Router) -> list[Late]:
    """All late output that has not been taken yet."""
    return [routing.late.get_nowait() for _ in range(routing.late.qsize())]


@pytest.mark.parametrize("status", [None, 7, {"status": "ok"}, "nested"])
async def test_a_reply_whose_status_is_no_text_ends_the_cell(status: Any) -> None:
    """Even one that is nested as deep as JSON may be, which cannot be made a text."""
    if status == "nested":
        status = functools.reduce(lambda inner, _: [inner], range(100_000), [])
    routing = router()
    cell = begun(routing)
    routing.receive(message("execute_reply", {"status": status}))
    assert cell.told == [("", None)]


async def test_a_cell_gets_its_own_messages() -> None:
    """Output and reply of the running request go to its run; those of another request do not."""
    routing = router()
    cell = begun(routing)
    routing.receive(text("mine"))
    routing.receive(text("foreign", "someone else's"))
    routing.receive(message("status", {"execution_state": "busy"}))
    routing.receive(message("execute_reply", {"status": "ok"}, "another request"))
    routing.receive(message("execute_reply", {"status": "ok", "execution_count": 3}))
    assert cell.told == [Stream("stdout", "mine"), ("ok", 3)]
    assert waiting(routing) == []


async def test_a_reply_counts_in_the_channel_of_the_output_only() -> None:
    """On another channel a reply could overtake output that is still on its way."""
    routing = router()
    cell = begun(routing)
    for channel in ("shell", "stdin", "control"):
        routing.receive(message("execute_reply", {"status": "ok"}, channel=channel))
    assert cell.told == []


async def test_output_of_an_earlier_cell_is_late_even_while_another_runs() -> None:
    """What a thread prints is attributed to the cell that started it."""
    routing = router()
    begun(routing, "a", tag=1)
    routing.end()
    cell = begun(routing, "b", tag=2)
    routing.receive(text("late", "a"))
    assert waiting(routing) == [Late(1, event=Stream("stdout", "late"))]
    assert cell.told == []


async def test_late_output_is_capped_for_each_cell() -> None:
    """Beyond the limit one sentence says that more is left out, and then nothing more follows."""
    routing = router()
    for name in ("a", "b"):
        begun(routing, name, tag=ord(name))
        routing.end()
    for _ in range(10):
        routing.receive(text("x" * 60, "a"))
    routing.receive(text("y", "b"))
    late = waiting(routing)
    assert [piece.tag for piece in late] == [ord("a")] * 2 + [ord("b")]
    assert isinstance(late[1].event, Stream)
    assert "left out" in late[1].event.text


async def test_late_text_in_tiny_pieces_is_capped_by_their_number() -> None:
    """Each piece is a write of its own, to a record that grows with it."""
    routing = Router(Limits(late_text=160), lambda: None)
    begun(routing)
    routing.end()
    for _ in range(50):
        routing.receive(text("x"))
    late = waiting(routing)
    assert len(late) == 10
    assert isinstance(late[-1].event, Stream)
    assert "left out" in late[-1].event.text


async def test_late_displays_are_capped_by_their_size() -> None:
    """A thread cannot go on sending pictures after its cell has ended."""
    routing = Router(Limits(late_text=10_000), lambda: None)
    begun(routing)
    routing.end()
    for _ in range(50):
        routing.receive(message("display_data", {"data": {"image/png": "x" * 100_000}}))
    assert sum(isinstance(late.event, Display) for late in waiting(routing)) < 10


async def test_late_questions_are_nobodys() -> None:
    """A thread's question after the end of its cell is dropped, since nobody could answer it."""
    routing = Router(Limits(late_text=10_000), lambda: None)
    begun(routing)
    routing.end()
    routing.receive(message("input_request", {"prompt": "?"}, channel="stdin"))
    routing.receive(message("clear_output", {"wait": False}))
    assert waiting(routing) == [Late(1, event=ClearOutput(wait=False))]


@pytest.mark.parametrize("question_first", [True, False])
async def test_a_question_goes_to_the_running_cell_after_the_output_before_it(question_first: bool) -> None:
    """`input()` uses its own channel; the question is passed on once its marker appears in the output."""
    routing = router()
    cell = begun(routing)
    question = message("input_request", {"prompt": "name? ", "password": False}, channel="stdin")
    output = [text("before"), message("kernelcord_question", {})]
    for one in [question, *output] if question_first else [*output, question]:
        routing.receive(one)
    assert cell.told == [Stream("stdout", "before"), InputRequest("name? ", password=False)]
    routing.receive(question)
    assert len(cell.told) == 2


async def test_the_interrupt_is_told_to_the_running_cell() -> None:
    """The reply on the control channel confirms that the interrupt will not hit the next cell."""
    routing = router()
    cell = begun(routing)
    routing.receive(message("interrupt_reply", {"status": "ok"}, "control request", channel="control"))
    assert cell.told == ["interrupted"]


async def test_a_kernel_that_does_not_run_its_cell_is_known_until_the_next() -> None:
    """The reply to an interrupt says so if the cell never arrived or its end was lost."""
    routing = router()
    begun(routing)
    routing.receive(message("interrupt_reply", {"status": "ok"}, "control request", channel="control"))
    assert not routing.idle
    told = {"status": "ok", "running": False}
    routing.receive(message("interrupt_reply", told, "control request", channel="control"))
    assert routing.idle
    begun(routing, "b")
    assert not routing.idle


async def test_late_output_nobody_takes_is_bounded() -> None:
    """Without a reader the newest pieces are left out, and nothing is raised."""
    routing = router()
    for _ in range(2 * module.MOST_LATE + 10):
        routing.late_scan(Scan())
    assert routing.late.qsize() == 2 * module.MOST_LATE


async def test_late_text_that_nobody_takes_costs_no_file() -> None:
    """Beyond a thousand pieces it is left out; there is still room for a scan."""
    routing = Router(Limits(late_text=100_000), lambda: None)
    begun(routing)
    routing.end()
    for _ in range(module.MOST_LATE + 10):
        routing.receive(text("x"))
    routing.late_scan(Scan())
    told = [routing.late.get_nowait() for _ in range(routing.late.qsize())]
    assert [late.scan for late in told[module.MOST_LATE :]] == [Scan()]


async def test_a_variable_is_named_in_one_line() -> None:
    """Its name, type and detail can contain anything, and every front end puts them into sentences."""
    routing = router()
    begun(routing)
    metadata = {"kernelcord": {"variables": [["a\nb", "T\x1b[2J", "1\u2028"]]}}
    routing.receive(message("execute_reply", {"status": "ok"}, metadata=metadata))
    assert routing.variables == (Variable("a_b", "T_[2J", "1_"),)


async def test_a_reply_tells_the_variables() -> None:
    """Name, type and detail of each come with the reply, and are forgotten with the process."""
    routing = router()
    begun(routing)
    metadata = {"kernelcord": {"variables": [["x", "int", "1"], ["d\ud800", "DataFrame", "5 x 3"]]}}
    routing.receive(message("execute_reply", {"status": "ok"}, metadata=metadata))
    assert routing.variables == (Variable("x", "int", "1"), Variable("d\ufffd", "DataFrame", "5 x 3"))
    assert routing.forget_process() == ("x", "d\ufffd")
    assert routing.variables == ()


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (["/tmp/x.csv"], ["/tmp/x.csv"]),
        (["/tmp/a\n\ud800.csv", 7, None], ["/tmp/a_\ufffd~??????.csv"]),
        ([f"/tmp/{number}" for number in range(1000)], [f"/tmp/{number}" for number in range(8)]),
        ("/tmp/x.csv", []),
        ({"/tmp/x.csv": 1}, []),
        (None, []),
    ],
)
async def test_a_reply_names_files_that_are_not_kept(named: object, told: list[str]) -> None:
    """A few names, as text that is safe to show, until the next cell begins, whatever the kernel sends."""
    routing = router()
    begun(routing)
    routing.receive(message("execute_reply", {"status": "ok"}, metadata={"kernelcord": {"elsewhere": named}}))
    names = [re.sub("~[0-9a-f]{6}", "~??????", one.name) for one in routing.elsewhere]
    assert names == told
    begun(routing, "b")
    assert routing.elsewhere == ()


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (7 << 20, ("ok", None, 7 << 20)),
        (-1, ("ok", None)),
        ("1", ("ok", None)),
        (1 << 60, ("ok", None)),
        (True, ("ok", None)),
    ],
)
async def test_a_reply_tells_the_memory_if_it_can_be_true(named: object, told: object) -> None:
    """The number of bytes the kernel uses; an impossible number is ignored."""
    routing = router()
    cell = begun(routing)
    metadata = {"kernelcord": {"variables": [], "memory": named}}
    routing.receive(message("execute_reply", {"status": "ok"}, metadata=metadata))
    assert cell.told == [told]


async def test_a_pager_is_shown_and_quit_is_noted() -> None:
    """The help for `name?` is a display of the cell; `quit()` is remembered until its end."""
    routing = router()
    cell = begun(routing)
    payload = [{"source": "page", "data": {"text/plain": "help"}}, {"source": "ask_exit"}, 7]
    routing.receive(message("execute_reply", {"status": "ok", "payload": payload}))
    assert cell.told == [Display({"text/plain": "help"}), ("ok", None)]
    assert routing.quit_asked


async def test_a_reply_has_few_pages() -> None:
    """33,000 pages in one reply made everybody wait while they were processed."""
    routing = router()
    cell = begun(routing)
    payload = [{"data": {"text/plain": str(number)}} for number in range(30_000)]
    routing.receive(message("execute_reply", {"status": "ok", "payload": payload}))
    assert cell.told[0] == Display({"text/plain": str(30_000 - module.MOST_PAGES)})
    assert len(cell.told) == module.MOST_PAGES + 1


async def test_too_many_broken_messages_are_told_once() -> None:
    """A kernel that sends too much garbage is given up on; an honest one sends none."""
    calls: list[int] = []
    routing = router(lambda: calls.append(1))
    begun(routing)
    for _ in range(module.BROKEN // 2 + 5):
        routing.receive(None)
        routing.receive(message("stream", {"name": "stdout"}))
    assert calls == [1]


KEYS = st.sampled_from(
    ["status", "execution_state", "payload", "source", "data", "kernelcord", "variables", "text"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=9,
)


@given(
    st.sampled_from(["iopub", "shell", "stdin", "control"]),
    st.sampled_from(
        [
            *("execute_reply", "status", "stream", "display_data"),
            *("input_request", "kernelcord_question", "interrupt_reply"),
        ]
    ),
    JSON,
    JSON,
)
def test_no_message_raises(channel: str, kind: str, content: object, metadata: object) -> None:
    """Whatever a kernel sends, receiving it raises nothing."""

    async def receive() -> None:
        routing = router()
        begun(routing)
        routing.receive(Message(channel, kind, "a", content, metadata))

    asyncio.run(receive())
