"""An interrupt reaches the cell it is meant for, and no other, whenever it comes."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from jupyter_client.session import Session

from kernels.inside.files import request_socket
from kernels.inside.interrupts import Interrupts, take_interrupts
from kernels.inside.state.bounds import WorkBounds


@pytest.fixture
def interrupts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupts]:
    """A kernel's interrupts between two cells; the person's code is interrupted as in a kernel."""
    made = Interrupts(again=0.0)
    monkeypatch.setattr(signal, "default_int_handler", made.interrupt)
    before = take_interrupts(made.note)
    yield made
    take_interrupts(before)


def test_one_that_comes_before_the_persons_code_is_raised_at_its_start(interrupts: Interrupts) -> None:
    """It is kept until then, since the surrounding IPython code would swallow it."""
    interrupts.begin_cell("1")
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts.raised():
        raise AssertionError("the code does not run")


def test_one_in_the_persons_code_is_raised_there(interrupts: Interrupts) -> None:
    """Afterwards the previous handler is back."""
    interrupts.begin_cell("1")
    with pytest.raises(KeyboardInterrupt), interrupts.raised():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == interrupts.note


def test_one_that_the_code_catches_is_told_beforehand(interrupts: Interrupts) -> None:
    """So that it can be repeated; the next code is not concerned."""
    told: list[str] = []
    interrupts.begin_cell("1")
    with interrupts.raised(lambda: told.append("heard")), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert told == ["heard"]
    with interrupts.raised(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert told == ["heard"]


def test_one_after_the_persons_code_is_dropped_with_its_cell(interrupts: Interrupts) -> None:
    """It does not affect the next cell."""
    interrupts.begin_cell("1")
    with interrupts.raised():
        pass
    signal.raise_signal(signal.SIGINT)
    interrupts.end_cell()
    interrupts.begin_cell("2")
    with interrupts.raised():
        pass


def test_one_for_a_cell_that_has_not_begun_is_raised_when_it_begins(interrupts: Interrupts) -> None:
    """And not in the cell that is running; without a named cell the running one is meant."""
    interrupts.begin_cell("1")
    assert interrupts.is_running("1")
    with interrupts.aimed_at("2") as running:
        assert not running
    with interrupts.aimed_at("1") as running:
        assert running
    with interrupts.aimed_at("") as running:
        assert running
    interrupts.end_cell()
    assert not interrupts.is_running("1")
    with pytest.raises(KeyboardInterrupt):
        interrupts.begin_cell("2")


@pytest.mark.parametrize(("where", "name"), [(Session, "send"), (request_socket, "take_back")])
def test_none_is_raised_while_half_of_something_would_be_left(
    interrupts: Interrupts, monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> None:
    """A message that is being sent, or a connection; the signal is sent again instead."""

    def send(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(where, name, send)
    interrupts.begin_cell("1")
    with interrupts.raised():
        getattr(where, name)(None)
    assert not interrupts._heard


def test_the_timer_of_a_save_ends_with_it_whenever_an_interrupt_comes(interrupts: Interrupts) -> None:
    """One that is raised as it is set or ended would leave it on, and its handler, which ends the kernel."""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        names = set[str]()
        around: FrameType | None = frame
        while around is not None:
            if around.f_code in (WorkBounds.__enter__.__code__, WorkBounds.__exit__.__code__):
                names.add(around.f_code.co_name)
            around = around.f_back
        for name in names:
            came.add(f"{name}: {event}")
            signal.raise_signal(signal.SIGINT)
        return trace if names else None

    came = set[str]()
    timer = signal.setitimer(signal.ITIMER_REAL, 0)  # that of the test itself
    alarm, tracing = signal.getsignal(signal.SIGALRM), sys.gettrace()
    interrupts.begin_cell("1")
    try:
        with interrupts.raised():
            sys.settrace(trace)
            with WorkBounds(1000, 1 << 20) as bounds:
                sys.settrace(None)
                bounds.finish()
                sys.settrace(trace)
            sys.settrace(None)
        left = signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)
    finally:
        sys.settrace(tracing)
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, *timer)
    assert left == ((0, 0), alarm)
    assert {"__enter__: line", "__enter__: return", "__exit__: call", "__exit__: line"} <= came
    assert not interrupts._heard


async def test_the_signal_is_sent_until_it_is_noticed(interrupts: Interrupts) -> None:
    """And no more after that, nor when the cell is over, nor to a handler of the person's own."""
    sent: list[int] = []

    def send() -> None:
        sent.append(len(sent))
        if len(sent) == 3:
            interrupts.note(signal.SIGINT, None)

    interrupts.begin_cell("1")
    with interrupts.aimed_at("1"):
        pass
    await interrupts.insist("1", send)
    assert sent == [0, 1, 2]
    with interrupts.aimed_at("1"):
        pass
    take_interrupts(lambda *_: None)
    await interrupts.insist("1", send)
    take_interrupts(interrupts.note)
    interrupts.end_cell()
    await interrupts.insist("1", send)
    assert sent == [0, 1, 2]
    await asyncio.sleep(0)


def test_one_that_is_noticed_after_its_cell_is_for_no_other(interrupts: Interrupts) -> None:
    """Python calls the handler some time after the signal has come."""
    interrupts.begin_cell("1")
    interrupts.end_cell()
    interrupts.note(signal.SIGINT, None)
    interrupts.begin_cell("2")
    with interrupts.raised():
        pass
    interrupts.end_cell()


def test_one_that_python_could_not_raise_was_not_noticed(
    interrupts: Interrupts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one in `__del__`; other unraisable errors are printed by Python as usual."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "__unraisablehook__", told.append)
    interrupts.note(signal.SIGINT, None)
    interrupts.not_raised(SimpleNamespace(exc_type=KeyboardInterrupt))  # type: ignore[arg-type]
    assert not interrupts._heard
    other: Any = SimpleNamespace(exc_type=ValueError)
    interrupts.not_raised(other)
    assert told == [other]


def test_the_handler_is_changed_without_enumerations(interrupts: Interrupts) -> None:
    """Each cell changes it four times, and `signal.signal` calls ten more functions each time."""
    called: list[str] = []
    sys.setprofile(lambda _frame, event, arg: called.append(arg.__qualname__) if event == "c_call" else None)
    try:
        before = take_interrupts(interrupts.interrupt)
    finally:
        sys.setprofile(None)
    assert take_interrupts(before) == interrupts.interrupt
    assert called == ["signal", "setprofile"]
