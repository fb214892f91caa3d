"""Pages are made in threads: one at a time per person, and a few altogether."""

import asyncio
import threading
from collections import Counter
from typing import cast

import pytest

import bot.discord.answers.pages as module
from bot.discord.answers.pages import Pages
from bot.scratch.drawing import Renderer


class Rooms:
    """Work that waits until it is released, and records who is working at the same time."""

    def __init__(self) -> None:
        self.go = threading.Event()
        # Full once as many are working as may; the test waits for that.
        self.full = threading.Barrier(module.AT_ONCE + 1, timeout=30)
        self.threads: set[int] = set()
        self.now: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self.most_in_all = 0
        self._lock = threading.Lock()

    def work(self, user_id: int) -> int:
        """One person's page."""
        with self._lock:
            self.threads.add(threading.get_ident())
            self.now[user_id] += 1
            self.most[user_id] = max(self.most[user_id], self.now[user_id])
            self.most_in_all = max(self.most_in_all, self.now.total())
        if not self.go.is_set():
            self.full.wait()
        self.go.wait(30)
        with self._lock:
            self.now[user_id] -= 1
        return user_id


def some_pages() -> Pages:
    """Pages without pictures."""
    return Pages(cast(Renderer, None), 0)


async def test_the_loop_goes_on_while_pages_are_made() -> None:
    """However much one person shows, they use at most one thread, and everybody together only a few."""
    pages, rooms = some_pages(), Rooms()
    people = [1, 1, 1, 1, 2, 2, 3, 4, 5]
    tasks = [
        asyncio.create_task(pages.make(user_id, lambda user_id=user_id: rooms.work(user_id)))  # type: ignore[misc]
        for user_id in people
    ]
    await asyncio.to_thread(rooms.full.wait)
    rooms.go.set()
    assert await asyncio.gather(*tasks) == people
    assert set(rooms.most.values()) == {1}
    assert rooms.most_in_all <= module.AT_ONCE + 1
    assert threading.get_ident() not in rooms.threads
    assert not pages._own


async def test_a_page_that_fails_fails_alone() -> None:
    """Its error reaches whoever asked for it, and its place is free again."""
    pages = some_pages()
    for _ in range(2 * module.AT_ONCE):
        with pytest.raises(ZeroDivisionError):
            await pages.make(1, lambda: 1 / 0)
    assert await pages.make(1, lambda: "well") == "well"


async def test_a_page_is_made_though_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system refuses a new thread, the page is made all the same."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert await some_pages().make(1, lambda: "well") == "well"
