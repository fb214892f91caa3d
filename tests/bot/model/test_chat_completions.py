"""Chunks of Chat Completions as various servers send them, each with its own idea of the API."""

from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from bot.model.chat_completions import CompletionReader
from bot.model.conversation import Counted, Delta, Step, ToolCall


def delta(index: int | None, call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    """A piece of a call."""
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def choice(*tool_calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A choice with pieces of calls."""
    return {"index": 0, "delta": {"tool_calls": list(tool_calls)}, "finish_reason": None} | more


def read(*choices: dict[str, Any]) -> list[Step]:
    """The steps of an answer whose chunks have these choices."""
    reader = CompletionReader()
    steps = [
        step for one in choices for step in reader.read_event(ChatCompletionChunk.construct(choices=[one]))
    ]
    return [*steps, *reader.close()]


FIRST, SECOND = ToolCall("a", "run_python", '{"code": "1"}'), ToolCall("b", "list_files", "{}")


@pytest.mark.parametrize(
    "deltas",
    [
        [delta(0, "a", "run_python", '{"code": "1"}'), delta(0, "b", "list_files", "{}")],
        [
            delta(0, "a", "run_python", '{"code":'),
            delta(0, None, None, ' "1"}'),
            delta(0, "b", "list_files", "{"),
            delta(0, "", None, "}"),
        ],
        [
            delta(0, "a", "run_python", '{"code":'),
            delta(0, "a", "", ' "1"}'),
            delta(0, "b", "list_files", "{"),
            delta(0, "b", None, "}"),
        ],
        [delta(None, "a", "run_python", '{"code": "1"}'), delta(None, "b", "list_files", "{}")],
        [
            delta(0, "a", "run_python", '{"code":'),
            delta(1, "b", "list_files", ""),
            delta(0, "of its own", None, ' "1"}'),
            delta(1, "of its own, too", None, "{}"),
        ],
    ],
    ids=["one index", "one index in pieces", "one index and ids again", "no index", "ids of deltas"],
)
def test_calls_are_told_apart_by_index_or_id(deltas: list[dict[str, Any]]) -> None:
    """A named call with another id is a new one, whatever its index; a piece without a name never is."""
    assert read(*map(choice, deltas), choice(finish_reason="tool_calls")) == [FIRST, SECOND]


def test_calls_without_ids_get_their_own() -> None:
    """A result must name the call that it belongs to."""
    calls = [delta(number, None, "list_files", "{}") for number in range(2)]
    steps = read(choice(*calls, finish_reason="tool_calls"))
    assert steps == [ToolCall(f"call_{number}", "list_files", "{}") for number in range(2)]


@pytest.mark.parametrize("empty", [{"delta": None}, {}], ids=["null", "missing"])
def test_a_choice_without_a_delta_says_nothing(empty: dict[str, Any]) -> None:
    """The end that it reports still counts."""
    words = {"index": 0, "delta": {"content": "Hello."}}
    assert read({"index": 0} | empty, words, {"index": 0, "finish_reason": "stop"} | empty) == [
        Delta("Hello.")
    ]


@pytest.mark.parametrize("odd", [None, "many", -1, 2**70, float("nan"), float("inf"), True, [1]])
def test_what_is_no_number_of_tokens_is_not_counted(odd: Any) -> None:
    """The turn then counts by itself: such a number could not be recorded, or would end every limit."""
    details = SimpleNamespace(cached_tokens=odd, cache_write_tokens=odd)
    assert Counted.told(odd, 5, None) is None
    assert Counted.told(5, odd, None) is None
    assert Counted.told(5, 6, details) == Counted(5, 6)
    reader = CompletionReader()
    usage = SimpleNamespace(prompt_tokens=odd, completion_tokens=5, prompt_tokens_details=None)
    ends = ChatCompletionChunk.construct(choices=[choice(finish_reason="stop")], usage=None)
    assert list(reader.read_event(ends)) == []
    assert list(reader.read_event(SimpleNamespace(usage=usage, choices=[]))) == []
    assert list(reader.read_event(SimpleNamespace(usage=[1, 2], choices=[]))) == []
    assert list(reader.close()) == []
