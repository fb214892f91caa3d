"""Messages that a later cell has updated: which state they show in the end."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bot.front import updated
from bot.locks import Locks


async def test_of_two_quick_updates_the_later_is_shown_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long Discord takes for the first: the second is not overtaken by what was read before it."""
    display, shown = "one", []
    takes_long = asyncio.Event()

    async def displaying(_names: object, *, before: int) -> list[Any]:
        return [SimpleNamespace(seq=1, text=display)]

    async def show(_desk: object, _session: object, record: Any, _buttons: object) -> None:
        if record.text == "one":
            await takes_long.wait()
        shown.append(record.text)

    monkeypatch.setattr(updated, "_show_again", show)
    session = SimpleNamespace(
        record=SimpleNamespace(user_id=1), transcript=SimpleNamespace(displaying=displaying)
    )
    desk: Any = SimpleNamespace(sessions=SimpleNamespace(opened=lambda _: session), updating=Locks())
    first = asyncio.create_task(updated.show_updated(desk, "u1", 2, {"d"}, ()))
    await asyncio.sleep(0)
    display = "two"
    second = asyncio.create_task(updated.show_updated(desk, "u1", 3, {"d"}, ()))
    for _ in range(10):
        await asyncio.sleep(0)
    takes_long.set()
    await asyncio.wait([first, second])
    assert shown == ["one", "two"]
