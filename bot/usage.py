"""What turns take, in tokens, money and time, and what a person may take in a day.

ledger = Ledger(store.usage, clock, daily_budget=2.0)
await ledger.check(user_id, tokens)          # raises OverBudget
await ledger.add(user_id, usage)
total = await ledger.today(user_id)          # UsageTotal
"""

import functools
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import NamedTuple

from bot.conversation import Counted
from bot.errors import OverBudget
from filestore.records import UsageRecord, UsageTotal
from filestore.store import Usage

__all__ = ["Ledger", "Price", "TurnUsage", "price"]

DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")  # at the end of a model's name: one of its versions
WRITING = 1.25  # times the input's price for what is written to the API's cache


class Price(NamedTuple):
    """What a million tokens cost, in US dollars."""

    input: float
    cached: float
    output: float

    def of(self, counted: Counted) -> float:
        """What a request cost, in US dollars."""
        fresh = counted.input_tokens - counted.cached - counted.written
        spent = fresh * self.input + counted.written * self.input * WRITING + counted.cached * self.cached
        return (spent + counted.output_tokens * self.output) / 1_000_000


def price(model: str) -> Price | None:
    """The model's price in config/prices.toml, None when it is not there."""
    return _prices().get(DATE.sub("", model))


@dataclass(frozen=True, slots=True)
class TurnUsage:
    """What one asked turn took. `cost` is in US dollars, None when no price is known; cells in seconds."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    cell_seconds: float = 0.0
    model: str = ""


class Ledger:
    """What people have taken today, which is a day in UTC.

    `daily_budget` is in US dollars a person and day, `daily_tokens` in tokens; None is without limit. A turn
    without a known price costs nothing here: `daily_tokens` is for such models.
    """

    def __init__(
        self,
        usage: Usage,
        clock: Callable[[], datetime],
        daily_budget: float | None = None,
        daily_tokens: int | None = None,
    ) -> None:
        self._usage = usage
        self._clock = clock
        self._budget = daily_budget
        self._tokens = daily_tokens

    async def check(self, user_id: int, tokens: int, taken: TurnUsage | None = None) -> None:
        """See whether a request of so many tokens may be sent, this turn having `taken` so much already.

        Raises: OverBudget, StoreUnavailable.
        """
        if self._budget is None and self._tokens is None:
            return
        today, taken = await self.today(user_id), taken or TurnUsage()
        if self._budget is not None and today.cost + (taken.cost or 0) >= self._budget:
            raise OverBudget(f"${self._budget:.2f}")
        before = today.input_tokens + today.output_tokens + taken.input_tokens + taken.output_tokens
        if self._tokens is not None and before + tokens > self._tokens:
            raise OverBudget(f"{self._tokens:,} tokens")

    async def add(self, user_id: int, usage: TurnUsage) -> None:
        """Record a turn. Raises: StoreUnavailable."""
        record = UsageRecord(
            user_id,
            self._clock(),
            usage.model,
            usage.input_tokens,
            usage.output_tokens,
            usage.cost or 0.0,
            usage.cell_seconds,
        )
        await self._usage.add(record)

    async def today(self, user_id: int) -> UsageTotal:
        """The person's sum since midnight UTC. Raises: StoreUnavailable."""
        midnight = self._clock().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return await self._usage.total(user_id, midnight)


@functools.cache
def _prices() -> Mapping[str, Price]:
    table = resources.files("config").joinpath("prices.toml").read_text(encoding="utf-8")
    return {name: Price(*row) for name, row in tomllib.loads(table).items()}
