"""A few threads for work that waits for a disk, shared by whoever has more of it than one thread can hurry.

    crew = Crew(16, "saved variables")
    try:
        for file in files:
            crew.do(partial(store, file))   # waits while all of them are at work
        crew.settle()                       # all is done
    finally:
        crew.end()

Threads are started as they are needed. If the system refuses even the first one, the caller does the work.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Crew"]


class Crew:
    """See the module's text. One thread may use it."""

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._todo: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._at_work = 0
        self._failure: BaseException | None = None

    def do(self, work: Callable[[], object]) -> None:
        """Have it done soon; wait first while as many as there may be threads are not done.

        It is done even if this raises. Raises: what any work so far has raised, the first of it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._at_work < self._size)
            self._at_work += 1
            is_short = len(self._threads) < self._at_work
        if is_short:
            self._start()
        if self._threads:
            self._todo.put(work)
        else:
            self._carry_out(work)
        self._need_success()

    def settle(self) -> None:
        """Wait until all is done. Raises: what any of it has raised, the first of it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._at_work)
        self._need_success()

    def end(self) -> None:
        """Wait until all is done, and end the threads."""
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=self._name)
        try:
            thread.start()
        except RuntimeError:  # the system refuses it
            return
        self._threads.append(thread)

    def _run(self) -> None:
        while (work := self._todo.get()) is not None:
            self._carry_out(work)
            del work  # it may hold memory, and the next may be long in coming

    def _carry_out(self, work: Callable[[], object]) -> None:
        failure = None
        try:
            work()
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            failure = error
        with self._changed:
            self._at_work -= 1
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _need_success(self) -> None:
        if self._failure is not None:
            raise self._failure
