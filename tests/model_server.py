"""A model's API on loopback: Responses and Chat Completions, streamed as OpenAI does, with scripted answers.

    async with ModelServer.start() as server:
        server.will(calls(run_python("6 * 7")), says("It is ", "42."))      # one for each request, in order
        ...                                                               # OPENAI_BASE_URL=server.base_url
        server.requests[0].body                                           # `api` says of which API
        await server.requested(2)                                         # wait for the second request
        await server.left(1)                                              # wait until a client hangs up

`POST /v1/responses` and `POST /v1/chat/completions` share one script. An answer can wait in the
middle (`hold`), break off (`cut`), come without usage, or be an error with any status and headers. Below
`/page` and `/odd` it answers like servers without such an API: a web page, an error sent as a success.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from aiohttp import web

from tests import sentences

PATIENCE = 30.0  # seconds to wait for a request on a loaded machine
ENDS = ("length", "content_filter")  # of an answer that is incomplete but not an error

Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` goes out as it is, JSON or not."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True)
class Answer:
    """One streamed answer: words in these pieces, then calls.

    `cut` breaks it off: "quiet" closes the stream as if all were well, "reset" drops the
    connection, "garbage" sends half a line of JSON first. After the words it waits for `hold`. `usage` is
    (input, output, cached) tokens; None sends none. `finish` is an unusual end: "length", "content_filter",
    or the code of an error that the stream tells with `message`: in Chat Completions digits are a number.
    `thought` is sealed reasoning.
    """

    words: Sequence[str] = ()
    calls: Sequence[Call] = ()
    cut: Literal["quiet", "reset", "garbage"] | None = None
    hold: asyncio.Event | None = None
    usage: tuple[int, int, int] | None = (100, 20, 0)
    finish: str = ""
    message: str = "scripted"
    thought: str = ""


@dataclass(frozen=True)
class Fault:
    """An answer that is an error."""

    status: int
    code: str | None = None
    message: str = "scripted"
    headers: Mapping[str, str] = field(default_factory=lambda: {"retry-after-ms": "1"})


@dataclass(frozen=True)
class Raw:
    """These bytes as the body of a stream, whatever the API says."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """The response to any request."""
        return web.Response(body=self.body, headers={"Content-Type": "text/event-stream", **self.headers})


@dataclass(frozen=True)
class Request:
    """What a client asked: `api` is "responses" or "chat"."""

    api: str
    body: Body
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """The whole body as JSON, for searching."""
        return json.dumps(self.body, ensure_ascii=False)


def says(*words: str, **more: Any) -> Answer:
    """An answer in words."""
    return Answer(words, **more)


def calls(*wanted: Call, words: Sequence[str] = (), **more: Any) -> Answer:
    """An answer that uses tools."""
    return Answer(words, wanted, **more)


def run_python(code: str) -> Call:
    """The call that runs a cell."""
    return Call("run_python", json.dumps({"code": code}))


class ModelServer:
    """The server; `requests` has every request, `hung_up` counts clients that left in mid-answer."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[Request] = []
        self.hung_up = 0
        self._script: list[Answer | Fault | Raw] = []
        self._changed = asyncio.Condition()
        self._numbers = itertools.count(1)

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls) -> AsyncIterator["ModelServer"]:
        """A server on a free port of loopback."""
        server = cls()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/responses", server._responses)
        app.router.add_post("/v1/chat/completions", server._chat)
        app.router.add_post("/page/{path:.*}", _page)
        app.router.add_post("/odd/{path:.*}", _odd)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield server
        finally:
            await runner.cleanup()

    def will(self, *answers: Answer | Fault | Raw) -> None:
        """Answer the next requests with these, one each."""
        self._script += answers
        sentences.written(*map(asdict, answers))  # the model's words are not ours

    async def requested(self, count: int) -> Request:
        """Wait for the request with this number, counted from 1."""
        await self._until(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def left(self, count: int = 1) -> None:
        """Wait until so many clients have hung up in the middle of an answer."""
        await self._until(lambda: self.hung_up >= count)

    async def _until(self, is_so: Any) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(is_so)

    async def _take(self, api: str, request: web.Request) -> tuple[Answer | Fault | Raw, Body]:
        body = await request.json()
        async with self._changed:
            self.requests.append(Request(api, body, dict(request.headers)))
            self._changed.notify_all()
        answer = self._script.pop(0) if self._script else Fault(400, message="nothing is scripted")
        if isinstance(answer, Answer):
            numbered = [
                call if call.id else replace(call, id=f"call_{next(self._numbers)}") for call in answer.calls
            ]
            answer = replace(answer, calls=numbered)
        return answer, body

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        answer, body = await self._take("responses", request)
        if isinstance(answer, Fault):
            return _fault(answer)
        if isinstance(answer, Raw):
            return answer.response()
        return await self._stream(request, answer, _as_responses(answer, body))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        answer, body = await self._take("chat", request)
        if isinstance(answer, Fault):
            return _fault(answer)
        if isinstance(answer, Raw):
            return answer.response()
        return await self._stream(request, answer, _as_chat(answer, body))

    async def _stream(
        self, request: web.Request, answer: Answer, lines: Sequence[tuple[str, str]]
    ) -> web.StreamResponse:
        """Send lines, each paired with its stage: "words" or "end"."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await stream.prepare(request)
        try:
            for stage, line in lines:
                if stage == "end":
                    await self._pause(answer)
                    if answer.cut:
                        return await _cut(request, stream, answer.cut)
                await stream.write(line.encode())
            await stream.write_eof()
        except (asyncio.CancelledError, ConnectionError):
            async with self._changed:
                self.hung_up += 1
                self._changed.notify_all()
            raise
        return stream

    async def _pause(self, answer: Answer) -> None:
        if answer.hold is not None:
            await answer.hold.wait()


async def _cut(request: web.Request, stream: web.StreamResponse, how: str) -> web.StreamResponse:
    if how == "garbage":
        await stream.write(b'data: {"type": "respo\n\n')
    if how == "reset" and request.transport is not None:
        request.transport.abort()
    else:
        await stream.write_eof()
    return stream


def _fault(fault: Fault) -> web.Response:
    error = {"message": fault.message, "type": "scripted", "param": None, "code": fault.code}
    return web.json_response({"error": error}, status=fault.status, headers=fault.headers)


def _as_responses(answer: Answer, body: Body) -> list[tuple[str, str]]:
    events = _Events()
    response: Body = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }
    events.add("response.created", response=response)
    events.add("response.in_progress", response=response)
    if answer.thought:
        thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": answer.thought}
        events.begin(thought, encrypted_content="")
        events.finish()
    _add_words(events, answer.words, response)
    for number, call in enumerate(answer.calls):
        done = {
            "id": f"fc_{number}",
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
        at = events.begin(done, arguments="", status="in_progress")
        events.add("response.function_call_arguments.delta", **at, delta=call.arguments)
        events.add("response.function_call_arguments.done", **at, arguments=call.arguments, name=call.name)
        events.finish()
    ended: Body = {"output": events.output, "status": "completed", "usage": _responses_usage(answer)}
    if answer.finish in ENDS:
        reason = "max_output_tokens" if answer.finish == "length" else answer.finish
        ended |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    elif answer.finish:
        ended |= {"status": "failed", "error": {"code": answer.finish, "message": answer.message}}
    events.add(f"response.{ended['status']}", response=response | ended)
    return events.lines


def _add_words(events: "_Events", words: Sequence[str], response: Body) -> None:
    text = "".join(words)
    part: Body = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message: Body = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    if words:
        at = events.begin(message | {"content": [part]}, status="in_progress", content=[])
        events.add("response.content_part.added", **at, content_index=0, part=part | {"text": ""})
        for piece in words:
            events.add("response.output_text.delta", **at, content_index=0, delta=piece, logprobs=[])
    events.stage = "end"
    events.add("response.in_progress", response=response)  # where an answer is held, or cut
    if words:
        events.add("response.output_text.done", **at, content_index=0, text=text, logprobs=[])
        events.add("response.content_part.done", **at, content_index=0, part=part)
        events.finish()


class _Events:
    """The events of one answer, in order; `stage` is the stage of the events added next."""

    def __init__(self) -> None:
        self.stage = "words"
        self.lines: list[tuple[str, str]] = []
        self.output: list[Body] = []
        self._numbers = itertools.count()

    def add(self, kind: str, **fields: Any) -> None:
        data = json.dumps({"type": kind, "sequence_number": next(self._numbers), **fields})
        self.lines.append((self.stage, f"event: {kind}\ndata: {data}\n\n"))

    def begin(self, done: Body, **begun: Any) -> dict[str, Any]:
        """Begin an output item, which becomes `done` in the end; returns the fields that locate it."""
        index = len(self.output)
        self.output.append(done)
        self.add("response.output_item.added", output_index=index, item=done | begun)
        return {"output_index": index, "item_id": done["id"]}

    def finish(self) -> None:
        index = len(self.output) - 1
        self.add("response.output_item.done", output_index=index, item=self.output[index])


def _responses_usage(answer: Answer) -> Body | None:
    if answer.usage is None:
        return None
    sent, written, cached = answer.usage
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sent + written,
    }


def _as_chat(answer: Answer, body: Body) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []

    def chunk(stage: str, *choices: Body, usage: Body | None = None) -> None:
        data = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": list(choices),
            "usage": usage,
        }
        lines.append((stage, f"data: {json.dumps(data)}\n\n"))

    def choice(finish: str | None = None, **delta: Any) -> Body:
        return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}

    chunk("words", choice(role="assistant", content=""))
    for piece in answer.words:
        chunk("words", choice(content=piece))
    chunk("end", choice(content=""))  # where an answer is held, or cut
    for number, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        first = {"index": number, "id": call.id, "type": "function", "function": function}
        chunk("end", choice(tool_calls=[first]))
        half = len(call.arguments) // 2
        for piece in (call.arguments[:half], call.arguments[half:]):
            chunk("end", choice(tool_calls=[{"index": number, "function": {"arguments": piece}}]))
    if answer.finish not in ("", *ENDS):
        code = int(answer.finish) if answer.finish.isdigit() else answer.finish
        error = {"code": code, "message": answer.message, "type": "scripted"}
        return [*lines, ("end", f"data: {json.dumps({'error': error})}\n\n")]
    chunk("end", choice(answer.finish or ("tool_calls" if answer.calls else "stop")))
    if answer.usage is not None and body.get("stream_options", {}).get("include_usage"):
        sent, written, cached = answer.usage
        usage = {
            "prompt_tokens": sent,
            "completion_tokens": written,
            "total_tokens": sent + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        chunk("end", usage=usage)
    lines.append(("end", "data: [DONE]\n\n"))
    return lines


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>A web front</title>", content_type="text/html")


async def _odd(_request: web.Request) -> web.Response:
    return web.json_response({"error": "Unexpected endpoint or method."})
