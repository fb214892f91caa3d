"""Answers the node's two requests about the person's state: to save it, and to load it.

    state = StateRequests(kernel)
    state.begin()                   # when the kernel is made: its namespace is as in any fresh kernel
    state.save(parent)              # the content of the reply
    state.load(parent)

Both run on the main thread between two cells, for a time that is bounded, and can be interrupted under their
message's id. They leave nothing behind but what they are for; see `apart`.
"""

from collections.abc import Callable
from time import monotonic
from typing import Any

from ..shell import interrupts
from . import loading, surroundings
from .apart import Apart
from .bounds import GivenUp, TakesTooMuch, WorkBounds, spare_memory
from .saving import Saving
from .transport import StateRefused, fetch

__all__ = ["StateRequests"]

LOADING_TIME = 60.0  # seconds, most of which go into importing libraries
ANY_GROWTH = 1 << 62  # bytes; a state that is too large for its kernel ends it
LONGEST_WHY = 200  # characters


class StateRequests:
    """See the module's text."""

    busy = False  # whether one of them is being answered

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def begin(self) -> None:
        """Note how things are in a kernel before its first cell."""
        shell = self._kernel.shell
        surroundings.begin(shell)
        self._saving = Saving(shell)
        self._apart = Apart(self._kernel)

    def save(self, parent: Any) -> dict[str, Any]:
        """Save the state as of the cell that the request names."""

        def work() -> dict[str, Any]:
            content = parent["content"]
            bounds = WorkBounds(float(content["seconds"]), spare_memory())
            with interrupts.raised(bounds.stop), bounds:
                wanted = self._saving.wanted(bounds)
                left_out = self._saving.save(content["ticket"], wanted, bounds)
            return {"status": "ok", "why": f"left out: {', '.join(left_out)}" if left_out else ""}

        def note() -> None:
            self._saving.note(parent["content"]["cell"])

        return self._answer(parent, work, first=note, go_back=True)

    def load(self, parent: Any) -> dict[str, Any]:
        """Load the newest state into this kernel, which has run no cell yet."""

        def work() -> dict[str, Any]:
            bounds = WorkBounds(LOADING_TIME, ANY_GROWTH)
            with interrupts.raised(bounds.stop):
                return self._load(parent["content"]["ticket"], bounds)

        return {"back": [], "missing": []} | self._answer(parent, work, go_back=False)

    def _load(self, ticket: str, bounds: WorkBounds) -> dict[str, Any]:
        with bounds:
            fetched = fetch(ticket, bounds)
            if fetched is None:
                return {"status": "none", "why": ""}
            try:
                loaded = loading.put(fetched, self._kernel.shell, bounds)
            except BaseException as error:  # noqa: BLE001  whatever the code of a value raises
                return {"status": "failed", "why": _why(error), "missing": loading.everything(fetched.meta)}
            missing = loading.put_surroundings(loaded, self._kernel.shell, bounds)
        self._saving.restored(loaded.cells)
        return {"status": "ok", "why": "", "back": loaded.back, "missing": missing}

    def _answer(
        self,
        parent: Any,
        work: Callable[[], dict[str, Any]],
        *,
        first: Callable[[], None] = lambda: None,
        go_back: bool,
    ) -> dict[str, Any]:
        """The reply, whatever happens; `first` is done even if the request was interrupted before."""
        began, reply = monotonic(), {"status": "failed", "why": "it did not end"}
        try:
            with self._apart.entered(go_back=go_back):
                self.busy = True
                try:
                    first()
                    interrupts.begin_cell(parent["header"]["msg_id"])
                    reply = work()
                finally:
                    interrupts.end_cell()
                    self.busy = False
        except (GivenUp, KeyboardInterrupt) as error:
            reply = {"status": "given up", "why": _why(error)}
        except TakesTooMuch as error:
            reply = {"status": "too large", "why": _why(error)}
        except BaseException as error:  # noqa: BLE001  whatever the code of a value raises; the reply must go out
            reply = {"status": "failed", "why": _why(error)}
        return reply | {"seconds": monotonic() - began}


def _why(error: BaseException) -> str:
    match error:
        case KeyboardInterrupt():
            return "it was interrupted"
        case TakesTooMuch() | MemoryError():
            return "there is no room for it"
        case GivenUp() | OSError() | StateRefused() | loading.Unreadable():
            return str(error)[:LONGEST_WHY]
    return type(error).__name__[:LONGEST_WHY]
