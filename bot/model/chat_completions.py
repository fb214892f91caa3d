"""The format of the Chat Completions API of OpenAI and other servers, such as llama.cpp, vLLM and Ollama.

It is used like `bot.model.responses`. Servers differ, so a request has only what all of them know, and roles
alternate, as the templates of some models require. Pictures of a tool follow in a message of their own, since
a tool's message can only have text. https://developers.openai.com/api/docs/api-reference/chat-streaming
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from bot.errors import CutOff, Refused
from bot.model.conversation import (
    ChatMessage,
    Counted,
    Delta,
    Item,
    Step,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
)
from bot.request import Picture

__all__ = ["CompletionReader", "request"]

Fields = dict[str, Any]


def request(
    name: str, system: str, history: Sequence[Item], tools: Sequence[Tool], *, may_call: bool, links: bool
) -> dict[str, Any]:
    """The body of a request, except `stream`. Without `links` the server is not asked to fetch addresses."""
    defined = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]
    return {
        "model": name,
        "messages": [{"role": "system", "content": system}, *_messages(history, links)],
        "tools": defined,
        "tool_choice": "auto" if may_call else "none",
        "stream_options": {"include_usage": True},
    }


class CompletionReader:
    """Turns the chunks of one answer into steps."""

    def __init__(self) -> None:
        self._calls: list[dict[str, str]] = []
        self._at: dict[int, dict[str, str]] = {}  # the call that the deltas of an index continue
        self._counted: Counted | None = None
        self._finish: str | None = None

    def read_event(self, chunk: Any) -> Iterator[Step]:
        """The steps that a chunk gives at once: pieces of words."""
        if chunk.usage is not None:
            taken, answered, details = (
                getattr(chunk.usage, name, None)
                for name in ("prompt_tokens", "completion_tokens", "prompt_tokens_details")
            )
            self._counted = Counted.told(taken, answered, details)
        for choice in chunk.choices or ():
            self._finish = choice.finish_reason or self._finish
            if choice.delta is None:
                continue
            if text := _words(choice.delta.content) or getattr(choice.delta, "refusal", None):
                yield Delta(text)
            for call in choice.delta.tool_calls or ():
                self._add(call)

    def close(self) -> Iterator[Step]:
        """What is known only at the end: calls and counts. Raises: CutOff, Refused."""
        if self._counted is not None:
            yield self._counted
        if self._finish in (None, "length"):
            raise CutOff(self._finish or "")
        if self._finish == "content_filter":
            raise Refused("its filter ended the answer")
        for number, call in enumerate(self._calls):
            yield ToolCall(call["id"] or f"call_{number}", call["name"], call["arguments"])

    def _add(self, delta: Any) -> None:
        function = delta.function
        name, arguments = (function.name or "", function.arguments or "") if function else ("", "")
        call = self._at.get(delta.index)
        # Some servers give all calls the same index; others give each delta of one call a new id.
        is_another = call is not None and name and delta.id and call["id"] not in ("", delta.id)
        if call is None or is_another or delta.index is None:
            call = {"id": "", "name": "", "arguments": ""}
            self._calls.append(call)
            self._at[delta.index] = call
        call["id"] = call["id"] or delta.id or ""
        call["name"] += name
        call["arguments"] += arguments


def _words(content: Any) -> Any:
    """The words of a delta; some servers send a list of parts, of which those of type "text" are words."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _messages(history: Sequence[Item], links: bool) -> list[Fields]:
    messages: list[Fields] = []
    seen: list[Picture] = []  # pictures of tools, shown after all their results
    for entry in history:
        if seen and not isinstance(entry, ToolResult):
            messages.append(_user("The pictures that the tools showed:", seen))
            seen = []
        match entry:
            case ChatMessage(by="model", text=text):
                _assistant(messages, text)
            case ChatMessage(text=text, pictures=pictures):
                _join(messages, _user(text, pictures, entry.links if links else ()))
            case ToolCall(id=call_id, name=name, arguments=arguments):
                function = {"name": name, "arguments": arguments}
                calls = _assistant(messages, "").setdefault("tool_calls", [])
                calls.append({"id": call_id, "type": "function", "function": function})
            case ToolResult(call_id=call_id, text=text, pictures=pictures):
                messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
                seen += pictures
            case Thought():  # from the other API; this one has none
                continue
    return [*messages, _user("The pictures that the tools showed:", seen)] if seen else messages


def _assistant(messages: list[Fields], text: str) -> Fields:
    """The message for the model's words and calls: the last one, if it is the model's."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": ""})
    messages[-1]["content"] += text
    return messages[-1]


def _join(messages: list[Fields], message: Fields) -> None:
    if messages and messages[-1]["role"] == message["role"]:
        messages[-1]["content"] = [*messages[-1]["content"], *message["content"]]
    else:
        messages.append(message)


def _user(text: str, pictures: Sequence[Picture], links: Sequence[str] = ()) -> Fields:
    addresses = [f"data:{p.mime};base64,{base64.b64encode(p.data).decode()}" for p in pictures]
    shown = [{"type": "image_url", "image_url": {"url": url}} for url in [*addresses, *links]]
    return {"role": "user", "content": [{"type": "text", "text": text}, *shown]}
