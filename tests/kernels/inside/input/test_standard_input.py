"""Reading standard input asks the person, as `input()` does."""

import io
from collections.abc import Callable

import pytest

from kernels.inside.input.standard_input import ENDS, StandardInput


def asking(*answers: str) -> tuple[Callable[[str], str], list[str]]:
    """A person who gives these answers and then ends the input, and the prompts they see."""
    waiting, prompts = list(answers), list[str]()

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        if not waiting:
            raise EOFError
        return waiting.pop(0)

    return ask, prompts


def test_one_line_is_asked_for_once() -> None:
    """Without a prompt; an empty answer is an empty line."""
    ask, prompts = asking("one", "")
    stream = StandardInput(ask)
    assert stream.readline() == "one\n"
    assert stream.readline() == "\n"
    assert stream.readline() == ""
    assert prompts == ["", "", ""]


def test_all_lines_are_asked_for_until_an_empty_answer() -> None:
    """The prompt says how to end; `read` and a loop both ask like this."""
    ask, prompts = asking("one", "two", "", "three", "")
    stream = StandardInput(ask)
    assert stream.read() == "one\ntwo\n"
    assert list(stream) == ["three\n"]
    assert set(prompts) == {ENDS}


def test_an_answer_of_several_lines_is_read_line_by_line() -> None:
    """Without asking again."""
    ask, prompts = asking("one\ntwo")
    stream = StandardInput(ask)
    assert [stream.readline(), stream.readline()] == ["one\n", "two\n"]
    assert prompts == [""]


def test_a_number_of_characters_can_be_read() -> None:
    """The rest of the answer is kept for later."""
    ask, _ = asking("caf\u00e9 au lait")
    stream = StandardInput(ask)
    assert stream.read(4) == "caf\u00e9"
    assert stream.readline() == " au lait\n"


def test_it_has_what_scripts_look_for() -> None:
    """Name, mode, descriptor and the bytes below; text that UTF-8 cannot encode survives unchanged."""
    ask, _ = asking("\udcff")
    stream = StandardInput(ask)
    assert (stream.name, stream.mode, stream.fileno(), stream.readable()) == ("<stdin>", "r", 0, True)
    assert stream.buffer.readline() == b"\xff\n"
    with pytest.raises(io.UnsupportedOperation):
        stream.write("x")
