"""Sessions, usage, server settings and the cells of messages, on every backend."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from filestore.errors import NoSuchSession
from filestore.records import MessageCell, SessionRecord, UsageRecord, UsageTotal
from filestore.store import Store


async def test_session_is_made_once(store: Store, clock) -> None:
    """The first caller creates the session; everyone after that gets the same one."""
    made = await store.sessions.get_or_create("s", 7, "dm", clock.now)
    assert made == SessionRecord("s", 7, "dm", None, clock.now, clock.now)
    clock.advance(hours=1)
    assert await store.sessions.get_or_create("s", 8, "elsewhere", clock.now) == made
    assert await store.sessions.get("s") == made
    assert await store.sessions.get("absent") is None


async def test_session_made_at_once_is_one(store: Store, clock) -> None:
    """Several messages at once of a new person open one session."""
    made = await asyncio.gather(
        *(store.sessions.get_or_create("s", user_id, "dm", clock.now) for user_id in range(8))
    )
    assert len({session.user_id for session in made}) == 1
    assert await store.sessions.of_user(made[0].user_id) == [made[0]]


async def test_session_keeps_kernel_and_last_use(store: Store, clock) -> None:
    """What is set can be read, whatever it contains; the time of last use never goes back."""
    made = await store.sessions.get_or_create("s", 7, "dm", clock.now)
    later = clock.now + timedelta(hours=1)
    kernel = '{"timeout": 5, "$set": {"a.b": [1, null, "é"]}, "": true}'
    await store.sessions.set_kernel("s", kernel)
    await store.sessions.touch("s", later)
    await store.sessions.touch("s", clock.now)
    assert await store.sessions.get("s") == replace(made, kernel=kernel, last_used_at=later)
    await store.sessions.set_kernel("s", None)
    assert (await store.sessions.get_or_create("s", 7, "dm", clock.now)).kernel is None


async def test_absent_session_cannot_be_changed(store: Store, clock) -> None:
    """Updating a deleted session does not bring it back."""
    for change in (
        store.sessions.touch("s", clock.now),
        store.sessions.set_kernel("s", "k"),
    ):
        with pytest.raises(NoSuchSession) as caught:
            await change
        assert caught.value.session_id == "s"
    assert await store.sessions.get("s") is None


async def test_sessions_list_by_person_and_by_idleness(store: Store, clock) -> None:
    """A person's sessions come last used first; idle ones longest idle first, the moment itself left out."""
    start = clock.now
    for name, user_id in (("a", 7), ("b", 8), ("c", 7)):
        await store.sessions.get_or_create(name, user_id, "dm", clock.now)
        clock.advance(hours=1)
    assert [session.session_id for session in await store.sessions.of_user(7)] == ["c", "a"]
    idle = await store.sessions.idle_since(start + timedelta(hours=2))
    assert [session.session_id for session in idle] == ["a", "b"]


async def test_all_sessions_can_be_noted_as_used(store: Store, clock) -> None:
    """Every one of them, and none gets an earlier time than it had."""
    for name in "ab":
        await store.sessions.get_or_create(name, 7, "dm", clock.now)
        clock.advance(hours=1)
    middle = clock.now - timedelta(minutes=90)
    await store.sessions.touch_all(middle)
    used = [session.last_used_at for session in await store.sessions.of_user(7)]
    assert used == [clock.now - timedelta(hours=1), middle]


async def test_deleted_session_takes_its_transcript_along(store: Store, clock) -> None:
    """Nothing of a deleted session stays; deleting it again does nothing."""
    for session_id in ("s", "t"):
        await store.sessions.get_or_create(session_id, 7, "dm", clock.now)
        await store.transcripts.begin_cell(session_id, "dm", "Ann", "1", clock.now)
    await store.message_cells.set(MessageCell(1, "s", 1))
    await store.sessions.delete("s")
    await store.sessions.delete("s")
    assert await store.sessions.get("s") is None
    assert await store.transcripts.entries("s") == []
    assert await store.message_cells.get(1) is None
    assert len(await store.transcripts.entries("t")) == 1


async def test_moments_are_utc_cut_to_milliseconds(store: Store) -> None:
    """What is returned at once equals what is read later, whatever the time zone."""
    eastern = timezone(timedelta(hours=-5))
    at = datetime(2030, 1, 1, 20, 0, 0, 123_999, tzinfo=eastern)
    made = await store.sessions.get_or_create("s", 7, "dm", at)
    assert made.created_at == datetime(2030, 1, 2, 1, 0, 0, 123_000, tzinfo=UTC)
    assert made.created_at.utcoffset() == timedelta(0)
    found = await store.sessions.get("s")
    assert found == made
    assert found.created_at.utcoffset() == timedelta(0)


async def test_usage_sums_a_persons_turns_since_a_moment(store: Store, clock) -> None:
    """Only the person's own turns count, from the moment asked for on."""
    start = clock.now
    turn = UsageRecord(7, start, "m", input_tokens=10, output_tokens=2, cost=0.25, cell_seconds=1.5)
    for usage in (
        turn,
        replace(turn, at=start + timedelta(hours=1), input_tokens=5),
        replace(turn, user_id=8),
    ):
        await store.usage.add(usage)
    await store.usage.add(turn)
    assert await store.usage.total(7, start) == UsageTotal(3, 25, 6, 0.75, 4.5)
    assert await store.usage.total(7, start + timedelta(minutes=1)) == UsageTotal(1, 5, 2, 0.25, 1.5)
    assert await store.usage.total(7, start, start + timedelta(minutes=1)) == UsageTotal(2, 20, 4, 0.5, 3.0)
    assert await store.usage.total(9, start) == UsageTotal()
    await store.usage.forget_person(7)
    assert (await store.usage.total(7, start)).turns == 0
    assert (await store.usage.total(8, start)).turns == 1


