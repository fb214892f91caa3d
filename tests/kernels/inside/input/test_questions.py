"""Each question of a cell gets its own answer, one at a time."""

import json
from typing import Any

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import json, threading, zmq
from IPython.core.error import StdinNotImplementedError
from jupyter_client.session import Session
from inside.input.questions import END, NUMBER, InputQuestions

context = zmq.Context()
stdin, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
client.setsockopt(zmq.IDENTITY, b"client")
stdin.bind("inproc://stdin")
client.connect("inproc://stdin")
session = Session(key=b"")
running = {"cell"}
questions = InputQuestions(session, stdin, lambda cell: cell["id"] in running)
cell = {"id": "cell", "header": {}}

def answers(*made):
    def answer():
        _, asked = session.recv(client, mode=0)
        told.setdefault("asked", []).append(asked["content"])
        for value, number in made:
            content = {"value": value} if number is None else {"value": value, NUMBER: number}
            session.send(client, "input_reply", content)
    thread = threading.Thread(target=answer)
    thread.start()
    return thread

told = {}
def ask(*made, before=lambda: None):
    thread = answers(*made)
    try:
        return questions.ask(cell, b"client", "name? ", password=False, before=before)
    except EOFError:
        return "end"
    finally:
        thread.join()

order = []
told["own"] = ask(("early", 7), ("right", 1), before=lambda: order.append("before"))
told["order"] = order
told["stock"] = ask(("any", None))
told["end"] = ask((END, 3))
session.send(client, "input_reply", {"value": "nobody's"})
client.poll(0)
stdin.poll(1000)
told["forgotten"] = ask(("mine", 4))
running.clear()
try:
    questions.ask(cell, b"client", "", password=False, before=lambda: order.append("never"))
except StdinNotImplementedError as error:
    told["over"] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the code above reports, from the kernels' own Python."""
    found: dict[str, Any] = json.loads(run(CODE))
    return found


def test_an_answer_to_another_question_is_left_aside(told: dict[str, Any]) -> None:
    """Our client's answers carry the number of their question; those of a stock client have none."""
    assert told["own"] == "right"
    assert told["stock"] == "any"
    assert [content["kernelcord_question"] for content in told["asked"]] == [1, 2, 3, 4]
    assert told["asked"][0]["prompt"] == "name? "


def test_what_comes_before_a_question_is_done_in_its_turn(told: dict[str, Any]) -> None:
    """Just before the question is sent; but not for a cell that may not ask."""
    assert told["order"] == ["before"]


def test_the_end_of_the_input_is_an_answer(told: dict[str, Any]) -> None:
    """As with Ctrl-D."""
    assert told["end"] == "end"


def test_an_answer_that_nobody_waited_for_is_forgotten(told: dict[str, Any]) -> None:
    """It was meant for an earlier question."""
    assert told["forgotten"] == "mine"


def test_a_cell_that_is_over_cannot_ask(told: dict[str, Any]) -> None:
    """It would take the answer meant for another cell."""
    assert told["over"] == "input() was called by a cell that has ended: only the running cell can ask"
