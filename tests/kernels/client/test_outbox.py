"""Commands for a node go out in order, in messages of bounded length, and again until they are confirmed."""

import json

import pytest

from kernels.client.outbox import Outbox
from kernels.errors import TooLarge
from kernels.node.messages import EnterCell, FilesAnswer, RestartKernel, StartCell


def entering(code: str) -> EnterCell:
    """A command to run this code."""
    return EnterCell(run="a", turn="", code=code, allow_input=True)


def numbers(messages: list[bytes]) -> list[list[int]]:
    """The numbers of the commands in each message."""
    return [[command["m"] for command in json.loads(message)] for message in messages]


def test_commands_go_together_as_far_as_a_message_takes_them() -> None:
    """Many small ones share a message; a large one goes alone, and none is left out."""
    outbox = Outbox(together=1000)
    for size in (10, 10, 5000, 10, 800, 800):
        outbox.add_command(entering("x" * size))
    messages = outbox.messages()
    assert numbers(messages) == [[1, 2], [3], [4, 5], [6]]
    assert outbox.messages() == []


def test_what_is_not_confirmed_goes_again_before_what_is_new() -> None:
    """A node that comes back keeps what it confirmed, and gets the rest unchanged."""
    outbox = Outbox()
    first = [outbox.add_command(entering("a")), outbox.add_command(StartCell(run="a", tag=1))]
    outbox.messages()
    outbox.confirm(first[0])
    outbox.add_command(entering("b"))
    outbox.rewind()
    assert numbers(outbox.messages()) == [[2, 3]]
    assert outbox.confirmed == 1


def test_what_is_withdrawn_is_not_sent_or_not_again() -> None:
    """Nobody waits for it any more; the caller learns whether a node may have received it."""
    outbox = Outbox()
    for _ in range(3):
        outbox.add_command(RestartKernel())
    assert outbox.withdraw(2)
    assert numbers(outbox.messages()) == [[1, 3]]
    assert not outbox.withdraw(3)
    outbox.rewind()
    assert numbers(outbox.messages()) == [[1]]


def test_a_command_that_no_node_takes_is_refused_and_leaves_no_gap() -> None:
    """It would break every new connection, and block everything queued behind it."""
    outbox = Outbox(largest=1000)
    with pytest.raises(TooLarge):
        outbox.add_command(FilesAnswer(ask=1, name="x" * 2000))
    outbox.add_command(StartCell(run="a", tag=1))
    assert numbers(outbox.messages()) == [[1]]
