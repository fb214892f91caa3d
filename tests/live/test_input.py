"""`input()` and `getpass()` become questions, and their answers reach the cell."""

from datetime import timedelta

import pytest

from kernels.events import InputRequest, Stream
from kernels.kernel import Kernel
from kernels.launch import Limits
from tests.live.cells import run, value

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_input_is_asked_and_answered(kernel: Kernel) -> None:
    """The prompt is a question, the answer its value, and both are in the output."""
    ran = await run(kernel, "name = input('name? ')\nprint('hi', name)", answers=["Bob"])
    assert InputRequest("name? ", password=False) in ran.events
    assert ran.output == "name? Bob\nhi Bob\n"
    assert await value(kernel, "name") == "'Bob'"


async def test_a_password_is_nowhere(kernel: Kernel) -> None:
    """What getpass is told is in no event, no output and no record."""
    ran = await run(kernel, "import getpass\nsecret = getpass.getpass('pass? ')", answers=["hunter2"])
    assert InputRequest("pass? ", password=True) in ran.events
    assert "hunter2" not in repr((ran.events, ran.result))
    assert await value(kernel, "len(secret)") == "7"


async def test_questions_in_a_loop_are_each_asked(kernel: Kernel) -> None:
    """Several questions of one cell get their answers in order."""
    ran = await run(kernel, "[input() for _ in range(3)]", answers=["a", "b", "c"])
    assert ran.output.endswith("['a', 'b', 'c']\n")


async def test_what_was_printed_comes_before_the_question(kernel: Kernel) -> None:
    """In 100 of 100 cells, whether it was flushed, or written by a child process."""
    await run(kernel, "import os")
    for number in range(100):
        write = ("print('menu')", "print('menu', flush=True)", "_ = os.system('echo menu')")[number % 3]
        ran = await run(kernel, f"{write}; _ = input('choice? ')", answers=["1"])
        before = ran.events[: ran.events.index(InputRequest("choice? ", password=False))]
        assert "".join(event.text for event in before if isinstance(event, Stream)) == "menu\n"
        assert ran.output == "menu\nchoice? 1\n"


async def test_without_input_the_cell_fails_at_once(kernel: Kernel) -> None:
    """Where nobody can answer, `input()` says so in the traceback."""
    ran = await run(kernel, "input()", allow_input=False)
    assert (ran.status, ran.result.error and ran.result.error.ename) == ("error", "StdinNotImplementedError")


async def test_a_question_that_nobody_answers_ends(fresh: Kernel) -> None:
    """After the time for an answer the cell is interrupted; a late answer to it confuses no other cell."""
    fresh.limits = Limits(answer=timedelta(seconds=0.5))
    ran = await run(fresh, "input('anybody? ')")
    assert (ran.status, ran.result.cause, ran.restarts) == ("timeout", "no answer", [])
    assert (await run(fresh, "input()", answers=["here"])).output.endswith("'here'\n")


async def test_answers_with_surrogates_are_repaired(kernel: Kernel) -> None:
    """Text that UTF-8 cannot hold can be answered with."""
    assert (await run(kernel, "input()", answers=["\ud800"])).status == "ok"
