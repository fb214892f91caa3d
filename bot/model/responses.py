"""The format of OpenAI's Responses API: what a request says, and what its events mean.

body = request(name, system, history, tools, may_call=True, links=True)
reader = ResponseReader()
for event in events: pieces = reader.read_event(event)
reader.close()                                    # calls, thoughts, counts; or raises CutOff

Nothing is stored there (`store: false`): each request has the whole history, with the encrypted reasoning.
https://developers.openai.com/api/docs/api-reference/responses-streaming
"""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bot.errors import CutOff, ModelError, NoCredit, OutOfReach, RateLimited, Refused, TooLong
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

__all__ = ["ResponseReader", "request"]

ROLES = {"person": "user", "model": "assistant", "note": "developer"}


def request(
    name: str, system: str, history: Sequence[Item], tools: Sequence[Tool], *, may_call: bool, links: bool
) -> dict[str, Any]:
    """The body of a request, except `stream`. Without `links` the API is not asked to fetch addresses."""
    defined = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": True,
        }
        for tool in tools
    ]
    return {
        "model": name,
        "instructions": system,
        "input": [_item(entry, links) for entry in history],
        "tools": defined,
        "tool_choice": "auto" if may_call else "none",
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }


class ResponseReader:
    """Turns the events of one answer into steps."""

    def __init__(self) -> None:
        self._held: list[Step] = []  # calls and reasoning count only once the answer is whole
        self._whole = False

    def read_event(self, event: Any) -> Iterator[Step]:
        """The steps that an event gives at once: pieces of words. Raises: ModelError."""
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                yield Delta(event.delta)
            case "response.output_item.done":
                self._hold(event.item)
            case "response.completed":
                self._whole = True
                self._count(event.response)
            case "response.incomplete":
                self._count(event.response)
                yield from self._counted()
                reason = getattr(event.response.incomplete_details, "reason", None)
                raise (
                    Refused("its filter ended the answer")
                    if reason == "content_filter"
                    else CutOff(str(reason))
                )
            case "response.failed":
                error = event.response.error
                raise failure(getattr(error, "code", None), getattr(error, "message", ""))
            case "error":
                raise failure(event.code, event.message)

    def close(self) -> Iterator[Step]:
        """What is known only at the end: reasoning, calls, counts. Raises: CutOff if the end never came."""
        if not self._whole:
            raise CutOff
        yield from self._held

    def _hold(self, item: Any) -> None:
        if item.type == "function_call":
            self._held.append(ToolCall(item.call_id, item.name, item.arguments))
        elif item.type == "reasoning" and item.encrypted_content:
            self._held.append(Thought(item.to_dict(mode="json", exclude_none=True)))

    def _count(self, response: Any) -> None:
        usage = response.usage
        if usage is not None:
            taken, answered, details = (
                getattr(usage, name, None)
                for name in ("input_tokens", "output_tokens", "input_tokens_details")
            )
            if (counted := Counted.told(taken, answered, details)) is not None:
                self._held.append(counted)

    def _counted(self) -> Iterator[Step]:
        yield from (step for step in self._held if isinstance(step, Counted))


def failure(code: object, said: object) -> ModelError:
    """The error for the code of a failed answer: a word of OpenAI's, or another server's HTTP status."""
    message = said if isinstance(said, str) else ""
    match str(code):
        case "insufficient_quota":
            return NoCredit(message)
        case "rate_limit_exceeded" | "429":
            return RateLimited(message)
        case "context_length_exceeded":
            return TooLong(message)
        case "server_error" | "None":
            return OutOfReach(message)
        case status if re.fullmatch(r"5\d\d", status):
            return OutOfReach(message)
    return Refused(message)


def _item(entry: Item, links: bool) -> dict[str, Any]:
    match entry:
        case ChatMessage(by="model", text=text):
            return {"role": "assistant", "content": text}
        case ChatMessage(by=by, text=text, pictures=pictures):
            seen = [_url(address) for address in entry.links] if links else []
            shown = [*map(_picture, pictures), *seen]
            return {"role": ROLES[by], "content": [{"type": "input_text", "text": text}, *shown]}
        case ToolCall(id=call_id, name=name, arguments=arguments):
            return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        case ToolResult(call_id=call_id, text=text, pictures=pictures):
            shown = [{"type": "input_text", "text": text}, *map(_picture, pictures)]
            return {
                "type": "function_call_output",
                "call_id": call_id,
                "output": shown if pictures else text,
            }
        case Thought(item=item):
            return dict(item)


def _picture(picture: Picture) -> dict[str, Any]:
    return _url(f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}")


def _url(address: str) -> dict[str, Any]:
    return {"type": "input_image", "detail": "high", "image_url": address}
