"""People in a queue see how many are ahead of them, and every place is returned."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.concurrency.slots import QueueEntry, SlotQueue, TimedSlots


async def positions(entry: QueueEntry) -> list[int]:
    """Wait for a turn, and return the positions reported in the meantime."""
    return [position async for position in entry]


async def test_first_come_first_served() -> None:
    """Those who wait see their position shrink until it is their turn."""
    queue = SlotQueue(1)
    first, second, third = queue.enter(), queue.enter(), queue.enter()
    assert await positions(first) == []
    waiting = asyncio.create_task(positions(third))
    await asyncio.sleep(0)
    first.leave()
    await asyncio.sleep(0)
    second.leave()
    assert await asyncio.wait_for(waiting, 5) == [2, 1]
    assert third.served


async def test_who_leaves_while_waiting_waits_no_more() -> None:
    """An abandoned entry ends its own iteration without a turn, and the others move up."""
    queue = SlotQueue(1)
    _, second, third = queue.enter(), queue.enter(), queue.enter()
    waiting = asyncio.create_task(positions(second))
    await asyncio.sleep(0)
    second.leave()
    assert await asyncio.wait_for(waiting, 5) == [1]
    assert not second.served
    assert third.position == 1


async def test_leaving_twice_takes_nobody_elses_place() -> None:
    """A place can be returned only once."""
    queue = SlotQueue(1)
    first, second, third = queue.enter(), queue.enter(), queue.enter()
    first.leave()
    first.leave()
    assert second.served
    assert not third.served


async def test_a_cancelled_wait_gives_its_place_up() -> None:
    """A cancelled block leaves the queue."""
    queue = SlotQueue(1)
    queue.enter()

    async def wait() -> None:
        async with queue.enter() as entry:
            await positions(entry)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    assert queue.waiting == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert queue.waiting == 0


async def test_crowded_returns_as_soon_as_somebody_waits() -> None:
    """The pool looks for spare kernels when they are needed, not later."""
    queue = SlotQueue(1)
    queue.enter()
    crowded = asyncio.create_task(queue.crowded(60))
    await asyncio.sleep(0)
    queue.enter()
    await asyncio.wait_for(crowded, 5)


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40))
def test_places_are_never_more_and_never_fewer(places: int, steps: list[tuple[bool, int]]) -> None:
    """In whatever order people come and go, the oldest are served first and the others count up from one."""
    queue, inside = SlotQueue(places), []
    for enters, which in steps:
        if enters or not inside:
            inside.append(queue.enter())
        else:
            inside.pop(which % len(inside)).leave()
    expected = [max(0, place - places + 1) for place in range(len(inside))]
    assert [entry.position for entry in inside] == expected
    assert [entry.served for entry in inside] == [position == 0 for position in expected]
    assert (queue.served, queue.waiting) == (min(len(inside), places), max(0, len(inside) - places))


def test_a_slot_is_wanted_until_enough_owners_are_leaving() -> None:
    """Each of them makes room for one of those who wait, if it is one who may have that slot."""
    queue = SlotQueue(4, share=3)
    held = [*(queue.enter("many") for _ in range(3)), queue.enter("few")]
    assert all(entry.served for entry in held)
    queue.enter("many")
    assert queue.wants("many")
    assert not queue.wants("few")
    assert queue.wants("many", ["few"])
    assert not queue.wants("many", ["many"])
    queue.enter("new")
    assert queue.wants("few", ["many"])
    assert not queue.wants("few", ["many", "few"])
    assert queue.wants("few", ["few", "many"]) is False


def test_nobody_holds_more_than_their_share_and_others_go_before_their_rest() -> None:
    """A free slot stays for others; whoever has fewer goes first, and who has a slot keeps it."""
    queue = SlotQueue(4, share=3)
    many = [queue.enter("many") for _ in range(6)]
    assert [entry.served for entry in many] == [True] * 3 + [False] * 3
    assert queue.wants("many")
    assert not queue.wants("few")
    few = [queue.enter("few") for _ in range(2)]
    assert [entry.served for entry in few] == [True, False]
    assert queue.wants("few")
    new = queue.enter("new")
    line = [new, few[1], *many[3:]]
    assert [entry.position for entry in line] == [1, 2, 3, 4, 5]
    for leaving in (many[0], many[1]):
        leaving.leave()
    assert (new.served, few[1].served, many[3].served) == (True, True, False)
    assert (queue.served, queue.waiting) == (4, 3)
    new.leave()
    assert many[3].served
    for entry in (*few, many[2]):
        entry.leave()
    assert [entry.served for entry in many[3:]] == [True] * 3
    assert not queue.waits_for("many")


async def test_a_long_queue_is_sorted_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """If each of them sorted it, a thousand would keep the loop busy for seconds at every change."""
    queue, sorted_again, line = SlotQueue(1), list[int](), SlotQueue._line
    first, *others = [queue.enter(f"u{number}") for number in range(200)]
    waiting = [asyncio.create_task(positions(entry)) for entry in others]
    await asyncio.sleep(0)

    def counted(queue: SlotQueue) -> list[QueueEntry]:
        sorted_again.append(1)
        return line(queue)

    monkeypatch.setattr(SlotQueue, "_line", counted)
    first.leave()
    assert await asyncio.wait_for(waiting[0], 60) == [1]
    await asyncio.sleep(0)
    assert others[-1].position == 198
    assert len(sorted_again) == 2  # whose turn it is, and the places of the others
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40),
)
def test_a_slot_is_free_only_if_nobody_may_have_it(
    slots: int, share: int, steps: list[tuple[int, int]]
) -> None:
    """In whatever order people come and go; no owner ever holds more than a share."""
    queue, inside = SlotQueue(slots, share=share), list[QueueEntry]()
    for who, which in steps:
        if which < 6 or not inside:
            inside.append(queue.enter(f"u{who}"))
        else:
            inside.pop(which % len(inside)).leave()
        held = [entry.owner for entry in inside if entry.served]
        waiting = {entry.owner for entry in inside if not entry.served}
        assert len(held) <= slots
        assert all(held.count(owner) <= share for owner in held)
        assert len(held) == slots or all(held.count(owner) == share for owner in waiting)
        assert sorted(entry.position for entry in inside if not entry.served) == [
            *range(1, len(inside) - len(held) + 1)
        ]


async def test_turns_are_taken_in_order_and_given_back_once() -> None:
    """Whoever takes too long keeps nobody waiting, and does not return a second place at the end."""
    turns, inside, most = TimedSlots(1), 0, 0
    order: list[int] = []

    async def come(number: int, seconds: float, done: asyncio.Event) -> None:
        nonlocal inside, most
        async with turns.slot(seconds):
            order.append(number)
            inside += 1
            most = max(most, inside)
            await done.wait()
            inside -= 1

    done = asyncio.Event()
    slow = asyncio.create_task(come(0, 0.01, done))
    while not order:  # noqa: ASYNC110  as below
        await asyncio.sleep(0)
    next_ones = [asyncio.create_task(come(number, 60, done)) for number in (1, 2, 3)]
    while len(order) < 2:  # noqa: ASYNC110  it is a matter of time passing
        await asyncio.sleep(0.001)
    next_ones[1].cancel()  # an entry that no longer waits holds nobody up
    await asyncio.sleep(0.02)
    assert order == [0, 1]
    done.set()
    await asyncio.wait([slow, *next_ones])
    assert (order, most) == ([0, 1, 3], 2)
