"""What is told of variables when their node is gone: what the next node brings back is not lost."""

from msgspec import structs

from kernels.cell.events import Event, Queued, Restarted, Stream, UnsavedValue
from kernels.cell.result import RunResult
from kernels.client.losses import NodeLosses
from kernels.node.messages import CellEnd, CellEvent, RaisedError
from kernels.state.restarts import AWAY, NOT_BACK

GONE = Restarted("the node has ended", ("files",), ("x", "db", "new"), unnamed=True)
DB = UnsavedValue("db", 3, "a database connection")
BACK = Restarted("it ended while I was away", ("files",), ("old",), as_of=12, back=("x", "y"), unsaved=(DB,))
TOLD = Restarted("the node has ended", ("files",), ("new", "old"), as_of=12, back=("x", "y"), unsaved=(DB,))


def held() -> NodeLosses:
    """The losses of a node that is gone; nothing has been said of the names."""
    losses = NodeLosses()
    assert losses.hold(GONE) == Restarted("the node has ended", ("files",), (), unnamed=True)
    return losses


def event(said: Event) -> CellEvent:
    """News of a cell."""
    return CellEvent(n=1, run="a", event=said)


def end(restarted: Restarted | None) -> CellEnd:
    """The end of a cell."""
    return CellEnd(n=2, run="a", result=RunResult("ok", "", (), execution_count=1, restarted=restarted))


def test_the_next_nodes_restart_tells_what_is_lost() -> None:
    """Once, in the event and in the result, after the cell's place in line."""
    losses = held()
    for position in (Queued(1), Queued(0)):
        assert losses.settled(event(position)) == [event(position)]
    assert losses.settled(event(BACK)) == [event(TOLD)]
    assert losses.settled(event(Stream("stdout", "x"))) == [event(Stream("stdout", "x"))]
    assert losses.settled(end(BACK)) == [end(TOLD)]
    assert losses.settled(event(BACK)) == [event(BACK)]
    assert losses.settled(end(BACK)) == [end(BACK)]


def test_all_is_lost_if_the_next_node_brings_nothing_back() -> None:
    """That is told before the cell's first output, or before its end."""
    lost = Restarted("the node has ended", ("files",), ("x", "db", "new"))
    losses = held()
    output = event(Stream("stdout", "x"))
    assert losses.settled(output) == [CellEvent(run="a", event=lost), output]
    assert losses.settled(end(None)) == [end(lost)]
    assert held().settled(end(None)) == [CellEvent(run="a", event=lost), end(lost)]


def test_a_cell_that_never_ran_tells_nothing() -> None:
    """It was stopped in line, or its kernel could not be started: the next one has the variables."""
    losses = held()
    stopped = CellEnd(n=2, run="a", result=RunResult("interrupted", "", ()))
    failed = CellEnd(n=3, run="b", error=RaisedError("KernelStartFailed", ("no memory",)))
    for news in (event(Queued(1)), stopped, failed):
        assert losses.settled(news) == [news]
    assert losses.settled(event(BACK)) == [event(TOLD)]


def test_names_are_held_over_several_nodes() -> None:
    """The next one may end as well before it has told anything."""
    losses = held()
    assert losses.hold(Restarted("it was killed", ("files",), ("z",))).lost == ()
    (news,) = losses.settled(event(BACK))
    assert news == event(structs.replace(TOLD, reason="it was killed", lost=("new", "z", "old")))


def test_why_nothing_came_back_is_told() -> None:
    """The node knows that, and does not know why the one before has ended."""
    failed = Restarted(f"{AWAY}; {NOT_BACK}", ("files",), ("x", "y"))
    told = Restarted(f"the node has ended; {NOT_BACK}", ("files",), ("x", "db", "new", "y"))
    assert held().settled(event(failed)) == [event(told)]
    other = Restarted("it ran out of memory", ("files",), ())
    (news,) = held().settled(event(other))
    assert news == event(Restarted("it ran out of memory", ("files",), ("x", "db", "new")))


def test_nothing_is_told_where_nothing_was_known() -> None:
    """Nor after the person has thrown the variables away."""
    losses = NodeLosses()
    losses.hold(Restarted("the node has ended", ("files",), ()))
    assert losses.settled(end(None)) == [end(None)]
    losses = held()
    losses.forget()
    assert losses.settled(end(None)) == [end(None)]
