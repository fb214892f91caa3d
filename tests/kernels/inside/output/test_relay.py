"""The messages of forked children arrive whole, however many children write at once."""

import os
import select
from collections.abc import Iterator

import pytest

from kernels.inside.output import relay as module
from kernels.inside.output.relay import Relay
from tests.kernels.inside.kernel_python import run

CHILDREN = """
import os, select
from inside.output.relay import Relay

relay = Relay()
children = 4
for number in range(children):
    if os.fork() == 0:
        for message in range(20):
            relay.send([b"%d.%d" % (number, message), bytes([number]) * 20_000])
        os._exit(0)
got = []
ready = select.poll()
ready.register(relay, select.POLLIN)
while len(got) < children * 20:
    assert ready.poll(60_000)
    got += relay.receive()
for _ in range(children):
    os.wait()
assert all(set(frames[1]) == {int(frames[0].split(b".")[0])} for frames in got)
assert all(len(frames[1]) == 20_000 for frames in got)
for number in range(children):
    assert [int(f[0].split(b".")[1]) for f in got if f[0].startswith(b"%d." % number)] == list(range(20))
print("whole")
"""


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay whose pipe is closed after the test."""
    made = Relay()
    yield made
    for number in (made._reading, made._writing):
        os.close(number)


def test_a_message_is_there_when_it_was_sent(relay: Relay) -> None:
    """With all of its frames, even empty ones; there is nothing to wait for."""
    assert list(relay.receive()) == []
    relay.send([b"one", b"", b"x" * 5000])
    relay.send([b"two"])
    assert select.select([relay], [], [], 0)[0] == [relay]
    assert list(relay.receive()) == [[b"one", b"", b"x" * 5000], [b"two"]]


def test_many_children_write_at_once() -> None:
    """Their pieces are interleaved in the pipe, and put together again."""
    assert run(CHILDREN, ours=True) == "whole\n"


def test_a_child_that_ends_in_the_middle_costs_only_its_own_message(relay: Relay) -> None:
    """The leftovers of such messages are bounded."""
    for number in range(2 * module.UNFINISHED):
        head = module.HEAD.pack(b"%8d" % number, 1000, 3)
        os.write(relay._writing, head + b"abc")
        list(relay.receive())
    assert len(relay._unfinished) <= module.UNFINISHED
    relay.send([b"whole"])
    assert list(relay.receive()) == [[b"whole"]]


def test_what_the_person_has_written_there_is_no_message(relay: Relay) -> None:
    """Nor is it an error."""
    os.write(relay._writing, module.HEAD.pack(b"mine....", 3, 3) + b"\xff\xff\xff")
    relay.send([b"whole"])
    assert list(relay.receive()) == [[b"whole"]]


def test_a_kernel_that_does_not_read_is_not_waited_for_without_end(relay: Relay) -> None:
    """Its child goes on."""
    relay._patience = 0
    relay.send([b"x" * 10_000_000])
    assert list(relay.receive()) == []
