"""Commands that begin and end what runs, when much goes on already."""

from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord.commands.run import RunCommands
from bot.discord.context import MOST_LIVE
from tests.bot.discord.answers.fakes import ADA, a_context, a_live_answer


async def test_a_kernel_can_be_ended_however_many_answers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What threads print for ever is shown without a Stop button: only the end of their kernel ends that."""
    said: list[str] = []

    async def nothing(*_: object, **__: object) -> None:
        pass

    async def told(_interaction: object, text: str) -> None:
        said.append(text)

    async def session(*_: object) -> Any:
        return SimpleNamespace(reset=nothing)

    for name, instead in {
        "defer": nothing,
        "privately": told,
        "user_of": lambda _: SimpleNamespace(id=ADA),
        "place_of": lambda _: "dm",
    }.items():
        monkeypatch.setattr(f"bot.discord.commands.run.{name}", instead)
    context = a_context()
    context.sessions.session = session  # type: ignore[method-assign]
    context.live_answers |= {number: a_live_answer(context) for number in range(MOST_LIVE)}
    reset: Any = RunCommands.reset
    await reset.callback(RunCommands(context), SimpleNamespace(), everything=False)
    assert said == ["Your next cell gets a fresh kernel. Your files are kept."]
