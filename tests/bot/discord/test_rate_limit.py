"""How many turns a person may begin in a minute, and how many may go on."""

from bot.discord.context import MOST_LIVE
from bot.discord.rate_limit import RateLimit
from tests.bot.discord.answers.fakes import ADA, a_context, a_live_answer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_turns_beyond_the_rate_wait_until_the_first_is_a_minute_old() -> None:
    """Two a minute: the third is told how long to wait, and another person is not affected."""
    clock = Clock()
    rate = RateLimit(2, clock)
    assert rate.take_turn(1) == 0.0
    clock.now = 20.0
    assert rate.take_turn(1) == 0.0
    clock.now = 30.0
    assert rate.take_turn(1) == 30.0
    assert rate.take_turn(2) == 0.0
    clock.now = 60.0
    assert rate.take_turn(1) == 0.0
    assert rate.take_turn(1) == 20.0


def test_rate_of_zero_is_without_limit() -> None:
    """A setting of 0 disables the limit."""
    rate = RateLimit(0, Clock())
    assert not any(rate.take_turn(1) for _ in range(1000))


def test_one_a_minute_is_free_again_when_the_minute_is_over() -> None:
    """The limit on refusal notices, for example: a person waits 60 seconds, and others do not."""
    clock = Clock()
    rate = RateLimit(1, clock)
    assert not rate.take_turn(1)
    clock.now = 59.0
    assert rate.take_turn(1) == 1.0
    assert not rate.take_turn(2)
    clock.now = 60.0
    assert not rate.take_turn(1)


async def test_few_of_a_persons_messages_are_answered_at_once() -> None:
    """However slowly they come: cells that wait for one another would add up to thousands."""
    context = a_context()
    answers = [a_live_answer(context) for _ in range(MOST_LIVE)]
    context.live_answers |= dict(enumerate(answers))
    refused = context.refusal(ADA)
    assert refused is not None
    assert refused.startswith("50 of your messages are still being answered")
    assert context.refusal(ADA, ends=True) is None
    assert context.refusal(ADA + 1) is None
    del context.live_answers[0]
    assert context.refusal(ADA) is None
