"""A copy of the kernel that a cell has forked ends where its cell ends."""

from tests.kernels.inside.kernel_python import run

LEAVING = """
import os, sys
from inside.children import forked

forked._kernel = os.getpid()
assert not forked.is_child()
for error in (None, SystemExit(), SystemExit(3), SystemExit(-1), SystemExit("sorry"), ValueError("x")):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        print(forked.is_child(), end=" ")
        forked.leave(error)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
WATCHED = """
import asyncio, os, sys
from types import SimpleNamespace
from inside.children import forked

loop = asyncio.new_event_loop()
io_loop, session = SimpleNamespace(asyncio_loop=loop), SimpleNamespace(pid=os.getpid())
kernel = SimpleNamespace(_allow_stdin=True, io_loop=io_loop, session=session)
forked.watch(kernel)
loop.call_soon(print, "only in the parent")

def fork():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        print(forked.is_child(), kernel._allow_stdin, session.pid == os.getpid())
        return  # to the loop
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), kernel._allow_stdin)
    loop.stop()

loop.call_soon(fork)
loop.call_soon(print, "only in the parent")
loop.run_forever()
"""


def test_it_ends_as_a_script_does_with_the_same_exception() -> None:
    """What it has printed is flushed, and its exit code is Python's."""
    told = run(LEAVING, ours=True).split()
    assert told == ["True", "0", "True", "0", "True", "3", "True", "255", "True", "1", "True", "1"]


def test_it_gets_no_further_than_the_kernels_loop() -> None:
    """It asks the person nothing, does not continue its parent's work, and ends with success."""
    told = run(WATCHED, ours=True).splitlines()
    assert told == ["only in the parent", "True False True", "0 True", "only in the parent"]
