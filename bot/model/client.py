"""The model, through OpenAI's API or a compatible one; the only module that knows `openai`.

    model = Model(api_key, base_url=None, name="gpt-6.1-terra", api="auto")
    async for step in model.answer(system, history, tools): ...     # Delta, ToolCall, Thought, Counted

Cancelling or closing the loop ends the request. An answer is whole only if its API says so. If the stream
fails or breaks off before anything of it was told, the request is repeated; after that, it is a `CutOff`.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

import httpx2
import openai

from bot.errors import (
    BadKey,
    CutOff,
    ModelError,
    NoCredit,
    NoSuchAddress,
    NoSuchModel,
    OutOfReach,
    RateLimited,
    Refused,
    TooLong,
)
from bot.model import chat_completions, responses
from bot.model.answer_bounds import AS_IT_IS, AnswerBounds
from bot.model.conversation import ChatMessage, Delta, Item, Step, Tool, ToolResult

__all__ = ["Model"]

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
# After 408, 409, 429, 5xx, or without a connection. The client waits as Retry-After says, and gives up at
# once if that is more than two minutes.
RETRIES = 3
CUTS = 2  # more requests after answers that failed or broke off before anything was told
PAUSE = 1.0  # seconds before the first of these; before each further one, twice as long
TIMEOUT = openai.Timeout(180, connect=15)  # seconds without a byte: a model may think for a while first
LONG = re.compile(r"context|too long|too many tokens|maximum.{0,20}tokens", re.IGNORECASE)
IMAGE = re.compile(r"image|vision|multimodal|mmproj", re.IGNORECASE)  # an error about pictures
BLIND = re.compile(r"(not|n't) (currently )?support|unsupported|mmproj", re.IGNORECASE)
MISSING_MODEL = re.compile(r"\b(model|deployment)\b.*(not (found|exist)|n't exist|unknown)", re.IGNORECASE)
# What servers say about a path that they do not have: OpenAI, llama.cpp, Ollama, LM Studio, Express.
NO_PATH = re.compile(
    r"invalid url|^(file |page |404 page )?not found|unexpected endpoint|cannot post|not allowed",
    re.IGNORECASE,
)
UNSEEN = "[Its pictures cannot be shown to you.]"
SAID = 300  # characters of the API's own words that people are shown


class Model:
    """A model that answers.

    `base_url` None is OpenAI itself. `api` "auto" is Responses there, and Chat Completions elsewhere.
    `rounds` is how often the model may use its tools in one answer; `history_tokens` is how much of the past
    it is told. `pause` is the time in seconds before a broken answer is asked for again, and `bounds` are
    those of its bytes.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None,
        name: str,
        api: Literal["auto", "responses", "chat"] = "auto",
        *,
        rounds: int = 8,
        history_tokens: int = 32_000,
        pause: float = PAUSE,
        bounds: AnswerBounds | None = None,
    ) -> None:
        self.name = name
        self.rounds = rounds
        self.history_tokens = history_tokens
        self._key = api_key
        self._pause = pause
        self._is_chat = api == "chat" or (api == "auto" and base_url is not None)
        self._request = chat_completions.request if self._is_chat else responses.request
        # A server in one's own network would fetch addresses from within that network.
        self._links = base_url is None
        self._sees = True  # whether it takes pictures, until its server says that it does not
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none",  # the client requires one
            base_url=base_url
            or OPENAI,  # without it, the client would read the environment instead of our settings
            max_retries=RETRIES,
            timeout=TIMEOUT,
            http_client=openai.DefaultAsyncHttpxClient(
                headers=AS_IT_IS, event_hooks={"response": [(bounds or AnswerBounds()).apply]}
            ),
        )

    async def answer(
        self, system: str, history: Sequence[Item], tools: Sequence[Tool], *, may_call: bool = True
    ) -> AsyncGenerator[Step]:
        """The model's next words, calls and counts, as they come. Raises: ModelError."""
        links, sees, cuts = self._links, self._sees, 0
        while True:
            begun = told = False
            shown = history if sees else [_unseen(entry) for entry in history]
            body = self._request(self.name, system, shown, tools, may_call=may_call, links=links)
            try:
                async with await self._open(body) as stream, aclosing(self._read(stream)) as steps:
                    begun = True
                    async for step in steps:
                        told = told or isinstance(step, Delta)
                        yield step
                return
            except ModelError as error:
                is_passing = begun and isinstance(error, CutOff | OutOfReach | RateLimited)
                if told:
                    raise (CutOff(error.detail) if is_passing else error) from None
                is_of_pictures = isinstance(error, Refused | OutOfReach) and IMAGE.search(error.detail)
                if is_of_pictures and links and any(getattr(entry, "links", ()) for entry in history):
                    links = False  # one of the addresses is not a picture
                elif is_of_pictures and sees and any(getattr(entry, "pictures", ()) for entry in history):
                    sees = False
                    self._sees = BLIND.search(error.detail) is None
                elif is_passing and cuts < CUTS:
                    await asyncio.sleep(self._pause * 2**cuts)  # a back-off is a matter of time passing
                    cuts += 1
                else:
                    raise

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def _open(self, body: dict[str, Any]) -> Any:
        """The stream of an answer. Raises: ModelError, after the client has tried again if that may help."""
        api: Any = self._client.chat.completions if self._is_chat else self._client.responses
        try:
            return await api.create(**body, stream=True)
        except openai.APIStatusError as error:
            raise self._of_status(error) from None
        except (
            openai.APIConnectionError,
            httpx2.RequestError,
        ) as error:  # the latter while it reads an error
            raise OutOfReach(str(error)) from None
        except UnicodeEncodeError as error:
            raise Refused(f"the request cannot be sent as {error.encoding}") from None

    async def _read(self, stream: Any) -> AsyncGenerator[Step]:
        """The steps of a stream. Raises: ModelError.

        The client does not check what it reads: a server of another kind can have anything anywhere.
        """
        try:
            async with aclosing(self._read_events(stream)) as steps:
                async for step in steps:
                    yield step
        except (AttributeError, TypeError, RecursionError) as error:
            log.warning("an answer of the model's server cannot be read: %.200s", error)
            raise CutOff("its server sent what is no answer of this API") from None

    async def _read_events(self, stream: Any) -> AsyncGenerator[Step]:
        reader = chat_completions.CompletionReader() if self._is_chat else responses.ResponseReader()
        heard = "event-stream" in stream.response.headers.get("content-type", "")
        try:
            async for event in stream:
                heard = True
                for step in reader.read_event(event):
                    yield step
        except openai.APIConnectionError:
            pass  # perhaps after the end of the answer: the reader knows
        except openai.APIError as error:  # an error within the stream
            raise responses.failure(error.code, self._said(error)) from None
        except ValueError as error:  # a line that is not JSON: a server or a proxy broke off
            raise CutOff(str(error)) from None
        if not heard:  # a web page, or an error sent as a success
            raise NoSuchAddress(str(stream.response.url))
        for step in reader.close():
            yield step

    def _of_status(self, error: openai.APIStatusError) -> ModelError:
        said = self._said(error)
        match error.status_code:
            case 401:
                return BadKey()
            case 404 | 405:
                return self._not_found(error, said)
            case 403:
                return NoSuchModel(self.name) if error.code == "model_not_found" else BadKey()
            case 429:
                return NoCredit(said) if error.code == "insufficient_quota" else RateLimited(said)
            case 413:
                return TooLong(said)
            case status if status >= 500 or status in (408, 409):
                return OutOfReach(said)
        if error.code == "context_length_exceeded" or LONG.search(said):
            return TooLong(said)
        return Refused(said)

    def _not_found(self, error: openai.APIStatusError, said: str) -> ModelError:
        """Tell whether the model or the API is missing, or something else was refused with this status."""
        if IMAGE.search(said) and BLIND.search(said):
            return Refused(said)  # the request is then repeated without pictures
        if error.code == "model_not_found" or MISSING_MODEL.search(said):
            return NoSuchModel(self.name)
        has_said = isinstance(error.body, dict) and "message" in error.body
        return (
            Refused(said) if has_said and not NO_PATH.search(said) else NoSuchAddress(str(error.request.url))
        )

    def _said(self, error: openai.APIError) -> str:
        body = error.body
        text = body.get("message") if isinstance(body, dict) else None
        text = text if isinstance(text, str) else error.message
        return (text.replace(self._key, "***") if self._key else text)[:SAID]


def _unseen(entry: Item) -> Item:
    """The entry without its pictures, for a model that takes none."""
    if isinstance(entry, ChatMessage | ToolResult) and entry.pictures:
        return replace(entry, text=f"{entry.text}\n{UNSEEN}", pictures=())
    return entry
