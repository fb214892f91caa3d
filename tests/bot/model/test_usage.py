"""What turns cost, and what a person may use in a day."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bot.errors import OverBudget
from bot.model.conversation import Counted
from bot.model.day_secrets import DaySecrets
from bot.model.usage import Account, Ledger, price
from bot.reply import TurnUsage
from bot.wording.error_messages import sentence
from config.settings import load
from filestore import open_store
from filestore.records import EPOCH
from filestore.store import Store

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that shows the time it was set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    async with open_store(tmp_path) as store:
        yield store


def test_cached_tokens_are_cheaper_and_written_ones_dearer() -> None:
    """The price table's three numbers, and a quarter more for tokens written to the cache."""
    known = price("gpt-5.4")
    assert known == (2.5, 0.25, 15.0)
    assert known.of(Counted(1_000_000, 0)) == 2.5
    assert known.of(Counted(1_000_000, 100_000, cached=1_000_000)) == pytest.approx(0.25 + 1.5)
    assert known.of(Counted(1_000_000, 0, cached=400_000, written=600_000)) == pytest.approx(0.1 + 1.875)


def test_a_dated_name_has_its_models_price_and_a_strange_one_none() -> None:
    """Having no price is better than having a wrong one."""
    assert price("gpt-5.5-2026-04-23") == price("gpt-5.5")
    assert price("qwen3") is None
    assert price("gpt-5.5-turbo") is None


def test_the_model_that_is_set_by_default_has_a_price() -> None:
    """Costs are shown even if nothing but a key is set."""
    assert price(load().model) is not None


async def test_a_day_is_one_of_utc(store: Store) -> None:
    """Usage before midnight UTC does not count, whatever the local time zone."""
    clock = Clock()
    ledger = Ledger(store.usage, clock)
    await ledger.record_turn(1, TurnUsage(10, 5, 0.5, 1.5, "m"))
    await ledger.record_turn(1, TurnUsage(20, 5, None, 0.5, "m"))
    await ledger.record_turn(2, TurnUsage(99, 9, 9.0, 9.0, "m"))
    clock.now = NOON.astimezone(timezone(timedelta(hours=14)))
    today = await ledger.today(1)
    assert (today.turns, today.input_tokens, today.output_tokens) == (2, 30, 10)
    assert (today.cost, today.cell_seconds) == (0.5, 2.0)
    clock.now = NOON + timedelta(hours=12)
    assert (await ledger.today(1)).turns == 0


async def test_a_budget_counts_the_turn_under_way(store: Store) -> None:
    """A turn that has spent the day's dollars ends; the next day has new ones."""
    clock = Clock()
    ledger = Ledger(store.usage, clock, daily_budget=1.0)
    await ledger.open_account(1).begin_request(10**9, TurnUsage())
    account = ledger.open_account(1)
    await account.begin_request(10, TurnUsage(cost=0.9))
    with pytest.raises(OverBudget):
        await account.begin_request(10, TurnUsage(cost=1.0))
    await account.close(TurnUsage(cost=1.0))
    with pytest.raises(OverBudget):
        await ledger.open_account(1).begin_request(10, TurnUsage())
    await ledger.open_account(2).begin_request(10, TurnUsage())
    clock.now += timedelta(days=1)
    await ledger.open_account(1).begin_request(10, TurnUsage())


async def test_tokens_are_counted_with_the_request_that_is_to_be_sent(store: Store) -> None:
    """A request that would go over the limit is not sent."""
    ledger = Ledger(store.usage, Clock(), daily_tokens=100)
    await ledger.record_turn(1, TurnUsage(30, 20))
    account = ledger.open_account(1)
    await account.begin_request(50, TurnUsage())
    with pytest.raises(OverBudget) as caught:
        await account.begin_request(40, TurnUsage(5, 6))
    assert (caught.value.budget, caught.value.needed, caught.value.left) == ("100 tokens", 40, 39)
    with pytest.raises(OverBudget) as caught:
        await account.begin_request(40, TurnUsage(25, 25))
    assert sentence(caught.value).startswith("Your 100 tokens for today are used up;")


async def test_a_question_that_needs_more_than_the_day_has_is_told_so(store: Store) -> None:
    """Nothing has been used yet, so saying that the budget is used up would be wrong."""
    ledger = Ledger(store.usage, Clock(), daily_tokens=600)
    with pytest.raises(OverBudget) as caught:
        await ledger.open_account(1).begin_request(1234, TurnUsage())
    said = sentence(caught.value)
    assert "used up" not in said
    assert said.startswith("This question needs 1,234 tokens")
    assert "more than the 600 left of your 600 tokens for today" in said


@pytest.mark.parametrize("limit", [{"daily_budget": 1.0}, {"daily_tokens": 50_000}])
async def test_many_places_have_one_budget(store: Store, limit: dict[str, Any]) -> None:
    """If turns begin in twenty places at once, at most one of them exceeds what is left."""
    ledger = Ledger(store.usage, Clock(), **limit)
    each = TurnUsage(10_000, 10_000, 0.4, model="gpt-5.4")
    sent = []

    async def turn(place: int) -> None:
        account = ledger.open_account(1, price("gpt-5.4"))
        taken = TurnUsage()
        try:
            await account.begin_request(10_000, taken)
            sent.append(place)
            await asyncio.sleep(0)  # the request is on its way
            taken = each
            account.end_request(taken)
        except OverBudget:
            pass
        finally:
            await account.close(taken if taken is each else None)

    async with asyncio.timeout(30), asyncio.TaskGroup() as places:
        for place in range(20):
            places.create_task(turn(place))
    assert len(sent) == 3
    assert (await ledger.today(1)).turns == len(sent)


