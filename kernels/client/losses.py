"""What was lost with a node that saves variables: the next node tells, once it has brought them back.

    told = losses.hold(restarted)       # the node is gone: nobody knows yet which of these names are lost
    for one in losses.settled(news): ...        # the next cell's news, with what is lost said in it

The names that are held back count as the kernel's variables, which are noted: a program that comes after this
one finds them there.

A cell's first news, apart from its place in line, says what came back; if it does not, nothing did. A cell
that ends before it has run says nothing of that.
"""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from kernels.cell.events import Queued, Restarted
from kernels.cell.result import Variable
from kernels.node.messages import CellEnd, CellEvent
from kernels.state.restarts import AWAY

__all__ = ["NodeLosses"]


class NodeLosses:
    """See the module's text."""

    def __init__(self) -> None:
        self._held: Restarted | None = None
        self._said: tuple[Restarted | None, Restarted] | None = None  # by the node, and by us instead

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Those that were in a node which is gone; nobody knows yet which of them come back."""
        return tuple(Variable(name, "", "") for name in self._held.lost) if self._held is not None else ()

    def hold(self, restarted: Restarted) -> Restarted:
        """Hold the names back that were lost with a node; returns what can be told at once.

        Those of nodes before it are still held if nothing was heard of them.
        """
        earlier = self._held.lost if self._held is not None else ()
        names = dict.fromkeys((*earlier, *restarted.lost))
        self._held = structs.replace(restarted, lost=tuple(names), unnamed=False)
        return structs.replace(restarted, lost=())

    def forget(self) -> None:
        """The variables are not to come back."""
        self._held = self._said = None

    def settled(self, news: CellEvent | CellEnd) -> Sequence[CellEvent | CellEnd]:
        """The news of a cell, in which the node's restart tells what was held back, or ours comes first."""
        first: list[CellEvent | CellEnd] = []
        held = self._held
        if held is not None and _has_run(news):
            self._held = None
            if isinstance(news, CellEvent) and isinstance(news.event, Restarted):
                self._said = news.event, _with(news.event, held)
                news.event = self._said[1]
            elif held.lost:
                self._said = None, held
                first.append(CellEvent(run=news.run, event=held))
        if self._said is not None and isinstance(news, CellEnd):
            theirs, ours = self._said
            self._said = None
            if news.result is not None and news.result.restarted == theirs:
                news.result = replace(news.result, restarted=ours)
        return [*first, news]


def _has_run(news: CellEvent | CellEnd) -> bool:
    """Whether the cell has got a kernel; one that was stopped while it stood in line has not."""
    if isinstance(news, CellEvent):
        return not isinstance(news.event, Queued)
    return news.result is not None and news.result.execution_count is not None


def _with(told: Restarted, held: Restarted) -> Restarted:
    """A node's restart, with the reason that it cannot know, and with names of which it says nothing."""
    there = {*told.back, *(one.name for one in told.unsaved)}
    names = dict.fromkeys((*held.lost, *told.lost))
    reason = told.reason.replace(AWAY, held.reason, 1)
    return structs.replace(told, reason=reason, lost=tuple(name for name in names if name not in there))
