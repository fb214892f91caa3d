"""Every task that must live as long as the program is started again when it ends, whatever the cause."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.compose import compose
from bot.model.usage import Ledger
from bot.session import Session
from bot.sessions import Sessions
from config.settings import load
from filestore.janitor import Janitor
from filestore.spool.catch_up import SpoolCatchUp
from kernels.pool import Pool
from kernels.workspace.observer import Observer
from tests.live.cells import until

LASTING = (
    (Janitor, "run"),
    (Sessions, "sweep_often"),
    (Sessions, "release_idle_often"),
    (Ledger, "sweep_often"),
    (SpoolCatchUp, "bring_in_often"),
    (Pool, "_sweep_often"),
    (Pool, "_relieve_often"),
    (Pool, "_tidy_often"),
    (Observer, "_observe"),
    (Session, "_listen"),
    (Session, "_tell_recorded"),
)


async def test_what_must_live_is_begun_again_and_ends_with_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them, after an error that nobody thought of."""
    begun: Counter[tuple[type, str]] = Counter()

    def failing_first(owner: type, name: str) -> None:
        work = getattr(owner, name)

        async def fails_first(*args: Any, **kwargs: Any) -> None:
            begun[owner, name] += 1
            if begun[owner, name] == 1:
                raise ZeroDivisionError("nobody thought of it")
            await work(*args, **kwargs)

        monkeypatch.setattr(owner, name, fails_first)

    for owner, name in LASTING:
        failing_first(owner, name)
    settings = load(data=tmp_path / "data", node="none", sandbox="none", preload="none")
    async with compose(settings) as sessions:
        await sessions.session(1, "terminal")
        await until(lambda: all(begun[owner, name] == 2 for owner, name in LASTING))
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.endswith("watched")]
    assert set(begun.values()) == {2}