async def test_two_places_never_wait_for_each_other(store: Store) -> None:
    """Both have made a request and want another, and a third has used up what was enough for two."""
    ledger = Ledger(store.usage, Clock(), daily_tokens=50_000)
    first, second = ledger.open_account(1), ledger.open_account(1)
    for account in (first, second):
        await account.begin_request(1000, TurnUsage())
    await ledger.record_turn(1, TurnUsage(20_000, 0))

    async def again(account: Account) -> None:
        await account.begin_request(1000, TurnUsage())
        await asyncio.sleep(0.01)
        account.end_request(TurnUsage(1000, 10))

    async with asyncio.timeout(30), asyncio.TaskGroup() as places:
        for account in (first, second):
            places.create_task(again(account))


async def test_where_enough_is_left_nobody_waits(store: Store) -> None:
    """Requests from several places run at the same time, and those of other people always do."""
    ledger = Ledger(store.usage, Clock(), daily_budget=10.0)
    async with asyncio.timeout(30):
        for user_id in (1, 1, 2):
            await ledger.open_account(user_id, price("gpt-5.4")).begin_request(10_000, TurnUsage())


async def test_who_waits_for_another_place_can_be_stopped(store: Store) -> None:
    """A turn that waits is cancelled without a trace; the next one has its turn."""
    ledger = Ledger(store.usage, Clock(), daily_tokens=20_000)
    first, second, third = (ledger.open_account(1) for _ in range(3))
    await first.begin_request(1000, TurnUsage())
    waits = asyncio.create_task(second.begin_request(1000, TurnUsage()))
    await asyncio.sleep(0.05)
    assert not waits.done()
    waits.cancel()
    await asyncio.wait([waits])
    await second.close(None)
    begins = asyncio.create_task(third.begin_request(1000, TurnUsage()))
    first.end_request(TurnUsage(1000, 10))
    await first.close(TurnUsage(1000, 10))
    await asyncio.wait_for(begins, 30)


async def test_deletion_gives_no_budget_back(store: Store, tmp_path: Path) -> None:
    """Not even after a restart; a day later everything is forgotten, and there is a new budget."""
    clock, path = Clock(), tmp_path / "secrets.json"
    for _ in range(2):
        ledger = Ledger(store.usage, clock, daily_budget=1.0, secrets=DaySecrets(path))
        await ledger.record_turn(1, TurnUsage(10, 5, 0.5, 1.5, "m"))
        await ledger.forget_person(1)
        assert (await store.usage.total(1, EPOCH)).turns == 0
        await ledger.sweep(clock.now)
    ledger = Ledger(store.usage, clock, daily_budget=1.0, secrets=DaySecrets(path))
    assert (await ledger.today(1)).cost == 1.0
    assert (await ledger.today(2)).turns == 0
    with pytest.raises(OverBudget):
        await ledger.open_account(1).begin_request(10, TurnUsage())
    await ledger.open_account(2).begin_request(10, TurnUsage())
    number = DaySecrets(path).find_number(NOON.date(), 1)
    assert number is not None
    assert number < 0
    assert path.stat().st_mode & 0o777 == 0o600
    clock.now += timedelta(days=1)
    await ledger.open_account(1).begin_request(10, TurnUsage())
    await ledger.sweep(clock.now)
    assert (await store.usage.total(number, EPOCH)).turns == 0
    assert DaySecrets(path).find_number(NOON.date(), 1) is None


async def test_a_clock_that_was_wrong_for_a_while_gives_no_budget_back(store: Store, tmp_path: Path) -> None:
    """Deleted usage counts again once the clock is right, unless a sweep ran in between."""
    clock = Clock()
    ledger = Ledger(store.usage, clock, daily_budget=1.0, secrets=DaySecrets(tmp_path / "secrets.json"))
    await ledger.record_turn(1, TurnUsage(cost=1.0))
    await ledger.forget_person(1)
    for wrong in (timedelta(days=1), timedelta(days=-1)):
        clock.now = NOON + wrong
        await ledger.record_turn(1, TurnUsage(cost=0.5))
        await ledger.forget_person(1)
        clock.now = NOON
        assert (await ledger.today(1)).cost >= 1.0


async def test_without_a_limit_nothing_is_kept(store: Store, tmp_path: Path) -> None:
    """There is no reason to keep anything."""
    ledger = Ledger(store.usage, Clock(), secrets=DaySecrets(tmp_path / "secrets.json"))
    await ledger.record_turn(1, TurnUsage(cost=1.0))
    await ledger.forget_person(1)
    assert (await ledger.today(1)).turns == 0
    assert list(tmp_path.glob("secrets*")) == []


async def test_secrets_that_cannot_be_read_or_written_stop_nothing(tmp_path: Path) -> None:
    """A broken file counts as missing; if none can be written, secrets last as long as the program."""
    path = tmp_path / "secrets.json"
    path.write_text("[1]")
    secrets = DaySecrets(path)
    number = await secrets.make_number(NOON.date(), 1)
    assert DaySecrets(path).find_number(NOON.date(), 1) == number
    nowhere = DaySecrets(tmp_path / "no" / "folder")
    assert await nowhere.make_number(NOON.date(), 1) == nowhere.find_number(NOON.date(), 1) != number


async def test_what_a_clock_that_was_ahead_has_dated_counts_on_that_day_alone(store: Store) -> None:
    """It does not use up the budget of every day until then."""
    clock = Clock()
    ledger = Ledger(store.usage, clock, daily_tokens=100)
    clock.now = NOON + timedelta(days=3)
    await ledger.record_turn(1, TurnUsage(90, 10, None, 0.0, "m"))
    for day in range(5):
        clock.now = NOON + timedelta(days=day)
        assert (await ledger.today(1)).turns == (day == 3)
