"""What cells ask by `input()` and `getpass`: one question at a time, and each gets its own answer.

    questions = InputQuestions(session, stdin, runs)
    questions.ask(cell, ident, "name? ", ...)       # in any thread

A thread that asks when its cell is over gets an error: it would take the answer that another cell waits for.
Each question has a number, which our client repeats in its answer. A stock client's answer has no number.
"""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import zmq
from IPython.core.error import StdinNotImplementedError

__all__ = ["END", "NUMBER", "InputQuestions"]

END = "\x04"  # the answer that is the end of the input
NUMBER = "kernelcord_question"  # the key of a question's number, in what is asked and in its answer
LOOK = 10  # ms between two checks that the cell still runs and was not interrupted
OVER = "input() was called by a cell that has ended: only the running cell can ask"


class InputQuestions:
    """See the module's text. `runs(cell)` says whether a cell can still ask."""

    def __init__(self, session: Any, stdin: zmq.Socket[bytes], runs: Callable[[Any], bool]) -> None:
        self._session = session
        self._stdin = stdin
        self._runs = runs
        self._numbers = itertools.count(1)
        self._asking = threading.Lock()  # a socket is for one thread at a time

    def ask(self, cell: Any, ident: Any, prompt: str, *, password: bool, before: Callable[[], object]) -> str:
        """The answer to a question of `cell`, which is the message that the cell came in.

        `before` is called when it is the question's turn, just before it is sent.

        Raises: EOFError; KeyboardInterrupt; StdinNotImplementedError for a cell that is over.
        """
        with self._asking:
            self._need(cell)
            self._forget_answers()
            before()
            number = next(self._numbers)
            content = {"prompt": prompt, "password": password, NUMBER: number}
            self._session.send(self._stdin, "input_request", content, cell, ident=ident)
            try:
                answer = self._answer(cell, number)
            except KeyboardInterrupt:
                raise KeyboardInterrupt("Interrupted by user") from None  # without the frames of our own code
        if answer == END:
            raise EOFError
        return answer

    def _answer(self, cell: Any, number: int) -> str:
        while True:
            if not self._stdin.poll(LOOK):
                self._need(cell)
                continue
            try:
                _, reply = self._session.recv(self._stdin)
                content = reply["content"]
                if content.get(NUMBER, number) == number:
                    return str(content["value"])
            except (ValueError, TypeError, LookupError, AttributeError):  # this is not an answer
                continue

    def _forget_answers(self) -> None:
        """Discard answers that nobody waits for: those of a stock client do not say what they answer."""
        while self._stdin.poll(0):
            self._stdin.recv_multipart()

    def _need(self, cell: Any) -> None:
        if not self._runs(cell):
            raise StdinNotImplementedError(OVER)
