"""A crew does work in a few threads, waits for all of it, and tells what went wrong."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from kernels.concurrency.crew import Crew

NAME = "a crew under test"


@pytest.fixture
def crew() -> Iterator[Crew]:
    """A crew of two, of which no thread is left."""
    made = Crew(2, NAME)
    yield made
    made.end()
    assert NAME not in {thread.name for thread in threading.enumerate()}


def test_work_is_done_beside_the_caller_by_so_many_at_a_time(crew: Crew) -> None:
    """The third waits until one of two is done."""
    go, begun, done = threading.Semaphore(0), threading.Semaphore(0), list[int]()

    def work(number: int) -> None:
        begun.release()
        go.acquire()
        done.append(number)

    for number in range(2):
        crew.do(partial(work, number))
        begun.acquire()
    third = threading.Thread(target=crew.do, args=(partial(work, 2),))
    third.start()
    assert done == []
    assert not begun.acquire(timeout=0.05)
    go.release(3)
    third.join()
    crew.settle()
    assert sorted(done) == [0, 1, 2]


def test_the_first_failure_is_raised_and_the_rest_is_done_all_the_same(crew: Crew) -> None:
    """Whoever hands work over may count on its end: it gives memory and descriptors back."""
    done = []
    crew.do(partial(int, "x"))
    with pytest.raises(ValueError, match="'x'"):
        crew.settle()
    with pytest.raises(ValueError, match="'x'"):
        crew.do(partial(done.append, 1))
    with pytest.raises(ValueError, match="'x'"):
        crew.settle()
    assert done == [1]


@pytest.mark.parametrize("threads", [0, 1])
def test_fewer_threads_do_the_work_if_the_system_refuses_more(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """Without any, the caller does it."""
    real, left, done = threading.Thread.start, [threads], list[str]()

    def start(thread: threading.Thread) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(5):
        crew.do(lambda: done.append(threading.current_thread().name))
    crew.settle()
    assert done == [NAME if threads else threading.current_thread().name] * 5
