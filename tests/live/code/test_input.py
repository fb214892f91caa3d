"""`input()` and `getpass()` become questions, and their answers reach the cell."""

from datetime import timedelta

import pytest

from kernels.cell.events import Event, InputRequest, Stream
from kernels.kernel import Kernel
from kernels.limits import Limits
from tests.live.cells import run, value

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_input_is_asked_and_answered(kernel: Kernel) -> None:
    """The prompt is a question, the answer its value, and both are in the output."""
    ran = await run(kernel, "name = input('name? ')\nprint('hi', name)", answers=["Bob"])
    assert InputRequest("name? ", password=False) in ran.events
    assert ran.output == "name? Bob\nhi Bob\n"
    assert await value(kernel, "name") == "'Bob'"


async def test_a_password_is_nowhere(kernel: Kernel) -> None:
    """What getpass gets is in no event, output or record."""
    ran = await run(kernel, "import getpass\nsecret = getpass.getpass('pass? ')", answers=["hunter2"])
    assert InputRequest("pass? ", password=True) in ran.events
    assert "hunter2" not in repr((ran.events, ran.result))
    assert await value(kernel, "len(secret)") == "7"


async def test_questions_in_a_loop_are_each_asked(kernel: Kernel) -> None:
    """Several questions of one cell get their answers in order."""
    ran = await run(kernel, "[input() for _ in range(3)]", answers=["a", "b", "c"])
    assert ran.output.endswith("['a', 'b', 'c']\n")


async def test_what_was_printed_comes_before_the_question(kernel: Kernel) -> None:
    """In 100 of 100 cells, whether it was flushed or written by a child process."""
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
    """When the time for an answer is up the cell is interrupted; a late answer affects no other cell."""
    fresh.limits = Limits(answer=timedelta(seconds=0.5))
    ran = await run(fresh, "input('anybody? ')")
    assert (ran.status, ran.result.cause, ran.restarts) == ("timeout", "no answer", [])
    fresh.limits = Limits()
    assert (await run(fresh, "input()", answers=["here"])).output.endswith("'here'\n")


async def test_answers_with_surrogates_are_repaired(kernel: Kernel) -> None:
    """An answer may contain text that UTF-8 cannot hold."""
    assert (await run(kernel, "input()", answers=["\ud800"])).status == "ok"


LATE = """
import threading, time
got = []
def ask():
    while not asked.is_set(): time.sleep(0.01)
    try: got.append(input('late? '))
    except Exception as error: got.append(type(error).__name__)
asked = threading.Event()
thread = threading.Thread(target=ask)
thread.start()
"""


@pytest.mark.parametrize("when", ["before the next", "while the next asks", "before its own is over"])
async def test_a_thread_takes_no_answer_of_another_cell(kernel: Kernel, when: str) -> None:
    """The thread's cell is over, so its question fails, and the answer goes to the cell that asked."""
    if when == "before the next":
        await run(kernel, f"{LATE}\nasked.set()\ntime.sleep(0)")
        await run(kernel, "thread.join()")
    elif when == "while the next asks":
        await run(kernel, LATE)
    else:
        ran = await run(kernel, f"{LATE}\nasked.set()\ntime.sleep(0.3)")
        assert InputRequest("late? ", password=False) in ran.events
    ran = await run(kernel, "asked.set()\ntime.sleep(0.3)\nname = input('name? ')", answers=["Bob"])
    assert (ran.status, ran.output) == ("ok", "name? Bob\n")
    assert await value(kernel, "thread.join(); (name, got)") == "('Bob', ['StdinNotImplementedError'])"


async def test_questions_of_threads_come_one_at_a_time(kernel: Kernel) -> None:
    """Each thread gets its own answer while its cell runs."""
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as threads:
    told = list(threads.map(lambda number: (number, input(f"{number}? ")), range(4)))
print(all(str(number) == answer for number, answer in told))
"""
    events: list[InputRequest] = []
    async with kernel.run(code) as cell:
        async for event in cell:
            if isinstance(event, InputRequest):
                events.append(event)
                cell.answer(event.prompt.rstrip("? "))
    assert len(events) == 4
    assert cell.result.output.endswith("True\n")


async def test_an_answer_to_another_question_is_none(kernel: Kernel) -> None:
    """A late answer, such as one after a Stop, is not taken as the answer to the next question."""
    stale = {"value": "stale", "kernelcord_question": 1}

    def send(event: Event) -> None:
        if isinstance(event, InputRequest) and kernel._process is not None:
            kernel._process.wire.send("stdin", "input_reply", stale)

    await run(kernel, "input()", answers=["first"])
    ran = await run(kernel, "input()", answers=["right"], on_event=send)
    assert ran.output.endswith("'right'\n")