async def test_usage_that_is_forgotten_can_be_kept_without_a_name(store: Store, clock) -> None:
    """Usage since a moment moves to a number, dated to the moment, without a model; the rest is deleted."""
    day = clock.now
    turn = UsageRecord(7, day, "m", input_tokens=10, output_tokens=2, cost=0.25, cell_seconds=1.5)
    for usage in (
        replace(turn, at=day - timedelta(seconds=1)),
        turn,
        replace(turn, at=day + timedelta(hours=1)),
        replace(turn, user_id=8),
    ):
        await store.usage.add(usage)
    for _ in range(2):  # doing it twice changes nothing
        await store.usage.forget_person(7, kept_as=-(2**63), since=day)
        assert await store.usage.total(7, day - timedelta(days=9)) == UsageTotal()
        assert await store.usage.total(-(2**63), day) == UsageTotal(2, 20, 4, 0.5, 3.0)
    assert await store.usage.total(-(2**63), day + timedelta(milliseconds=1)) == UsageTotal()
    assert (await store.usage.total(8, day)).turns == 1
    await store.usage.add(turn)  # equal to one that was kept
    await store.usage.forget_person(7, kept_as=-(2**63), since=day)
    assert (await store.usage.total(-(2**63), day)).turns == 3
    await store.usage.forget_kept(day)
    assert (await store.usage.total(-(2**63), day)).turns == 3
    await store.usage.forget_kept(day + timedelta(days=1))
    assert (await store.usage.total(-(2**63), day)).turns == 0
    assert (await store.usage.total(8, day)).turns == 1


async def test_server_settings_are_replaced_whole(store: Store) -> None:
    """A server has the settings that were set last, and none before that."""
    assert await store.server_settings.get(1) == {}
    await store.server_settings.set(1, {"a": 1, "$b": {"c.d": 2}})
    await store.server_settings.set(2, {"e": 3})
    assert await store.server_settings.get(1) == {"a": 1, "$b": {"c.d": 2}}
    await store.server_settings.set(1, {"f": 4})
    assert await store.server_settings.get(1) == {"f": 4}


async def test_message_leads_to_the_cell_it_made_last(store: Store, clock) -> None:
    """Ids as large as Discord's lead to their cell; an edited message leads to its newest."""
    await store.sessions.get_or_create("s", 7, "dm", clock.now)
    message_id = 2**62 + 1
    assert await store.message_cells.get(message_id) is None
    await store.message_cells.set(MessageCell(message_id, "s", 1))
    await store.message_cells.set(MessageCell(message_id, "s", 2, first=1))
    assert await store.message_cells.get(message_id) == MessageCell(message_id, "s", 2, first=1)


async def test_messages_of_answers_that_go_on_are_found_until_they_are_over(store: Store, clock) -> None:
    """Those of answers that a program left unfinished, but not old ones, nor those of cells alone."""
    await store.sessions.get_or_create("s", 7, "dm", clock.now)
    turn = MessageCell(14, "s", 0, 7, turn="5f0c9a1e")
    going_on = [MessageCell(12, "s", 0, 7, first=1), MessageCell(13, "s", 4, 7, first=3), turn]
    for noted in (*going_on[::-1], MessageCell(11, "s", 1, 7), MessageCell(5, "s", 2, 7, first=2)):
        await store.message_cells.set(noted)
    assert list(await store.message_cells.going_on(10)) == going_on
    await store.message_cells.set(MessageCell(13, "s", 4, 7, first=-3))
    assert list(await store.message_cells.going_on(10)) == [going_on[0], turn]
    await store.message_cells.set(replace(turn, seq=5))
    assert list(await store.message_cells.going_on(10)) == [going_on[0], replace(turn, seq=5)]
    assert await store.message_cells.get(14) == replace(turn, seq=5)
    await store.message_cells.set(replace(turn, seq=5, turn=""))
    assert list(await store.message_cells.going_on(10)) == going_on[:1]


async def test_message_of_a_deleted_session_is_not_noted(store: Store, clock) -> None:
    """An answer may end while its person deletes everything: nothing of it comes back."""
    await store.sessions.get_or_create("s", 7, "dm", clock.now)
    await store.message_cells.set(MessageCell(10, "s", 1, 3))
    ending = [store.message_cells.set(MessageCell(11 + number, "s", 1, 3)) for number in range(20)]
    await asyncio.gather(store.sessions.delete("s"), *ending)
    await store.message_cells.set(MessageCell(10, "s", 1, 3))
    assert await store.message_cells.of_cell("s", 1) == []
    assert await store.message_cells.get(10) is None


async def test_cell_leads_to_its_messages(store: Store, clock) -> None:
    """From a cell one finds the channel and the messages that show it, and no other cell's messages."""
    for session_id in ("s", "t"):
        await store.sessions.get_or_create(session_id, 7, "dm", clock.now)
    assert await store.message_cells.of_cell("s", 1) == []
    await store.message_cells.set(MessageCell(12, "s", 1, 2**61))
    await store.message_cells.set(MessageCell(11, "s", 1, 2**61))
    await store.message_cells.set(MessageCell(10, "s", 2, 3))
    await store.message_cells.set(MessageCell(9, "t", 1, 3))
    first, second = MessageCell(11, "s", 1, 2**61), MessageCell(12, "s", 1, 2**61)
    assert await store.message_cells.of_cell("s", 1) == [first, second]
