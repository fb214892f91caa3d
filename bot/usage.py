"""What turns take, in tokens, money and time, and what a person may take in a day.

ledger = Ledger(store.usage, clock, daily_budget=2.0)
await ledger.check(user_id, tokens)          # raises OverBudget
await ledger.add(user_id, usage)
total = await ledger.today(user_id)          # UsageTotal
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.errors import OverBudget
from filestore.records import UsageRecord, UsageTotal
from filestore.store import Usage

__all__ = ["Ledger", "TurnUsage"]


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
