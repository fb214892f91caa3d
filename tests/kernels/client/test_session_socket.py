"""News too large for a websocket is fetched, and a result's outputs come one by one."""

from typing import Any, cast

from kernels.cell.events import Stream
from kernels.cell.outputs import stream_output
from kernels.cell.result import RunResult
from kernels.client.session_socket import SessionSocket
from kernels.node.encoding import encode
from kernels.node.messages import UNREAD, CellEnd, CellEvent

OUTPUTS = tuple({"output_type": "stream", "name": "stdout", "text": f"{number}\n"} for number in range(3))


def at_node(body: bytes) -> tuple[SessionSocket, list[int]]:
    """A connection to a node that gives this answer, and the numbers it was asked for."""
    asked: list[int] = []

    async def get(number: int) -> bytes:
        asked.append(number)
        return body

    return SessionSocket(cast(Any, None), "id", get), asked


async def test_a_result_comes_with_its_outputs_a_line_each() -> None:
    """They follow the result in order; without those lines it has no outputs."""
    end = CellEnd(n=7, run="a", result=RunResult("ok", "x", ()), variables=())
    for outputs in (OUTPUTS, ()):
        socket, asked = at_node(b"\n".join(map(encode, (end, *outputs))))
        news = await socket.fetch_news(7)
        assert isinstance(news, CellEnd)
        assert news.result == RunResult("ok", "x", outputs)
        assert asked == [7]


async def test_other_news_is_one_line() -> None:
    """Such as a display of many megabytes."""
    told = CellEvent(n=8, run="a", event=Stream("stdout", "x\n"))
    socket, _ = at_node(encode(told))
    assert await socket.fetch_news(8) == told


async def test_of_outputs_one_that_cannot_be_read_is_told() -> None:
    """The others and the result are there."""
    end = CellEnd(n=7, run="a", result=RunResult("ok", "x", ()), variables=())
    socket, _ = at_node(b"\n".join((encode(end), encode(OUTPUTS[0]), b'{"a": 1e999}', encode(OUTPUTS[2]))))
    news = await socket.fetch_news(7)
    assert isinstance(news, CellEnd)
    assert news.result is not None
    assert news.result.outputs == (OUTPUTS[0], stream_output("stderr", UNREAD), OUTPUTS[2])
