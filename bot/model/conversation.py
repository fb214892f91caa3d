"""What passes between us and a model, independent of any API: a history goes in, steps come out.

[ChatMessage("person", "plot it"), ToolCall("1", "run_python", '{"code": "..."}'), ToolResult("1", "ok")]
async for step in model.answer(system, history, tools): ...     # Delta, ToolCall, Thought, Counted
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from bot.request import Picture

__all__ = ["ChatMessage", "Counted", "Delta", "Item", "Step", "Thought", "Tool", "ToolCall", "ToolResult"]

MOST_TOKENS = 1 << 40  # of one request; a larger number is none


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """What a person, the model, or Kernelcord itself (a "note") has said.

    `links` are the addresses of pictures in the text, which the API may fetch itself.
    """

    by: Literal["person", "model", "note"]
    text: str
    pictures: tuple[Picture, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool; `arguments` is what it wrote as JSON, which may be invalid.

    Raises: TypeError for what is no text.
    """

    id: str
    name: str
    arguments: str

    def __post_init__(self) -> None:
        _check_text(self.id, self.name, self.arguments)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call."""

    call_id: str
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """An item of the model's reasoning, encrypted by its API; it must be sent back before its tool calls."""

    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may use; `parameters` is the JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the model's words, as it arrives. Raises: TypeError for what is no text."""

    text: str

    def __post_init__(self) -> None:
        _check_text(self.text)


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of one request, as its API counted them; `cached` and `written` are included in the input."""

    input_tokens: int
    output_tokens: int
    cached: int = 0
    written: int = 0

    @classmethod
    def told(cls, taken: object, answered: object, details: object) -> "Counted | None":
        """What an API says that it counted; None if these are no numbers of tokens.

        Servers send null, text or worse, and a number that cannot be recorded would make requests free.
        """
        if not (_is_count(taken) and _is_count(answered)):
            return None
        cached, written = (getattr(details, name, None) for name in ("cached_tokens", "cache_write_tokens"))
        known = cached if _is_count(cached) else 0
        return cls(taken, answered, known, written if _is_count(written) else 0)


def _check_text(*values: object) -> None:
    """Raises: TypeError. The client passes on whatever a server sends, of any type."""
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{type(value).__name__} instead of text")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


Item = ChatMessage | ToolCall | ToolResult | Thought
Step = Delta | ToolCall | Thought | Counted
