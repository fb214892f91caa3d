"""What turns cost in tokens, money and time, and how much a person may spend in a day.

ledger = Ledger(store.usage, clock, daily_budget=2.0)
account = ledger.open_account(user_id, price(model))
await account.begin_request(tokens, taken)           # a request; raises OverBudget
account.end_request(taken)
await account.close(taken)                   # the turn is over
total = await ledger.today(user_id)          # UsageTotal
"""

import asyncio
import functools
import logging
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import NamedTuple

from bot.errors import OverBudget
from bot.model.conversation import Counted
from bot.model.day_secrets import DaySecrets
from bot.reply import TurnUsage
from bot.scheduling.periodic import sweep_often
from filestore.records import UsageRecord, UsageTotal
from filestore.store import Usage

__all__ = ["Account", "Ledger", "Price", "price"]

log = logging.getLogger(__name__)

DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")  # at the end of a model's name: one of its versions
ANSWER = 16_000  # tokens assumed for an answer of the model when a limit is checked
WRITING = 1.25  # times the price of input, for tokens that are written to the API's cache


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
    """The model's price in config/prices.toml; None if it is not listed."""
    return _prices().get(DATE.sub("", model))


class Ledger:
    """What people have spent today; days are in UTC.

    `daily_budget` is in US dollars per person and day, `daily_tokens` in tokens; None means no limit. Turns
    without a known price cost nothing here: `daily_tokens` is for such models. If there is a limit, the sums
    of a day outlive the deletion of everything else that a person has, under the numbers of `secrets`.
    """

    def __init__(
        self,
        usage: Usage,
        clock: Callable[[], datetime],
        daily_budget: float | None = None,
        daily_tokens: int | None = None,
        secrets: DaySecrets | None = None,
    ) -> None:
        self._usage = usage
        self._clock = clock
        self.budget = daily_budget
        self.tokens = daily_tokens
        self._secrets = secrets or DaySecrets()
        self._open: set[Account] = set()  # of turns in progress

    @property
    def limited(self) -> bool:
        """Whether there is a limit for a day."""
        return self.budget is not None or self.tokens is not None

    def open_account(self, user_id: int, price: Price | None = None) -> "Account":
        """The account of a new turn; `price` is that of its model."""
        account = Account(self, user_id, price)
        self._open.add(account)
        return account

    async def record_turn(self, user_id: int, usage: TurnUsage) -> None:
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
        """The person's sum of this day in UTC. Raises: StoreUnavailable.

        What a clock that was ahead has dated later counts on that day, and not on each one until then.
        """
        midnight = _midnight(self._clock())
        next_midnight = midnight + timedelta(days=1)
        total = await self._usage.total(user_id, midnight, next_midnight)
        number = self._secrets.find_number(midnight.date(), user_id)
        if number is None:
            return total
        return total + await self._usage.total(number, midnight, next_midnight)

    async def forget_person(self, user_id: int) -> None:
        """Delete what is known of a person's usage, except the sums that count for today's limit.

        Raises: StoreUnavailable.
        """
        if self.limited:
            midnight = _midnight(self._clock())
            number = await self._secrets.make_number(midnight.date(), user_id)
            await self._usage.forget_person(user_id, kept_as=number, since=midnight)
        else:
            await self._usage.forget_person(user_id)

    async def sweep(self, now: datetime) -> None:
        """Delete the sums kept for people who were deleted on earlier days. Raises: StoreUnavailable."""
        midnight = _midnight(now)
        await self._usage.forget_kept(midnight)
        await self._secrets.forget_before(midnight.date())

    async def sweep_often(self, every: timedelta, due: datetime | None = None) -> None:
        """Call `sweep` regularly, but not after the clock has jumped: the day may not be over."""
        await sweep_often(self.sweep, every, self._clock, "sums of earlier days could not be deleted", due)

    def others(self, account: "Account") -> "frozenset[Account]":
        """The accounts of the person's other turns in progress, in any place."""
        return frozenset(one for one in self._open - {account} if one.user_id == account.user_id)

    def drop_account(self, account: "Account") -> None:
        """The turn is over, and what it used is recorded."""
        self._open.discard(account)


class Account:
    """What one turn has used so far. A person's turns in several places share one day.

    The cost of a request is only known when it is over. If the person's requests together could exceed what
    is left, each waits for the others, so that at most one request exceeds it.
    """

    def __init__(self, ledger: Ledger, user_id: int, price: Price | None) -> None:
        self.user_id = user_id
        self.taken = TurnUsage()  # by finished requests
        self.sent = Counted(0, 0)  # what the request in progress may take at most
        self.idle = asyncio.Event()  # set while no request is in progress
        self.idle.set()
        self.recording = False  # whether its usage is being moved from here to the database
        self._ledger = ledger
        self._price = price

    async def begin_request(self, tokens: int, taken: TurnUsage) -> None:
        """Begin a request of `tokens` tokens in a turn that has `taken` so much already.

        Raises: OverBudget, StoreUnavailable, and then the request must not be sent.
        """
        self.end_request(taken)  # while this waits, it must not hold up others
        coming = Counted(tokens, ANSWER)
        while self._ledger.limited:
            others = self._ledger.others(self)
            today = await self._ledger.today(self.user_id)
            recording = [other for other in others if other.recording]
            if recording or others != self._ledger.others(self):
                await _one_is_idle(recording)
                continue
            going_on = [other for other in others if not other.idle.is_set()]
            accounts = [self, *others]
            cost = today.cost + sum(account.taken.cost or 0.0 for account in accounts)
            used = today.input_tokens + today.output_tokens
            used += sum(account.taken.input_tokens + account.taken.output_tokens for account in accounts)
            budget, limit = self._ledger.budget, self._ledger.tokens
            if budget is not None and cost >= budget:
                raise OverBudget(f"${budget:.2f}")
            if limit is not None and used + tokens > limit:
                left = limit - used
                raise OverBudget(f"{limit:,} tokens", *((tokens, left) if left > 0 else ()))
            at_most = [coming, *(other.sent for other in going_on)]
            dearest = sum(self._price.of(each) for each in at_most) if self._price else 0.0
            most = sum(each.input_tokens + each.output_tokens for each in at_most)
            too_dear = budget is not None and cost + dearest > budget
            too_many = limit is not None and used + most > limit
            if not (going_on and (too_dear or too_many)):
                break
            await _one_is_idle(going_on)
        self.sent = coming
        self.idle.clear()

    def end_request(self, taken: TurnUsage) -> None:
        """The request is over, and the turn has `taken` so much."""
        self.taken, self.sent = taken, Counted(0, 0)
        self.idle.set()

    async def close(self, taken: TurnUsage | None) -> None:
        """The turn is over; record what it used (None: nothing). Raises: StoreUnavailable."""
        self.recording = taken is not None
        if self.recording:
            self.idle.clear()
        try:
            if taken is not None:
                await self._ledger.record_turn(self.user_id, taken)
        finally:
            self._ledger.drop_account(self)
            self.idle.set()


async def _one_is_idle(accounts: Sequence[Account]) -> None:
    """Wait until one of them has no request in progress and is not being recorded."""
    waiting = [asyncio.ensure_future(account.idle.wait()) for account in accounts]
    try:
        if waiting:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@functools.cache
def _prices() -> Mapping[str, Price]:
    table = resources.files("config").joinpath("prices.toml").read_text(encoding="utf-8")
    return {name: Price(*row) for name, row in tomllib.loads(table).items()}
