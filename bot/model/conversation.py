"""What passes between us and a model, in no API's own words: a history goes in, steps come out.

[Message("person", "plot it"), ToolCall("1", "run_python", '{"code": "..."}'), ToolResult("1", "ok")]
async for step in model.answer(system, history, tools): ...     # TextDelta, ToolCall, Thought, Counted
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.request import Picture

__all__ = [
    "Counted",
    "HistoryEntry",
    "Message",
    "Step",
    "TextDelta",
    "Thought",
    "Tool",
    "ToolCall",
    "ToolResult",
]


@dataclass(frozen=True, slots=True)
class Message:
    """What a person, the model, or Kernelcord itself (a "note") has said.

    `links` are addresses of pictures that stand in the text; the API may look at them itself.
    """

    by: Literal["person", "model", "note"]
    text: str
    pictures: tuple[Picture, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool; `arguments` is JSON as the model wrote it, which may be no JSON at all."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call."""

    call_id: str
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """An item of the model's reasoning, sealed by its API, that it must get back with the calls after it."""

    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the model's words, as it comes."""

    text: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of one request as its API counted them; `cached` and `written` ones are among the input."""

    input_tokens: int
    output_tokens: int
    cached: int = 0
    written: int = 0


HistoryEntry = Message | ToolCall | ToolResult | Thought
Step = TextDelta | ToolCall | Thought | Counted
