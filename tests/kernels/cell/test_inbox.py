"""Few events are ever waiting to be taken."""

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from kernels.cell.events import ClearOutput, Display, Event, Failure, InputRequest, Result, Stream
from kernels.cell.inbox import LINE, MERGE, Inbox
from kernels.text.terminal import TerminalText


def kept(*events: Event) -> list[Event]:
    """What can be taken after all `events` have been put."""
    inbox = Inbox()
    for event in events:
        inbox.put(event)
    taken = []
    while (event := inbox.take()) is not None:
        taken.append(event)
    return taken


def shown(name: str, display_id: str | None = None, *, update: bool = False) -> Display:
    """A display of one word."""
    return Display({"text/plain": name}, {}, display_id, update)


def test_pieces_of_one_stream_are_joined() -> None:
    """A late reader gets one text; output on another stream starts a new piece."""
    assert kept(Stream("stdout", "a"), Stream("stdout", "b"), Stream("stderr", "c")) == [
        Stream("stdout", "ab"),
        Stream("stderr", "c"),
    ]


def test_a_piece_that_is_long_enough_is_followed_by_another() -> None:
    """A piece is drawn in one step, which must be short, so a flood of text becomes several pieces."""
    texts = kept(*(Stream("stdout", "x" * 1000) for _ in range(200)))
    sizes = [len(event.text) for event in texts if isinstance(event, Stream)]
    assert sum(sizes) == 200_000
    assert MERGE <= max(sizes) < MERGE + 1000
    assert len(sizes) == 4


def test_a_redrawn_line_is_kept_once() -> None:
    """A thousand states of a progress bar become one, which still redraws the line shown before."""
    (only,) = kept(*(Stream("stderr", f"\r{number:4}") for number in range(1000)))
    assert only == Stream("stderr", "\r 999")


def test_a_line_too_long_to_be_drawn_at_each_piece_is_left_as_it_is() -> None:
    """Otherwise each of many small pieces would take as long as all the waiting text."""
    (only,) = kept(Stream("stdout", "\r" + "x" * LINE), Stream("stdout", "\ry"))
    assert only == Stream("stdout", "\r" + "x" * LINE + "\ry")


@given(
    st.lists(st.sampled_from(["a", "bcd", "\r", "\n", "\b", "\x1b[K", "\x1b[A", "\x1b[31m"]), max_size=25),
    st.lists(st.sampled_from(["x", "yz", "\r", "\n"]), max_size=5),
)
@example(["\r", "bcd", "\r", "a", "a"], [])
@example(["\r", "bcd", "\r", "\x1b[31m", "a"], [])
def test_joining_changes_nothing_that_is_seen(pieces: list[str], before: list[str]) -> None:
    """Drawn after what was shown before, the joined text is what the single pieces would be."""
    one, other = TerminalText(), TerminalText()
    for text in before:
        one.write(text)
        other.write(text)
    for text in pieces:
        one.write(text)
    for event in kept(*(Stream("stdout", text) for text in pieces)):
        assert isinstance(event, Stream)
        other.write(event.text)
    assert strip(other) == strip(one)


def strip(terminal: TerminalText) -> str:
    """What is seen, without the colours."""
    return terminal.render().replace("\x1b[31m", "")


def test_an_update_replaces_the_waiting_display() -> None:
    """Updates change a display that nobody has seen yet while it waits."""
    assert kept(
        shown("a", "i"), Stream("stdout", "x"), *(shown(str(n), "i", update=True) for n in range(99))
    ) == [
        shown("98", "i"),
        Stream("stdout", "x"),
    ]


def test_what_is_cleared_unseen_is_dropped() -> None:
    """A clear removes everything shown before it, as in the record, but never a question."""
    question = InputRequest("?", password=False)
    cleared = [Stream("stdout", "a"), question, Result({}, 1), Failure("E", "v", ("t",)), shown("b")]
    assert kept(*cleared, ClearOutput(wait=False)) == [question, ClearOutput(wait=False)]


def test_errors_and_values_after_a_clear_that_waits_do_not_add_up() -> None:
    """Each replaces the ones before it, as a picture does; otherwise forged ones would fill the memory."""
    event = Failure("E", "v", ("t",))
    forged = [one for _ in range(100) for one in (ClearOutput(wait=True), event)]
    assert kept(*forged) == [ClearOutput(wait=True), event]


def test_an_animation_is_its_last_picture() -> None:
    """Each picture after a waiting clear replaces the ones before it."""
    frames = [event for number in range(100) for event in (ClearOutput(wait=True), shown(str(number)))]
    assert kept(*frames) == [ClearOutput(wait=True), shown("99")]


async def test_a_wake_without_an_event_is_none() -> None:
    """A waiting reader is also woken when the cell ends."""
    inbox = Inbox()
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.wake()
    assert await asyncio.wait_for(getting, 5) is None


async def test_an_event_wakes_who_waits() -> None:
    """An event that is put while a reader waits goes to that reader."""
    inbox = Inbox()
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(ClearOutput(wait=False))
    assert await asyncio.wait_for(getting, 5) == ClearOutput(wait=False)
