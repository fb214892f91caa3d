"""The model, through OpenAI's API or one that speaks like it; the only module that knows the `openai` package.

model = Model(api_key, base_url=None, name="gpt-5.6-terra", api="auto")
async for step in model.answer(system, history, tools):  # Piece, ToolCall, Thought, Counted
    ...
"""

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from bot.conversation import Entry, Step, Tool

__all__ = ["Model"]


class Model:
    """A model that answers."""

    def __init__(
        self,
        api_key: str,
        base_url: str | None,
        name: str,
        api: Literal["auto", "responses", "chat"] = "auto",
    ) -> None:
        self.name = name
        self._api = api

    async def answer(
        self, system: str, history: Sequence[Entry], tools: Sequence[Tool], *, may_call: bool = True
    ) -> AsyncIterator[Step]:
        """The model's next words and calls, as they come. Raises: ModelError."""
        raise NotImplementedError
        yield

    async def close(self) -> None:
        """Let its connections go."""
