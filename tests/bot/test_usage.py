"""What turns cost, and what a person may take in a day."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bot.conversation import Counted
from bot.errors import OverBudget
from bot.usage import Ledger, TurnUsage, price
from config.settings import load
from filestore import open_store
from filestore.store import Store

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands where it is put."""

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
    """The price table's three numbers, and a quarter more for what goes to the cache."""
    known = price("gpt-5.4")
    assert known == (2.5, 0.25, 15.0)
    assert known.of(Counted(1_000_000, 0)) == 2.5
    assert known.of(Counted(1_000_000, 100_000, cached=1_000_000)) == pytest.approx(0.25 + 1.5)
    assert known.of(Counted(1_000_000, 0, cached=400_000, written=600_000)) == pytest.approx(0.1 + 1.875)


def test_a_dated_name_has_its_models_price_and_a_strange_one_none() -> None:
    """No price is better than a wrong one."""
    assert price("gpt-5.5-2026-04-23") == price("gpt-5.5")
    assert price("qwen3") is None
    assert price("gpt-5.5-turbo") is None


def test_the_model_that_is_set_by_default_has_a_price() -> None:
    """Who sets nothing but a key sees costs."""
    assert price(load().model) is not None


async def test_a_day_is_one_of_utc(store: Store) -> None:
    """What was taken before midnight does not count, wherever the clock's zone is."""
    clock = Clock()
    ledger = Ledger(store.usage, clock)
    await ledger.add(1, TurnUsage(10, 5, 0.5, 1.5, "m"))
    await ledger.add(1, TurnUsage(20, 5, None, 0.5, "m"))
    await ledger.add(2, TurnUsage(99, 9, 9.0, 9.0, "m"))
    clock.now = NOON.astimezone(timezone(timedelta(hours=14)))
    today = await ledger.today(1)
    assert (today.turns, today.input_tokens, today.output_tokens) == (2, 30, 10)
    assert (today.cost, today.cell_seconds) == (0.5, 2.0)
    clock.now = NOON + timedelta(hours=12)
    assert (await ledger.today(1)).turns == 0


async def test_a_budget_counts_the_turn_under_way(store: Store) -> None:
    """Dollars end a turn that has spent them; another day there are new ones."""
    clock = Clock()
    ledger = Ledger(store.usage, clock, daily_budget=1.0)
    await ledger.check(1, 10**9)
    await ledger.check(1, 10, TurnUsage(cost=0.9))
    with pytest.raises(OverBudget):
        await ledger.check(1, 10, TurnUsage(cost=1.0))
    await ledger.add(1, TurnUsage(cost=1.0))
    with pytest.raises(OverBudget):
        await ledger.check(1, 10)
    await ledger.check(2, 10)
    clock.now += timedelta(days=1)
    await ledger.check(1, 10)


async def test_tokens_are_counted_with_the_request_that_is_to_be_sent(store: Store) -> None:
    """A request that would go over the limit is not sent."""
    ledger = Ledger(store.usage, Clock(), daily_tokens=100)
    await ledger.add(1, TurnUsage(30, 20))
    await ledger.check(1, 50)
    with pytest.raises(OverBudget) as caught:
        await ledger.check(1, 40, TurnUsage(5, 6))
    assert caught.value.budget == "100 tokens"
